"""The penalty on norms: against the SVD, and its gradient by finite differences."""
import numpy as np
import pytest

from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.layers.basic import Dense, Flatten, ReLU
from nets.layers.conv import Conv, MaxPool
from nets.models.fc import fc
from nets.net import Net
from nets.training import penalty


def nothing(net):
    """A cost of 0 with gradients of 0."""
    return lambda x, t, rng=None: (0.0, [0 * p for p in net.params])


def matrix(layer, shape):
    """The explicit matrix of a layer without its bias, inputs x outputs."""
    eye = to_device(np.eye(int(np.prod(shape))).reshape(-1, *shape))
    zero = layer.forward(0 * eye)[0]
    return to_host(layer.forward(eye)[0] - zero).reshape(len(eye), -1)


class Scaled(Dense):
    """y = 2 x W + b.  Cache: 2 x."""

    def forward(self, x, rng=None):
        return super().forward(2 * x)

    def backward(self, dy, twice_x):
        return 2 * super().backward(dy, twice_x)


NETS = {
    "dense": (lambda rng: fc((6, 5, 4), rng), (6,)),
    "own cache": (lambda rng: Net([Flatten(), Scaled(6, 4, rng)]), (6,)),
    "conv": (lambda rng: Net([Conv(2, 4, 3, rng, 2, 1, 2), MaxPool(2, 1), ReLU(),
                              Conv(4, 3, 2, rng), Flatten(), Dense(3, 2, rng)]), (2, 5, 5)),
}


@pytest.fixture(params=NETS)
def case(request):
    make, shape = NETS[request.param]
    net = make(np.random.default_rng(0))
    for b in net.params[1::2]:
        b += to_device(np.random.default_rng(1).normal(size=b.shape))       # it must not matter
    return net, shape


def exact(net, shape):
    """sum_k log ||W_k|| by SVD."""
    return sum(np.log(np.linalg.norm(matrix(layer, s), 2))
               for layer, s in penalty.linear_layers(net, shape))


def test_it_is_mu_times_the_log_of_the_product_of_the_norms(case):
    net, shape = case
    whole = penalty.add_penalty(nothing(net), net, 0.7, shape, np.random.default_rng(2), 500)
    assert whole(None, None)[0] == pytest.approx(0.7 * exact(net, shape), rel=1e-9)


def test_the_norm_rises_to_its_value_and_is_kept_between_calls(case):
    net, shape = case
    whole = penalty.add_penalty(nothing(net), net, 1.0, shape, np.random.default_rng(2))
    values = [whole(None, None)[0] for _ in range(300)]
    assert all(b > a - 1e-12 for a, b in zip(values, values[1:], strict=False))
    assert values[0] < exact(net, shape) == pytest.approx(values[-1], rel=1e-6)


def test_its_gradient_is_its_slope_in_every_parameter(case):
    net, shape = case
    whole = penalty.add_penalty(nothing(net), net, 0.7, shape, np.random.default_rng(2), 500)
    _, grads = whole(None, None)
    for W, g in zip(net.params[::2], grads[::2], strict=True):
        assert relative_error(g, numeric_gradient(lambda: 0.7 * exact(net, shape), W)) < BOUND
    assert all((to_host(g) == 0).all() for g in grads[1::2])    # biases do not matter


def test_it_is_added_to_the_cost_and_takes_the_weights_as_they_are_now(case):
    net, shape = case

    def cost(x, t, rng):
        return 3.0, [p * 0 + 1 for p in net.params]
    whole = penalty.add_penalty(cost, net, 1.0, shape, np.random.default_rng(2), 500)
    before, grads = whole(None, None)
    assert before == pytest.approx(3 + exact(net, shape))
    assert (to_host(grads[1]) == 1).all() and not (to_host(grads[0]) == 1).all()
    for W in net.params[::2]:
        W *= 2
    assert whole(None, None)[0] == pytest.approx(before + len(net.params) / 2 * np.log(2))
