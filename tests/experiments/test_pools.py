"""Pools of adversarial examples: what is in them, what leaves them, what they train."""
import numpy as np
import pytest
from toys import attack, images, length

from experiments.shared import pools
from intriguing import D, distortion
from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.layers.basic import Dense
from nets.losses import softmax_cross_entropy
from nets.models.fc import fc
from nets.net import Net
from nets.search.rounds import make_engine
from nets.training.costs import classification, cross_entropy


@pytest.fixture
def net():
    """FC 20-6-5-4 before training, for `images(4)`, in float64."""
    return fc((20, 6, 5, 4), np.random.default_rng(0))


def marked(net, phi, t, stddev, rng):
    """What can be told from the originals: phi / 2, say."""
    return phi / 2


def full(pool, net, rng):
    """The pool once it holds as many as it can."""
    while pool.r is None or len(pool.r) < pool.size:
        pool.renew(net, rng)
    return pool


def test_for_two_linear_classes_an_example_lies_straight_across_the_boundary():
    rng = np.random.default_rng(0)
    net = Net([Dense(6, 2, rng)])
    net.params[1] -= net.params[0].sum(0) / 2           # the boundary goes through the middle
    phi = rng.uniform(0.4, 0.6, (5, 6))
    t = net.predict(phi)
    found = pools.make_adversarial(net, phi, t, 0.05)
    W = to_host(net.params[0])
    across = (W[:, 1 - t] - W[:, t]).T      # towards the other label, (5, 6)
    across /= np.sqrt((across ** 2).mean(1, keepdims=True))
    assert found == pytest.approx(phi + 0.05 * across, abs=1e-3)


@pytest.mark.parametrize("k", [0, 1])
def test_examples_of_a_layer_keep_to_the_box_and_to_their_distance(sigmoid, k):
    x, t = images(5)
    phi = to_host(sigmoid.below(k).forward(to_device(x))[0])
    found = pools.make_adversarial(sigmoid.above(k), phi, t, 0.03)
    assert found.shape == phi.shape and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1
    right = sigmoid.predict(x) == t
    size = distortion(phi, found)
    assert (size <= 0.03 * (1 + 1e-4)).all() and (size[~right] < 1e-6).all()
    inside = right & ((found > 0) & (found < 1)).reshape(len(x), -1).all(1)
    assert size[inside] == pytest.approx(np.full(inside.sum(), 0.03), rel=1e-3)
    assert inside.any() and (size[right] > 0.01).all()
    far = pools.make_adversarial(sigmoid.above(k), phi, t, 0.6)  # farther than D went
    assert far.min() == 0 and far.max() == 1


@pytest.mark.parametrize("k", [0, 1])
def test_an_ascent_raises_the_loss_more_than_noise_and_more_than_one_step_does(sigmoid, k,
                                                                               monkeypatch):
    x, t = images(5)
    above = sigmoid.above(k)
    phi = to_host(sigmoid.below(k).forward(to_device(x))[0])

    def loss(phi):
        return to_host(softmax_cross_entropy(above.forward(to_device(phi))[0], to_device(t))[0])
    found = pools.ascend(above, phi, t, 0.03)
    assert found.shape == phi.shape and found.dtype == np.float32
    assert found.min() >= 0 and found.max() <= 1
    assert (distortion(phi, found) <= 0.03 * (1 + 1e-4)).all()
    rng = np.random.default_rng(0)
    by_chance = [loss(pools.add_noise(above, phi, t, 0.03, rng)) for _ in range(50)]
    assert (loss(found) > np.max(by_chance, 0)).all()
    monkeypatch.setattr(pools, "ASCENT", 1)
    far = loss(pools.ascend(above, phi, t, 0.3))
    monkeypatch.setattr(pools, "ASCENT", 8)
    assert loss(pools.ascend(above, phi, t, 0.3)).mean() > far.mean()


def test_an_ascent_up_a_linear_loss_is_straight_even_where_it_is_almost_flat():
    rng = np.random.default_rng(0)
    net = Net([Dense(6, 2, rng)])
    net.params[1] += to_device(np.array([20.0, 0.0]))   # label 0 is certain: gradients of 1e-9
    phi = rng.uniform(0.4, 0.6, (5, 6)).astype("float32")
    found = pools.ascend(net, phi, np.zeros(5, int), 0.05)
    W = to_host(net.params[0])
    up = W[:, 1] - W[:, 0]
    up /= np.sqrt((up ** 2).mean())
    assert found == pytest.approx(phi + 0.05 * up, abs=1e-6)


def test_an_image_that_is_wrong_already_stays_as_it_is(sigmoid):
    x, _ = images(5)
    t = (sigmoid.predict(x) + 1) % 5
    assert pools.make_adversarial(sigmoid, x, t, 0.03) == pytest.approx(x, abs=1e-6)


def test_where_nothing_is_found_the_original_stays(sigmoid, monkeypatch):
    x, t = images(5)
    monkeypatch.setattr(pools, "D", lambda net, phi, *_, **__: np.full_like(phi, np.nan))
    assert (pools.make_adversarial(sigmoid, x, t, 0.03) == x).all()


def test_the_search_is_the_short_one_for_the_likeliest_wrong_label(sigmoid, monkeypatch):
    x, t = images(5)
    asked = []

    def search(net, phi, target, solver):
        asked.append(target)
        return D(net, phi, target, solver=solver)
    monkeypatch.setattr(pools, "D", search)
    pools.make_adversarial(sigmoid, x, t, 0.03)
    logits = to_host(sigmoid.forward(to_device(x))[0]).copy()
    logits[np.arange(len(t)), t] = -np.inf
    target, = asked
    assert (to_host(target) == logits.argmax(1)).all()


def test_what_a_pool_is_given_is_made_of_images_drawn_anew_with_its_own_stddev(net):
    """By the layers above k, from phi_k of the training images, each time of others."""
    x, t = images(4, 60)
    asked, rng = [], np.random.default_rng(0)

    def record(above, phi, labels, stddev, rng):
        asked.append((len(above.params), phi, labels, stddev))
        return phi
    pool = pools.Pool(to_device(x), to_device(t), 1, 0.07, 40, 0.25, record)
    for _ in range(2):
        pool.renew(net, rng)
    phi = to_host(net.below(1).forward(to_device(x))[0])
    rows = []
    for params, of, labels, stddev in asked:
        assert (params, stddev, len(of)) == (4, 0.07, 10)
        rows.append([int(abs(phi - one).max(1).argmin()) for one in of])
        assert of == pytest.approx(phi[rows[-1]]) and (labels == t[rows[-1]]).all()
    assert sorted(rows[0]) != list(range(10)) and rows[0] != rows[1]


def test_the_short_search_ends_near_the_long_one(sigmoid):
    x, target = attack(sigmoid, 5)
    short, long = (length(x, D(sigmoid, x, target, solver=how))
                   for how in (make_engine(pools.descend), "scipy"))
    assert not np.isnan(short).any()
    assert short.mean() == pytest.approx(long.mean(), rel=0.1) and (short > 0.98 * long).all()


def test_descend_finds_the_least_point_of_a_bowl_in_its_box():
    centre, steep = np.array([[0.2, 3.0], [-2.0, 0.4]]), np.array([1.0, 3.0])

    def bowl(z, rows):
        d = z - centre[rows]
        return (steep * d * d).sum(1) / 2, steep * d
    found = pools.descend(bowl, np.full((2, 2), 0.9), np.zeros((2, 2)), np.ones((2, 2)), ftol=1e-3)
    assert found.z == pytest.approx(centre.clip(0, 1), abs=0.05)
    assert found.evaluations.tolist() == [pools.STEPS + 1] * 2 and pools.STEPS == 4


def test_the_steps_are_those_of_barzilai_and_borwein():
    """a = <s, s> / <s, y>, at most 1: by hand, in a bowl without a box."""
    steep, z = np.array([1.5, 6.0]), np.array([[1.0, 1.0]])
    free = np.full((1, 2), 100.0)
    found = pools.descend(lambda z, rows: (None, steep * z), z, -free, free)
    a = 1.0
    for _ in range(4):
        s = -a * steep * z
        y = steep * s
        a, z = np.clip((s * s).sum() / (s * y).sum(), 0.1, 1), z + s
    assert found.z == pytest.approx(z, rel=1e-9)


def test_noise_has_the_standard_deviation_asked_for_and_keeps_to_the_box():
    phi = np.full((50, 400), 0.5)
    found = pools.add_noise(None, phi, None, 0.05, np.random.default_rng(0))
    assert (found - phi).std() == pytest.approx(0.05, rel=0.02) and found.dtype == np.float32
    found = pools.add_noise(None, np.zeros((50, 400)), None, 0.05, np.random.default_rng(0))
    assert found.min() == 0 < found.max()


def test_a_pool_fills_and_then_a_share_of_it_is_replaced_at_a_time(net):
    x, t = map(to_device, images(4, 60))
    rng = np.random.default_rng(0)
    pool = pools.Pool(x, t, 1, 0.1, 40, 0.25, marked)
    sizes = []
    for _ in range(6):
        pool.renew(net, rng)
        sizes.append(len(pool.r))
    assert sizes == [10, 20, 30, 40, 40, 40] and len(pool.rows) == 40
    before = to_host(pool.r)
    pool.examples = lambda net, phi, *_: phi + 7
    pool.renew(net, rng)
    new = to_host(pool.r) > 2
    assert new.all(1).sum() == new.any(1).sum() == 10
    old = to_host(pool.r)[~new.all(1)]
    assert len(old) == 30 and (old[:, None] == before).all(2).any(1).all()
    assert sorted(map(tuple, old)) != sorted(map(tuple, before[:30]))       # drawn, not the oldest


@pytest.mark.parametrize("k", [0, 1, 2])
def test_an_example_is_of_its_layer_and_keeps_the_label_of_its_image(net, k):
    x, t = images(4, 60)
    pool = full(pools.Pool(to_device(x), to_device(t), k, 0.1, 40, 0.5, marked), net,
                np.random.default_rng(0))
    phi = to_host(net.below(k).forward(to_device(x))[0]) / 2
    drawn, labels = map(to_host, pool.draw(net, 30, np.random.default_rng(1)))
    assert drawn.shape == (30, *phi.shape[1:])
    same = (abs(drawn[:, None] - phi) < 1e-9).reshape(30, 60, -1).all(2)    # of which image each is
    assert same.any(1).all() and (t[same.argmax(1)] == labels).all()
    assert len(set(same.argmax(1))) > 10


def test_an_example_follows_the_layers_below_and_stays_in_the_box(net):
    """phi_k(x) is that of the net as it is now; r is that of the net when it was found."""
    x, t = images(4, 60)
    pool = full(pools.Pool(to_device(x), to_device(t), 1, 0.1, 40, 0.5,
                           lambda net, phi, *_: 2 * phi), net, np.random.default_rng(0))
    r = to_host(net.below(1).forward(to_device(x))[0])
    net.params[0] *= 3                      # of the layer below
    now = np.clip(to_host(net.below(1).forward(to_device(x))[0]) + r, 0, 1)
    drawn, labels = map(to_host, pool.draw(net, 30, np.random.default_rng(1)))
    same = (abs(drawn[:, None] - now) < 1e-9).all(2)
    assert same.any(1).all() and (t[same.argmax(1)] == labels).all()
    assert (drawn == 1).any() and (drawn < 1).any()


def test_a_pool_larger_than_the_images_renews_at_most_all_of_them(net):
    x, t = map(to_device, images(4, 10))
    pool = pools.Pool(x, t, 0, 0.1, 100, 0.5, marked)
    pool.renew(net, np.random.default_rng(0))
    assert len(pool.r) == 10


@pytest.mark.parametrize("layers", [(0,), (1,), (2,), (0, 2)])
def test_the_cost_with_pools_has_the_gradient_of_central_differences(net, layers):
    """Of the layers above; an example, once drawn, is a constant for the layers below."""
    x, t = map(to_device, images(4, 8))
    of_layers = [full(pools.Pool(x, t, k, 0.1, 16, 0.5, marked), net, np.random.default_rng(k))
                 for k in layers]
    alone = classification(net, [1e-2] * 3)
    grads = pools.add_pools(net, alone, of_layers)(x, t, np.random.default_rng(5))[1]
    rng, clean = np.random.default_rng(5), alone(x, t)[1]
    drawn = [pool.draw(net, len(x), rng) for pool in of_layers]

    def value():
        return alone(x, t)[0] + sum(cross_entropy(net.above(k))(*examples)[0]
                                    for k, examples in zip(layers, drawn, strict=True))
    for i, (p, g) in enumerate(zip(net.params, grads, strict=True)):
        assert relative_error(g, numeric_gradient(value, p)) < BOUND
        assert bool((g == clean[i]).all()) == (i < 2 * min(layers))     # of the layers below


def test_a_batch_has_as_many_examples_of_each_pool_as_images(net):
    x, t = map(to_device, images(4, 8))
    drawn = []

    class Spy(pools.Pool):
        def draw(self, net, n, rng):
            drawn.append((self.k, n))
            return super().draw(net, n, rng)
    of_layers = [full(Spy(x, t, k, 0.1, 8, 1, marked), net, np.random.default_rng(k))
                 for k in (0, 1, 2)]
    alone = classification(net, [0] * 3)
    value, _ = pools.add_pools(net, alone, of_layers)(x[:3], t[:3], np.random.default_rng(0))
    assert drawn == [(0, 3), (1, 3), (2, 3)]
    rng, parts = np.random.default_rng(0), [alone(x[:3], t[:3])[0]]
    for pool in of_layers:
        phi, labels = pool.draw(net, 3, rng)
        logits = to_host(net.above(pool.k).forward(phi)[0])
        share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        parts.append(-np.log(share[np.arange(3), to_host(labels)]).mean())
    assert value == pytest.approx(sum(parts))
