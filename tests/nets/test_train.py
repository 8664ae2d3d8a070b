"""Training: weight decay in its readings, the cost's gradient, L-BFGS to the optimum, and steps on
mini-batches against the formulas as they are printed."""
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax

from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.layers.basic import Layer
from nets.models.fc import fc
from nets.net import Net
from nets.training.costs import DECAYS, classification, cross_entropy, decay
from nets.training.loop import (
    SCHEDULES,
    divide_over_threads,
    error,
    fit_adam,
    make_rates,
    train_epoch,
)
from nets.training.optimisers import Adam, Momentum, _mean_over_chunks, fit_lbfgs


@pytest.fixture
def toy():
    """60 images of 4 pixels in 3 classes that overlap, on the device."""
    rng = np.random.default_rng(0)
    t = rng.integers(0, 3, 60)
    x = rng.normal(size=(3, 4))[t] + 0.7 * rng.normal(size=(60, 4))
    return to_device(x), to_device(t)


def net_of(*sizes, seed=0):
    return fc(sizes, np.random.default_rng(seed))


class Holder(Layer):
    """A layer that only holds its parameters: weights, and a bias if there is one."""

    def __init__(self, *params):
        self.params = [to_device(p) for p in params]
        self.decays = [True, False][:len(params)]


@pytest.mark.parametrize(("reading", "expected"), [
    ("half", 0.1 / 2 * 30 + 0.4 / 2 * 14),
    ("whole", 0.1 * 30 + 0.4 * 14),
    ("per unit", 0.1 / 2 * 30 + 0.4 / 1 * 14),          # the layers have 2 and 1 output units
])
def test_decay_is_lambda_times_the_sum_of_squared_weights_in_its_reading(reading, expected):
    W_1, W_2 = np.array([[1.0, 2], [3, 4]]), np.array([[1.0], [2], [3]])    # squares: 30, 14
    net = Net([Holder(W_1, np.full(2, 9.0)), Holder(W_2, np.full(1, 9.0))])
    value, grads = decay(net, (0.1, 0.4), reading)
    assert value == pytest.approx(expected)
    for p, dp in zip(net.params, grads, strict=True):
        slopes = numeric_gradient(lambda: decay(net, (0.1, 0.4), reading)[0], p)
        assert abs(to_host(dp) - slopes).max() < 1e-8       # in b too: no decay, slope 0


def test_layers_without_biases_decay_each_with_its_own_lambda():
    W_1, W_2 = np.array([[1.0, 2]]), np.array([[3.0, 4]])
    value, grads = decay(Net([Holder(W_1), Holder(W_2)]), (0.2, 2.0))
    assert value == pytest.approx(0.1 * 5 + 1 * 25)
    assert (to_host(grads[0]) == 0.2 * W_1).all() and (to_host(grads[1]) == 2 * W_2).all()


def test_a_layer_that_does_not_say_what_decays_is_named():
    class Silent:
        params = [to_device(np.ones(2))]

    with pytest.raises(ValueError, match="Silent needs `decays`, one bool for each"):
        decay(Net([Silent()]), (0.1,))


def test_decay_wants_one_lambda_a_layer():
    with pytest.raises(ValueError, match=r"decay: lambdas \(0.1,\) for 2 layers"):
        decay(net_of(4, 3, 2), (0.1,))


def test_an_unknown_reading_of_the_decay_is_an_error():
    with pytest.raises((KeyError, ValueError), match="third"):
        decay(net_of(4, 2), (0.1,), "third")


@pytest.mark.parametrize("reading", DECAYS)
def test_the_gradient_of_the_whole_cost_of_a_classifier(toy, reading):
    net = net_of(4, 5, 3)
    cost = classification(net, (0.3, 0.2), reading)
    value, grads = cost(*toy)
    assert isinstance(value, float)
    for p, dp in zip(net.params, grads, strict=True):
        assert relative_error(dp, numeric_gradient(lambda: cost(*toy)[0], p)) < BOUND


def test_the_cost_is_the_mean_cross_entropy_and_the_decay(toy):
    net = net_of(4, 3)
    x, t = map(to_host, toy)
    W, b = map(to_host, net.params)
    expected = -log_softmax(x @ W + b, 1)[range(60), t].mean() + 0.2 / 2 * (W ** 2).sum()
    assert classification(net, (0.2,))(*toy)[0] == pytest.approx(expected)


def test_cross_entropy_is_the_cost_without_decay(toy):
    net = net_of(4, 5, 3)
    value, grads = cross_entropy(net)(*toy)
    other, others = classification(net, (0.0, 0.0))(*toy)
    assert value == other
    for a, b in zip(grads, others, strict=True):
        assert (to_host(a) == to_host(b)).all()


def test_in_chunks_the_cost_and_its_gradients_are_those_of_all_images_at_once(toy):
    cost = classification(net_of(4, 5, 3), (0.3, 0.2))
    value, grads = cost(*toy)
    for size in (1, 17, 60, 100):
        chunked, chunked_grads = _mean_over_chunks(cost, *toy, size=size)
        assert chunked == pytest.approx(value, rel=1e-13)
        for a, b in zip(grads, chunked_grads, strict=True):
            assert to_host(a) == pytest.approx(to_host(b), abs=1e-14)


def test_lbfgs_finds_the_optimum_of_a_softmax_regression(toy):
    net = net_of(4, 3)
    fit_lbfgs(net.params, classification(net, (0.1,)), *toy, iterations=500)
    x, t = map(to_host, toy)

    def cost(z):                            # written apart, without gradients
        W, b = z[:12].reshape(4, 3), z[12:]
        return -log_softmax(x @ W + b, 1)[range(60), t].mean() + 0.1 / 2 * (W ** 2).sum()

    theirs = minimize(cost, np.zeros(15), options={"gtol": 1e-8})
    W, b = map(to_host, net.params)
    assert cost(np.concatenate([W.ravel(), b])) == pytest.approx(theirs.fun, abs=1e-9)
    assert pytest.approx(theirs.x[:12].reshape(4, 3), abs=1e-4) == W


def test_lbfgs_ticks_with_the_cost_after_every_evaluation_and_stops_at_its_iterations(toy):
    net, values = net_of(4, 5, 3), []
    cost = classification(net, (1e-3, 1e-3))
    before = cost(*toy)[0]
    fit_lbfgs(net.params, cost, *toy, iterations=5, tick=values.append)
    assert 5 < len(values) < 20
    assert values[0] == pytest.approx(before)
    assert cost(*toy)[0] == pytest.approx(min(values))


def test_lbfgs_trains_float32_weights_in_place(toy):
    net = net_of(4, 3).astype("float32")
    W = net.params[0]
    x, t = toy[0].astype("float32"), toy[1]
    fit_lbfgs(net.params, classification(net, (0.1,)), x, t, iterations=100)
    assert net.params[0] is W
    assert W.dtype == "float32"
    exact = net_of(4, 3)
    fit_lbfgs(exact.params, classification(exact, (0.1,)), *toy, iterations=500)
    assert to_host(W) == pytest.approx(to_host(exact.params[0]), abs=2e-3)


def test_adam_learns_what_no_linear_net_can():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2))
    t = (x[:, 0] * x[:, 1] > 0).astype(int)
    x, t = to_device(x), to_device(t)
    net, ticks = net_of(2, 12, 2), []
    fit_adam(net.params, classification(net, (0, 0)), x, t, 60, 0.1, rng, batch=50,
             tick=ticks.append)
    assert error(net, x, t) < 0.05
    assert len(ticks) == 60
    linear = net_of(2, 2)
    fit_adam(linear.params, classification(linear, (0,)), x, t, 60, 0.1, rng, batch=50)
    assert error(linear, x, t) > 0.3


def test_adam_is_repeatable_by_its_rng_bit_for_bit(toy):
    def trained(seed):
        net = net_of(4, 5, 3)
        fit_adam(net.params, classification(net, (0, 0)), *toy, 3, 0.01,
                 np.random.default_rng(seed), batch=20)
        return to_host(net.params[0])

    assert (trained(0) == trained(0)).all()
    assert (trained(0) != trained(1)).any()


def test_adam_takes_fewer_images_than_a_batch_as_one_batch(toy):
    x, t = toy
    few, whole = net_of(4, 3), net_of(4, 3)
    for net, batch in ((few, 100), (whole, 60)):
        fit_adam(net.params, classification(net, (0,)), x, t, 4, 0.1, np.random.default_rng(0),
                 batch=batch, tick=lambda value: None)
    assert (to_host(few.params[0]) == to_host(whole.params[0])).all()


def test_fit_adam_is_bit_for_bit_the_loop_written_out():
    """So that a change of the code never changes the nets of MNIST."""
    rng = np.random.default_rng(0)
    x = to_device(rng.random((130, 7)).astype("float32"))
    t = to_device(rng.integers(0, 3, 130))
    net, plain, lams = *(net_of(7, 6, 3).astype("float32") for _ in range(2)), (0.1, 0.2)
    fit_adam(net.params, classification(net, lams), x, t, 3, 0.01, np.random.default_rng(1), 40)
    rng, step = np.random.default_rng(1), 0
    m, v = ([to_device(np.zeros(p.shape, "float32")) for p in plain.params] for _ in range(2))
    for _ in range(3):
        order = to_device(rng.permutation(130))
        for i in (0, 40, 80):                # the last ten of each order are left out
            rows = order[i:i + 40]
            grads = classification(plain, lams)(x[rows], t[rows], rng)[1]
            size = 0.01 * (1 - step / 9)
            step += 1
            size *= (1 - 0.999 ** step) ** 0.5 / (1 - 0.9 ** step)
            for j, g in enumerate(grads):
                m[j] = m[j] + 0.1 * (g - m[j])
                v[j] = v[j] + 0.001 * (g * g - v[j])
                plain.params[j] -= size * m[j] / (v[j] ** 0.5 + 1e-8)
    for p, q in zip(net.params, plain.params, strict=True):
        assert p.dtype == "float32" and (to_host(p) == to_host(q)).all()


# ---- The steps of the optimisers -------------------------------------------------------------


@pytest.fixture
def weights():
    """A weight of two axes and a bias of one, on the device, and what they are."""
    start = [np.array([[1.0, -2], [3, 0.5]]), np.array([4.0, -1])]
    return [to_device(w.copy()) for w in start], start


GRADS = [[np.array([[0.1, 0.2], [-0.3, 1]]), np.array([0.5, -0.7])],
         [np.array([[1.0, -0.2], [0.3, 2]]), np.array([0.1, 0.2])]]
RATES = [0.1, 0.04]                          # of two steps


def stepped(optimiser):
    for grads, rate in zip(GRADS, RATES, strict=True):
        optimiser.step([to_device(g) for g in grads], rate)
    return [to_host(w) for w in optimiser.params]


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_momentum_steps_as_krizhevsky_2012_prints_it_but_biases_do_not_decay(weights, lam):
    params, start = weights
    found = stepped(Momentum(params, [lam, 0]))
    for i, w in enumerate(start):
        v, own = 0, lam if i == 0 else 0
        for grads, eps in zip(GRADS, RATES, strict=True):
            v = 0.9 * v - own * eps * w - eps * grads[i]
            w = w + v
        assert found[i] == pytest.approx(w, abs=1e-12)


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_adam_steps_as_loshchilov_and_hutter_print_it_but_biases_do_not_decay(weights, lam):
    """Algorithm 2 of "Decoupled weight decay regularization": the rate scales the decay too."""
    params, start = weights
    found = stepped(Adam(params, [lam, 0]))
    for i, w in enumerate(start):
        m, v, own = 0, 0, lam if i == 0 else 0
        for step, (grads, eps) in enumerate(zip(GRADS, RATES, strict=True), 1):
            m = 0.9 * m + 0.1 * grads[i]
            v = 0.999 * v + 0.001 * grads[i] ** 2
            m_hat, v_hat = m / (1 - 0.9 ** step), v / (1 - 0.999 ** step)
            w = w - eps * (m_hat / np.sqrt(v_hat) + own * w)
        assert found[i] == pytest.approx(w, abs=1e-6)       # theirs adds 1e-8 elsewhere


@pytest.mark.parametrize("optimiser", [Adam, Momentum])
def test_the_state_is_all_that_an_optimiser_keeps(weights, optimiser):
    params, start = weights
    whole = stepped(optimiser(params, [0.3, 0]))
    first = optimiser([to_device(w.copy()) for w in start], [0.3, 0])
    first.step([to_device(g) for g in GRADS[0]], RATES[0])
    second = optimiser(first.params, [0.3, 0])
    for a, b in zip(second.state, first.state, strict=True):
        a[...] = b
    second.step([to_device(g) for g in GRADS[1]], RATES[1])
    for a, b in zip(whole, second.params, strict=True):
        assert (a == to_host(b)).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("optimiser", "rate"), [(Adam, 0.5), (Momentum, 0.02)])
def test_every_optimiser_and_schedule_finds_the_bottom_of_a_bowl_from_noisy_slopes(
        optimiser, rate, schedule):
    """The images are points, the cost half the mean squared distance to them: w -> their mean."""
    rng = np.random.default_rng(0)
    x, w = rng.normal([3, -4], 0.5, (200, 2)), np.zeros((1, 2))
    params = [to_device(w)]

    def cost(x, t, rng):
        away = params[0] - x.mean(0)
        return float((away ** 2).sum()) / 2, [away]

    steps = optimiser(params)
    for of_epoch in make_rates(schedule, rate, 40, 200, 10):
        values = train_epoch(steps, cost, to_device(x), to_device(x[:, 0]), of_epoch, rng, 10)
    assert to_host(params[0])[0] == pytest.approx(x.mean(0), abs=0.02)
    assert len(values) == 20


def test_the_rate_falls_linearly_or_as_half_a_cosine_over_all_whole_batches():
    assert make_rates("linear", 0.8, 2, 23, 10) == [[0.8, pytest.approx(0.6)],
                                                    [0.4, pytest.approx(0.2)]]
    half = np.sqrt(0.5)
    assert np.array(make_rates("cosine", 2.0, 2, 23, 10)) == pytest.approx(
        np.array([[2, 1 + half], [1, 1 - half]]))
    assert make_rates("linear", 1.0, 2, 5, 10) == [[1.0], [0.5]]    # fewer images than a batch
    assert type(make_rates("cosine", 1.0, 1, 1, 1)[0][0]) is float  # float32 stays float32
    with pytest.raises(ValueError, match="no schedule is called 'by hand'"):
        make_rates("by hand", 1.0, 1, 1, 1)


def test_an_epoch_takes_every_image_once_in_an_order_drawn_and_leaves_out_what_fills_no_batch():
    x, seen = to_device(np.arange(23.0)), []

    def cost(x, t, rng):
        assert (to_host(x) == to_host(t)).all()
        seen.append(to_host(x).astype(int).tolist())
        return float(len(seen)), [rng.random(())]

    steps = []
    optimiser = SimpleNamespace(step=lambda grads, rate: steps.append(rate))
    values = train_epoch(optimiser, cost, x, x, [0.5, 0.25], np.random.default_rng(3), 10)
    order = np.random.default_rng(3).permutation(23).tolist()
    assert seen == [order[:10], order[10:20]]
    assert (values, steps) == ([1.0, 2.0], [0.5, 0.25])


def test_error_is_the_share_of_images_with_another_label(toy):
    net = net_of(4, 3)
    t = net.predict(toy[0])
    assert error(net, toy[0], t) == 0
    t[:15] = (t[:15] + 1) % 3
    assert error(net, toy[0], to_device(t)) == 15 / 60


@pytest.mark.parametrize("shard", [1, 3, 8, 100])
def test_a_cost_in_threads_is_the_same_cost(shard):
    rng = np.random.default_rng(0)
    net = fc((5, 4, 3), rng)
    x, t = to_device(rng.normal(size=(8, 5))), to_device(rng.integers(0, 3, 8))
    cost = classification(net, [0.1, 0.2])
    expected, slopes = cost(x, t)
    found, grads = divide_over_threads(cost, shard)(x, t, np.random.default_rng(1))
    assert found == pytest.approx(expected)
    for g, s in zip(grads, slopes, strict=True):
        assert to_host(g) == pytest.approx(to_host(s))


def test_each_shard_gets_its_own_random_numbers_whatever_the_number_of_threads():
    def cost(x, t, rng):
        return float(rng.random()), [x.sum(0)]
    x, t = to_device(np.ones((6, 2))), to_device(np.zeros(6, int))
    values = [divide_over_threads(cost, shard)(x, t, np.random.default_rng(1))[0]
              for shard in (2, 2, 3, 6)]
    assert values[0] == values[1] and len(set(values)) == 3
