"""Net: the chain rule through a whole net, in x and in every parameter, and its parts."""
import numpy as np
import pytest

from nets import net as nets_net
from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, check_gradients, numeric_gradient, relative_error
from nets.layers.basic import Dense, Sigmoid
from nets.models.fc import fc
from nets.net import Net

SIZES = (6, 5, 4, 3)


@pytest.fixture
def net():
    return fc(SIZES, np.random.default_rng(0))


@pytest.fixture
def x():
    return to_device(np.random.default_rng(1).uniform(size=(4, 1, 2, 3)))


@pytest.fixture
def dy():
    return to_device(np.random.default_rng(2).normal(size=(4, 3)))


def test_the_gradient_in_x_of_every_layer_and_of_the_whole_net_is_its_slope(net, x):
    table = check_gradients(net, x, 2, places=100)
    assert table[-1].layer == "Net" and max(row.error for row in table) < 1e-8


def test_gradients_are_those_in_every_parameter_in_the_order_of_params(net, x, dy):
    grads = net.gradients(dy, net.forward(x)[1])
    for p, dp in zip(net.params, grads, strict=True):
        slopes = numeric_gradient(lambda: (net.forward(x)[0] * dy).sum(), p)
        assert relative_error(dp, slopes) < BOUND


def test_gradients_never_form_the_gradient_in_x(net, x, dy):
    caches = net.forward(x)[1]
    wanted = net.gradients(dy, caches)

    def refuse(dy, cache):
        raise AssertionError("nobody needs d loss / d x in training")

    net.layers[0].backward = net.layers[1].backward = refuse    # Flatten and the first Dense
    for a, b in zip(net.gradients(dy, caches), wanted, strict=True):
        assert (to_host(a) == to_host(b)).all()


def test_params_are_W_and_b_of_each_layer_in_order(net):
    assert [p.shape for p in net.params] == [(6, 5), (5,), (5, 4), (4,), (4, 3), (3,)]


def test_phi_0_is_x_and_phi_K_the_logits_and_sigmoids_lie_in_the_unit_interval(net, x):
    phi = net.activations(x * 100)
    assert [to_host(p).shape for p in phi] == [(4, 1, 2, 3), (4, 5), (4, 4), (4, 3)]
    assert (to_host(phi[0]) == to_host(x * 100)).all()
    assert (to_host(phi[-1]) == to_host(net.forward(x * 100)[0])).all()
    for p in phi[1:-1]:
        assert to_host(p).min() >= 0
        assert to_host(p).max() <= 1


def test_phi_1_is_the_sigmoid_of_the_first_dense_layer(net, x):
    W, b = map(to_host, net.params[:2])
    phi_1 = 1 / (1 + np.exp(-(to_host(x).reshape(4, 6) @ W + b)))
    assert to_host(net.activations(x)[1]) == pytest.approx(phi_1)


@pytest.mark.parametrize("k", range(len(SIZES)))
def test_above_k_of_below_k_is_the_net_and_below_k_gives_phi_k(net, x, k):
    phi_k = net.below(k).forward(x)[0]
    assert (to_host(phi_k) == to_host(net.activations(x)[k])).all()
    assert (to_host(net.above(k).forward(phi_k)[0]) == to_host(net.forward(x)[0])).all()


@pytest.mark.parametrize("k", range(len(SIZES)))
def test_above_and_below_share_the_nets_parameters(net, k):
    below, above = net.below(k).params, net.above(k).params
    assert len(below) == 2 * k
    assert all(a is b for a, b in zip(below + above, net.params, strict=True))


def test_astype_casts_copies_and_leaves_the_net_as_it_was(net, x):
    single = net.astype("float32")
    assert {p.dtype.name for p in single.params} == {"float32"}
    assert single.forward(x.astype("float32"))[0].dtype == "float32"
    same = net.astype("float64")
    before = to_host(net.forward(x)[0])
    for p in same.params + single.params:
        p[...] = 0
    assert {p.dtype.name for p in net.params} == {"float64"}
    assert (to_host(net.forward(x)[0]) == before).all()


def test_predict_is_the_largest_logit_of_host_or_device_images_on_the_host(net, x):
    labels = to_host(net.forward(x)[0]).argmax(1)
    for images in (x, to_host(x)):
        found = net.predict(images)
        assert isinstance(found, np.ndarray)
        assert (found == labels).all()


@pytest.mark.parametrize("chunk", [1, 3, 10, 11])
def test_predict_in_chunks_is_predict_at_once(net, monkeypatch, chunk):
    x = np.random.default_rng(3).uniform(-9, 9, (10, 6))
    net.params[-1][...] -= net.forward(to_device(x))[0].mean(0)     # so that no label always wins
    whole = net.predict(x)
    assert len(set(whole)) > 1
    sizes, forward = [], net.forward
    monkeypatch.setattr(nets_net, "PIXELS", 6 * chunk + 1)
    monkeypatch.setattr(net, "forward", lambda x: sizes.append(len(x)) or forward(x))
    assert (net.predict(x) == whole).all()
    assert max(sizes) == min(chunk, 10) and sum(sizes) == 10


def test_images_evaluated_at_a_time_are_so_many_and_hold_so_many_numbers_at_most():
    def shaped(*shape):
        return np.broadcast_to(np.float32(0), shape)
    assert nets_net.chunk_size(shaped(60_000, 1, 28, 28)) == nets_net.CHUNK
    assert nets_net.chunk_size(shaped(60_000, 784), 128) == 128
    assert nets_net.chunk_size(shaped(3, 3, 227, 227), 128) * 3 * 227 ** 2 <= nets_net.PIXELS
    assert nets_net.chunk_size(shaped(3, 3, 4000, 4000)) == 1


def test_a_net_computes_in_the_precision_of_its_parameters(net):
    net = net.astype("float32")
    x = to_device(np.random.default_rng(3).uniform(-9, 9, (10, 6)))
    logits, caches = net.forward(x)
    assert x.dtype == "float64" and logits.dtype == "float32"
    dlogits = to_device(np.random.default_rng(4).normal(size=logits.shape))
    assert net.backward(dlogits, caches).dtype == "float32"
    assert {g.dtype.name for g in net.gradients(dlogits, caches)} == {"float32"}
    same, _ = net.forward(x.astype("float32"))
    assert (to_host(logits) == to_host(same)).all()


def test_predict_of_no_images_is_no_labels(net):
    assert net.predict(np.zeros((0, 6))).shape == (0,)


def test_fc_without_hidden_layers_is_a_softmax_regression():
    net = fc((6, 3), np.random.default_rng(0))
    assert [p.shape for p in net.params] == [(6, 3), (3,)]
    assert not any(isinstance(layer, Sigmoid) for layer in net.layers)


def test_two_nets_of_one_seed_are_the_same_and_of_two_seeds_are_not():
    a, b, c = (fc(SIZES, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert (to_host(a.params[0]) == to_host(b.params[0])).all()
    assert (to_host(a.params[0]) != to_host(c.params[0])).all()


def test_a_net_that_begins_without_parameters_still_has_its_first_phi(x, dy):
    """Flatten, Sigmoid and a Dense: phi_1 is the logits."""
    rng = np.random.default_rng(0)
    net = Net([*fc((6, 6), rng).layers[:1], Sigmoid(), Dense(6, 3, rng)])
    assert len(net.activations(x)) == 2
    assert [g.shape for g in net.gradients(dy, net.forward(x)[1])] == [(6, 3), (3,)]
