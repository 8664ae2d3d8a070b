"""Convolution and pooling against loops over every number, and the adjoint by inner products.

Each test of a convolution runs over taps and over patches.
That they keep the contract of a layer, gradients included, is in test_layers.py.
"""
import itertools
import math

import numpy as np
import pytest

from nets.backend import to_device, to_host, xp
from nets.layers import conv, windows
from nets.layers.conv import Conv, MaxPool
from nets.layers.windows import col2im, im2col
from nets.net import Net

SIZES = [  # C, D, k, stride, padding, groups, (H, W)
    (1, 2, 3, 1, 0, 1, (5, 6)),
    (2, 3, 3, 2, 1, 1, (7, 5)),
    (3, 2, 5, 3, 2, 1, (9, 11)),
    (4, 6, 4, 4, 0, 2, (11, 13)),           # some pixels at the right and below are not seen
    (6, 3, 1, 1, 0, 3, (3, 4)),
    (2, 2, 2, 3, 3, 2, (4, 5)),             # a stride that leaves gaps, more padding than window
    (3, 3, 3, 1, 1, 1, (1, 3)),
    (2, 4, (2, 3), (3, 1), ((2, 0), (1, 3)), 2, (5, 4)),        # each axis and each side different
    (1, 2, (4, 1), (1, 2), ((0, 1), (0, 0)), 1, (6, 5)),
]


@pytest.fixture(params=["taps", "taps of one row at a time", "patches"], autouse=True)
def form(request, monkeypatch):
    """Which of Conv's two forms runs."""
    monkeypatch.setattr(conv, "MANY_CHANNELS", math.inf if request.param == "patches" else 0)
    if request.param == "taps of one row at a time":
        monkeypatch.setattr(conv, "BAND", 1)


def by_loops(x, W, b, stride, padding, groups):
    """The equation of Conv, number by number."""
    (height, width), (D, part, *k) = x.shape[2:], W.shape
    s, t = (stride, stride) if isinstance(stride, int) else stride
    (top, bottom), (left, right) = [[padding] * 2] * 2 if isinstance(padding, int) else padding
    h = (height + top + bottom - k[0]) // s + 1
    w = (width + left + right - k[1]) // t + 1
    y = np.zeros((len(x), D, h, w)) + b[:, None, None]
    for n, d, i, j in np.ndindex(y.shape):
        first = d // (D // groups) * part   # the first input channel that d sees
        for c, u, v in np.ndindex(part, *k):
            row, column = i * s + u - top, j * t + v - left
            if 0 <= row < height and 0 <= column < width:
                y[n, d, i, j] += W[d, c, u, v] * x[n, first + c, row, column]
    return y


@pytest.mark.parametrize(("C", "D", "k", "stride", "padding", "groups", "size"), SIZES)
def test_a_convolution_is_its_equation_number_by_number(C, D, k, stride, padding, groups, size):
    rng = np.random.default_rng(0)
    layer = Conv(C, D, k, rng, stride, padding, groups)
    layer.params[1][...] = to_device(rng.normal(size=D))
    x = rng.normal(size=(3, C, *size))
    y = to_host(layer.forward(to_device(x))[0])
    expected = by_loops(x, *map(to_host, layer.params), stride, padding, groups)
    assert y.shape == expected.shape
    assert abs(y - expected).max() < 1e-12


@pytest.mark.parametrize(("C", "D", "k", "stride", "padding", "groups", "size"), SIZES)
def test_backward_is_the_adjoint_of_forward(C, D, k, stride, padding, groups, size):
    """<A x, dy> = <x, A^T dy>, and <A x, dy> = <W, dW> too, for it is linear in W."""
    rng = np.random.default_rng(1)
    layer = Conv(C, D, k, rng, stride, padding, groups)
    x = to_device(rng.normal(size=(4, C, *size)))
    y, cache = layer.forward(x)
    dy = to_device(rng.normal(size=y.shape))
    inner = float((y * dy).sum())
    assert float((x * layer.backward(dy, cache)).sum()) == pytest.approx(inner, rel=1e-12)
    dW, db = layer.gradients(dy, cache)
    assert float((layer.params[0] * dW).sum()) == pytest.approx(inner, rel=1e-12)
    assert to_host(db) == pytest.approx(to_host(dy).sum((0, 2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("C", "D", "k", "stride", "padding", "groups", "size"), SIZES)
def test_the_loop_over_taps_and_the_product_over_patches_agree(
        monkeypatch, C, D, k, stride, padding, groups, size, dtype):
    rng = np.random.default_rng(8)
    layer = Net([Conv(C, D, k, rng, stride, padding, groups)]).astype(dtype).layers[0]
    layer.params[1][...] = to_device(rng.normal(size=D))
    x, results = to_device(rng.normal(size=(4, C, *size)).astype(dtype)), []
    for many in (0, math.inf):
        monkeypatch.setattr(conv, "MANY_CHANNELS", many)
        y, cache = layer.forward(x)
        dy = y + 1
        results.append([y, layer.backward(dy, cache), *layer.gradients(dy, cache)])
    for by_taps, by_patches in zip(*results, strict=True):
        assert by_taps.dtype == by_patches.dtype == dtype
        assert by_taps.shape == by_patches.shape
        far = abs(to_host(by_taps - by_patches)).max()
        assert far <= (1e-5 if dtype == "float32" else 1e-13) * abs(to_host(by_patches)).max()


@pytest.mark.parametrize("channels", [3, 4])
def test_many_channels_of_a_group_go_over_taps_and_few_over_patches(monkeypatch, channels):
    made = []
    monkeypatch.setattr(conv, "MANY_CHANNELS", 4)
    monkeypatch.setattr(windows, "im2col", lambda *args: made.append(im2col(*args)) or made[-1])
    layer = Conv(2 * channels, 2, 3, np.random.default_rng(9), groups=2)
    layer.forward(to_device(np.ones((1, 2 * channels, 4, 4))))
    assert bool(made) == (channels == 3)


@pytest.mark.parametrize(("k", "stride", "padding", "size"), [
    (k, stride, padding, size) for k, stride, padding, size in
    itertools.product((1, 2, 3, 5), (1, 2, 3, 4), (0, 1, 2), ((5, 8), (9, 6)))])
def test_col2im_is_the_adjoint_of_im2col(k, stride, padding, size):
    rng = np.random.default_rng(2)
    x = to_device(rng.normal(size=(2, 3, *size)))
    patches = im2col(x, k, stride, padding)
    other = to_device(rng.normal(size=patches.shape))
    back = col2im(other, stride, padding, x.shape)
    assert float((patches * other).sum()) == pytest.approx(float((x * back).sum()), rel=1e-12)


def test_a_convolution_is_the_same_however_many_images_fit_the_buffer(monkeypatch):
    rng = np.random.default_rng(3)
    layer = Conv(2, 4, 3, rng, 1, 1, 2)
    x, results = to_device(rng.normal(size=(5, 2, 6, 6))), []
    for patches in (1, 2 * 648, 3 * 648, 100 * 648):    # 2 x 9 x 36 numbers an image, and more
        monkeypatch.setattr(windows, "PATCHES", patches)
        monkeypatch.setattr(conv, "BAND", patches // 9)     # rows of 2 x 6 x 5 numbers
        y, cache = layer.forward(x)
        results.append([y, layer.backward(y, cache), *layer.gradients(y, cache)])
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            assert abs(to_host(a - b)).max() < 1e-12


def test_no_buffer_holds_more_patches_than_it_may(monkeypatch):
    made = []
    monkeypatch.setattr(conv, "MANY_CHANNELS", math.inf)
    monkeypatch.setattr(windows, "PATCHES", 2000)
    monkeypatch.setattr(windows, "im2col", lambda *args: made.append(im2col(*args)) or made[-1])
    monkeypatch.setattr(windows, "col2im",
                        lambda patches, *args: made.append(patches) or col2im(patches, *args))
    layer = Conv(2, 4, 3, np.random.default_rng(4), 1, 1)
    y, cache = layer.forward(to_device(np.zeros((10, 2, 6, 6))))
    layer.backward(y, cache)
    layer.gradients(y, cache)
    assert [patches.shape[-1] for patches in made] == 3 * [3, 3, 3, 1]       # of 648 numbers each
    assert max(patches.size for patches in made) <= 2000


@pytest.mark.parametrize(("size", "stride", "padding"), [
    (3, 2, 1), ((3, 2), (2, 1), ((2, 0), (0, 1))), ((1, 4), (1, 3), ((0, 0), (3, 2))),
    (3, 2, ((0, 1), (0, 1)))])
def test_padding_is_never_the_largest_of_a_window(size, stride, padding):
    """As pooling of an image with a border of very small numbers; all numbers are below zero."""
    x = -1 - np.random.default_rng(7).random((2, 3, 6, 5))
    sides = [[padding] * 2] * 2 if isinstance(padding, int) else padding
    bordered = np.pad(x, [(0, 0), (0, 0), *sides], constant_values=-9)
    y, cache = MaxPool(size, stride, padding).forward(to_device(x))
    expected, other = MaxPool(size, stride).forward(to_device(bordered))
    assert (y == expected).all() and float(y.min()) > -2
    dy = to_device(np.random.default_rng(8).normal(size=y.shape))
    dx = to_host(MaxPool(size, stride, padding).backward(dy, cache))
    whole = to_host(MaxPool(size, stride).backward(dy, other))
    (top, _), (left, _) = sides
    assert (dx == whole[:, :, top:top + 6, left:left + 5]).all()


def test_no_images_are_no_images():
    layer = Conv(2, 4, 3, np.random.default_rng(0), 1, 1, 2)
    y, cache = layer.forward(xp.zeros((0, 2, 6, 6)))
    assert y.shape == (0, 4, 6, 6) and layer.backward(y, cache).shape == (0, 2, 6, 6)
    assert not to_host(layer.gradients(y, cache)[0]).any()


def test_channels_of_another_group_are_not_seen():
    rng = np.random.default_rng(5)
    layer = Conv(4, 6, 3, rng, groups=2)
    x = rng.normal(size=(1, 4, 5, 5))
    changed = x.copy()
    changed[:, 2:] += 1
    y, y_changed = (to_host(layer.forward(to_device(a))[0]) for a in (x, changed))
    assert (y[:, :3] == y_changed[:, :3]).all() and (y[:, 3:] != y_changed[:, 3:]).all()


def test_a_convolution_begins_with_outputs_that_vary_as_much_as_its_inputs():
    rng = np.random.default_rng(6)
    x = to_device(rng.normal(size=(20, 16, 12, 12)))
    for groups in (1, 2):
        y = to_host(Conv(16, 100, 5, rng, groups=groups).forward(x)[0])
        assert y.std() == pytest.approx(1, abs=0.05)


def test_groups_that_do_not_divide_the_channels_are_an_error():
    with pytest.raises(ValueError, match="3 inputs and 4 outputs do not divide into 2 groups"):
        Conv(3, 4, 3, np.random.default_rng(0), groups=2)


@pytest.mark.parametrize("make", [
    lambda: Conv(1, 1, 3, np.random.default_rng(0), stride=0), lambda: MaxPool(2, 0),
    lambda: Conv(1, 1, 3, np.random.default_rng(0), padding=-1), lambda: MaxPool(17, 1),
    lambda: MaxPool(2, 1, 2), lambda: MaxPool((3, 2), 1, ((0, 0), (0, 2))),
    lambda: Conv(1, 1, 3, np.random.default_rng(0), padding=((0, 0), (0, -1)))])
def test_sizes_that_make_no_sense_are_an_error(make):
    with pytest.raises(ValueError, match="expected"):
        make()


@pytest.mark.parametrize("layer", [Conv(1, 1, 5, np.random.default_rng(0)), MaxPool(5, 2)])
def test_a_window_larger_than_the_image_is_an_error(layer):
    with pytest.raises(ValueError, match="a window of 5 pixels does not fit into 4"):
        layer.forward(to_device(np.zeros((1, 1, 8, 4))))


POOLS = [(2, 2, (4, 6)), (2, 2, (5, 7)), (3, 2, (7, 9)), (3, 2, (8, 8)), (3, 1, (5, 4)),
         (1, 1, (2, 3)), (2, 3, (8, 9)), (4, 3, (10, 13)), (3, 4, (11, 12))]


@pytest.mark.parametrize(("size", "stride", "shape"), POOLS)
def test_max_pooling_is_the_largest_of_each_window_and_sends_dy_back_to_it(size, stride, shape):
    rng = np.random.default_rng(7)
    x = rng.normal(size=(2, 3, *shape))
    y, cache = MaxPool(size, stride).forward(to_device(x))
    dy = rng.normal(size=y.shape)
    dx = to_host(MaxPool(size, stride).backward(to_device(dy), cache))
    expected, expected_dx = np.zeros(y.shape), np.zeros(x.shape)
    for n, c, i, j in np.ndindex(y.shape):
        window = x[n, c, i * stride:i * stride + size, j * stride:j * stride + size]
        assert window.shape == (size, size)             # it lies wholly in the image
        u, v = np.unravel_index(window.argmax(), window.shape)
        expected[n, c, i, j] = window[u, v]
        expected_dx[n, c, i * stride + u, j * stride + v] += dy[n, c, i, j]
    assert (to_host(y) == expected).all()
    assert abs(dx - expected_dx).max() < 1e-15
    assert tuple((length - size) // stride + 1 for length in shape) == y.shape[2:]


def test_of_equal_pixels_the_first_gets_the_gradient_and_none_of_it_is_lost():
    y, cache = MaxPool(3, 2).forward(xp.ones((1, 1, 5, 5)))
    dx = to_host(MaxPool(3, 2).backward(xp.ones_like(y), cache))
    assert dx[0, 0].tolist() == [[1, 0, 1, 0, 0], [0] * 5, [1, 0, 1, 0, 0], [0] * 5, [0] * 5]


def test_a_pixel_that_is_the_largest_of_four_windows_gets_the_gradient_of_all_four():
    x = np.zeros((1, 1, 5, 5))
    x[0, 0, 2, 2] = 1
    y, cache = MaxPool(3, 2).forward(to_device(x))
    assert to_host(y).tolist() == [[[[1, 1], [1, 1]]]]
    assert to_host(MaxPool(3, 2).backward(xp.ones_like(y), cache))[0, 0, 2, 2] == 4
