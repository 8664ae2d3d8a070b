"""Every layer keeps one contract (nets/layers/basic.py), and each computes what its equation
says."""
import numpy as np
import pytest
from toys import layer_case

from nets.backend import to_device, to_host
from nets.gradcheck import check_gradients
from nets.layers.basic import (
    BGR,
    Dense,
    Dropout,
    Flatten,
    Preprocess,
    ReLU,
    Reshape,
    Sigmoid,
    Tanh,
)
from nets.layers.conv import ChannelNorm, Conv, MaxPool

LAYERS = {                                  # name: how to make one, shape of an input
    "Dense": (lambda rng: Dense(5, 3, rng), (4, 5)),
    "Sigmoid": (lambda rng: Sigmoid(), (4, 5)),
    "Tanh": (lambda rng: Tanh(), (4, 5)),
    "ReLU": (lambda rng: ReLU(), (4, 5)),
    "Dropout": (lambda rng: Dropout(0.4), (4, 5)),
    "Dropout, as in 2012": (lambda rng: Dropout(0.4, inverted=False), (4, 5)),
    "Flatten": (lambda rng: Flatten(), (4, 2, 3, 2)),
    "Reshape": (lambda rng: Reshape((2, 6)), (4, 3, 4)),
    "Conv": (lambda rng: Conv(2, 3, 3, rng), (2, 2, 5, 6)),
    "Conv, stride 2, padding 1": (lambda rng: Conv(2, 3, 3, rng, 2, 1), (2, 2, 6, 5)),
    "Conv, stride 4, padding 2, groups": (lambda rng: Conv(4, 2, 5, rng, 4, 2, 2), (1, 4, 7, 9)),
    "Conv, each axis and side different": (
        lambda rng: Conv(2, 2, (2, 3), rng, (3, 2), ((0, 1), (2, 0)), 2), (2, 2, 6, 5)),
    "MaxPool, each axis and side different": (
        lambda rng: MaxPool((3, 2), (1, 2), ((2, 0), (0, 1))), (2, 2, 4, 5)),
    "MaxPool": (lambda rng: MaxPool(2, 2), (2, 3, 4, 5)),
    "MaxPool, overlapping": (lambda rng: MaxPool(3, 2), (2, 2, 7, 6)),
    "ChannelNorm": (lambda rng: ChannelNorm(5, 2, 0.3, 0.75), (2, 7, 3, 2)),
    "ChannelNorm, fewer channels than n": (lambda rng: ChannelNorm(5, 1, 0.5, 0.6), (2, 2, 2, 3)),
    "Preprocess": (lambda rng: Preprocess(3, BGR, (0.1, 0.2, 0.3), (1, 2, 4)), (2, 3, 4, 5)),
}


@pytest.fixture(params=LAYERS)
def case(request):
    return layer_case(*LAYERS[request.param])


def test_backward_and_gradients_are_the_slopes(case):
    layer, x, _ = case
    assert isinstance(layer.params, list)
    table = check_gradients(layer, x, places=100)
    assert len(table) == 1 + len(layer.params)
    assert max(row.error for row in table) < 1e-8


def test_an_evaluation_in_between_changes_no_gradient(case):
    layer, x, dy = case
    cache = layer.forward(x)[1]
    before = [layer.backward(dy, cache), *layer.gradients(dy, cache)]
    layer.backward(dy, layer.forward(x / 2 + 1)[1])
    after = [layer.backward(dy, cache), *layer.gradients(dy, cache)]
    for a, b in zip(before, after, strict=True):
        assert (to_host(a) == to_host(b)).all()


def test_a_layer_keeps_nothing_but_its_parameters_and_constants(case):
    layer, x, dy = case
    before = dict(vars(layer))
    _, cache = layer.forward(x)
    layer.backward(dy, cache)
    layer.gradients(dy, cache)
    assert vars(layer) == before
    for name, constant in before.items():
        assert name == "params" or np.asarray(constant).dtype.kind in "bif"


def test_no_array_that_is_handed_over_is_written_to(case):
    layer, x, dy = case
    handed = [x, dy, *layer.params]
    before = [to_host(a).copy() for a in handed]
    _, cache = layer.forward(x)
    layer.backward(dy, cache)
    layer.gradients(dy, cache)
    for a, b in zip(handed, before, strict=True):
        assert (to_host(a) == b).all()


def test_float32_in_gives_float32_out(case):
    layer, x, dy = case
    if layer.params:
        layer.params = [p.astype("float32") for p in layer.params]
    y, cache = layer.forward(x.astype("float32"))
    dy = dy.astype("float32")
    for a in (y, layer.backward(dy, cache), *layer.gradients(dy, cache)):
        assert a.dtype == "float32"


def test_dense_is_the_sum_over_inputs_of_x_W_plus_b():
    rng = np.random.default_rng(1)
    layer = Dense(4, 3, rng)
    layer.params[1][...] = to_device(rng.normal(size=3))
    W, b = map(to_host, layer.params)
    x = rng.normal(size=(2, 4))
    y = to_host(layer.forward(to_device(x))[0])
    for n in range(2):
        for k in range(3):
            assert y[n, k] == pytest.approx(sum(x[n, d] * W[d, k] for d in range(4)) + b[k])


def test_dense_begins_with_outputs_that_vary_as_much_as_its_inputs():
    rng = np.random.default_rng(2)
    y = to_host(Dense(300, 200, rng).forward(to_device(rng.normal(size=(100, 300))))[0])
    assert y.std() == pytest.approx(1, abs=0.03)


def test_sigmoid_is_1_over_1_plus_exp_minus_x():
    x = np.linspace(-20, 20, 41)[None]
    assert to_host(Sigmoid().forward(to_device(x))[0]) == pytest.approx(1 / (1 + np.exp(-x)))


def test_sigmoid_of_plus_and_minus_1000_is_1_and_0_without_overflow():
    x = to_device(np.array([[-1000.0, 0.0, 1000.0]]))
    with np.errstate(all="raise"):
        y, cache = Sigmoid().forward(x)
        dx = Sigmoid().backward(x * 0 + 1, cache)
    assert to_host(y).tolist() == [[0, 0.5, 1]]
    assert to_host(dx).tolist() == [[0, 0.25, 0]]


def test_relu_is_the_larger_of_x_and_0_and_flat_at_0():
    y, cache = ReLU().forward(to_device(np.array([[-2.0, 0.0, 3.0]])))
    assert to_host(y).tolist() == [[0, 0, 3]]
    assert to_host(ReLU().backward(y * 0 + 5, cache)).tolist() == [[0, 0, 5]]


def test_flatten_makes_each_image_one_row_in_reading_order():
    x = np.arange(24).reshape(2, 3, 2, 2)
    assert to_host(Flatten().forward(to_device(x))[0]).tolist() == \
        [list(range(12)), list(range(12, 24))]
