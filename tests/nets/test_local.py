"""Untied filters, L2 pooling and contrast normalisation against loops over every number."""
import numpy as np
import pytest
from toys import layer_case

from nets.backend import to_device, to_host, xp
from nets.gradcheck import check_gradients
from nets.layers import local
from nets.layers.conv import Conv
from nets.layers.local import (
    ContrastNorm,
    L2Pool,
    Local,
    LocalTranspose,
    decode,
    draw_filters,
    encode,
    window_sum,
    window_sum_transpose,
)

LAYERS = {                                  # name: how to make one, shape of an input
    "Local": (lambda rng: Local(draw_filters((3, 4, 2, 3, 2, 2), rng, False)), (3, 3, 4, 5)),
    "Local, as large as the image": (lambda rng: Local(draw_filters((1, 1, 2, 1, 3, 3), rng)),
                                     (2, 1, 3, 3)),
    "LocalTranspose": (lambda rng: LocalTranspose(draw_filters((3, 4, 2, 3, 2, 2), rng, False)),
                       (3, 2, 3, 4)),
    "L2Pool": (lambda rng: L2Pool(2, 0.1), (2, 2, 4, 5)),
    "L2Pool, larger": (lambda rng: L2Pool(3, 1e-6), (1, 2, 6, 5)),
    "ContrastNorm": (lambda rng: ContrastNorm(3), (2, 2, 4, 5)),
    "ContrastNorm, larger": (lambda rng: ContrastNorm(5), (1, 3, 7, 6)),
    "ContrastNorm of one place": (lambda rng: ContrastNorm(1), (2, 3, 2, 2)),
    "ContrastNorm, divided by c in part": (lambda rng: ContrastNorm(3, 0.8), (2, 2, 6, 6)),
}


@pytest.fixture(params=LAYERS)
def case(request):
    return layer_case(*LAYERS[request.param])


def test_backward_and_gradients_are_the_slopes(case):
    layer, x, _ = case
    assert max(row.error for row in check_gradients(layer, x, places=100)) < 1e-8


def test_nothing_is_kept_or_written_to_and_float32_stays_float32(case):
    layer, x, dy = case
    layer.params = [p.astype("float32") for p in layer.params]
    handed = [a.astype("float32") for a in (x, dy)] + layer.params
    x, dy = handed[:2]
    before, kept = [to_host(a).copy() for a in handed], dict(vars(layer))
    y, cache = layer.forward(x)
    for a in (y, layer.backward(dy, cache), *layer.gradients(dy, cache)):
        assert a.dtype == "float32"
    assert vars(layer) == kept
    for a, b in zip(handed, before, strict=True):
        assert (to_host(a) == b).all()


# ---- Filters ---------------------------------------------------------------------------------

SIZES = [(1, 1, 1, 1, 1), (3, 4, 2, 3, 2), (4, 2, 3, 1, 3), (1, 5, 2, 2, 4), (2, 2, 8, 3, 6)]


@pytest.mark.parametrize(("h", "w", "M", "C", "k"), SIZES)
def test_local_is_its_equation_number_by_number(h, w, M, C, k):
    rng = np.random.default_rng(1)
    W = rng.normal(size=(h, w, M, C, k, k))
    x = rng.normal(size=(3, C, h + k - 1, w + k - 1))
    expected = np.zeros((3, M, h, w))
    for n, m, i, j in np.ndindex(expected.shape):
        expected[n, m, i, j] = (W[i, j, m] * x[n, :, i:i + k, j:j + k]).sum()
    y = to_host(Local(to_device(W)).forward(to_device(x))[0])
    assert y.shape == expected.shape and abs(y - expected).max() < 1e-12


@pytest.mark.parametrize(("h", "w", "M", "C", "k"), SIZES)
def test_unlocal_adds_each_place_s_filters_up_where_they_overlap(h, w, M, C, k):
    rng = np.random.default_rng(2)
    W, y = rng.normal(size=(h, w, M, C, k, k)), rng.normal(size=(3, M, h, w))
    expected = np.zeros((3, C, h + k - 1, w + k - 1))
    for n, m, i, j in np.ndindex(y.shape):
        expected[n, :, i:i + k, j:j + k] += y[n, m, i, j] * W[i, j, m]
    x = to_host(LocalTranspose(to_device(W)).forward(to_device(y))[0])
    assert x.shape == expected.shape and abs(x - expected).max() < 1e-12


@pytest.mark.parametrize(("h", "w", "M", "C", "k"), SIZES)
def test_the_way_back_is_the_adjoint_and_both_are_linear_in_the_filters(h, w, M, C, k):
    """<W x, y> = <x, W^T y> = <W, dW>."""
    rng = np.random.default_rng(3)
    W = draw_filters((h, w, M, C, k, k), rng, False)
    x, y = (to_device(rng.normal(size=(4, *shape)))
            for shape in ((C, h + k - 1, w + k - 1), (M, h, w)))
    inner = float((encode(W, x) * y).sum())
    assert float((x * decode(W, y)).sum()) == pytest.approx(inner, rel=1e-10)
    for layer, z, dz in ((Local(W), x, y), (LocalTranspose(W), y, x)):
        dW, = layer.gradients(dz, layer.forward(z)[1])
        assert float((W * dW).sum()) == pytest.approx(inner, rel=1e-10)


def test_filters_that_are_equal_at_every_place_are_a_convolution():
    rng = np.random.default_rng(4)
    W, layer = draw_filters((5, 4, 3, 2, 3, 3), rng), Conv(2, 3, 3, rng)
    layer.params[0] = W[2, 1]
    x = to_device(rng.normal(size=(2, 2, 7, 6)))
    assert abs(to_host(encode(W, x) - layer.forward(x)[0])).max() < 1e-12


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_filters_have_length_1_and_are_equal_at_every_place_or_at_none(dtype):
    same, other = (draw_filters((3, 4, 5, 2, 3, 3), np.random.default_rng(5), equal, dtype)
                   for equal in (True, False))
    for W in (same, other):
        assert W.dtype == dtype
        assert to_host((W * W).sum((3, 4, 5))) == pytest.approx(1, abs=1e-6)
    assert (to_host(same) == to_host(same)[0, 0]).all()
    assert len(np.unique(to_host(same)[0, 0, :, 0, 0, 0])) == 5
    assert len(np.unique(to_host(other)[..., 0, 0, 0])) == 60


def test_every_place_has_numbers_of_its_own_to_train():
    W = draw_filters((2, 2, 1, 1, 2, 2), np.random.default_rng(6))
    W[0, 1] += 1
    assert (to_host(W[0, 0]) == to_host(W[1, 1])).all() and (to_host(W[0, 1] != W[0, 0])).all()


def test_results_are_the_same_however_many_rows_fit_the_buffer(monkeypatch):
    rng, results = np.random.default_rng(7), []
    W = draw_filters((5, 4, 2, 3, 2, 2), rng, False)
    x, y = to_device(rng.normal(size=(3, 3, 6, 5))), to_device(rng.normal(size=(3, 2, 5, 4)))
    for patches in (1, 2 * 144, 3 * 144, 10 ** 6):      # 4 x 12 x 3 numbers a row of places
        monkeypatch.setattr(local, "PATCHES", patches)
        results.append([encode(W, x), decode(W, y), local.filter_gradient(W, y, x)])
    for result in results[1:]:
        for a, b in zip(result, results[0], strict=True):
            assert abs(to_host(a - b)).max() < 1e-12


def test_no_buffer_holds_more_patches_than_it_may(monkeypatch):
    made, im2col, col2im = [], local.im2col, local.col2im
    monkeypatch.setattr(local, "PATCHES", 300)
    monkeypatch.setattr(local, "im2col", lambda *args: made.append(im2col(*args)) or made[-1])
    monkeypatch.setattr(local, "col2im",
                        lambda patches, *args: made.append(patches) or col2im(patches, *args))
    layer = Local(draw_filters((5, 4, 2, 3, 2, 2), np.random.default_rng(8)))
    y, cache = layer.forward(xp.zeros((3, 3, 6, 5)))
    layer.backward(y, cache)
    layer.gradients(y, cache)
    assert [patches.shape[3] for patches in made] == 3 * [2, 2, 1]          # rows of 144 numbers
    assert max(patches.size for patches in made) <= 300


def test_no_images_are_no_images():
    layer = Local(draw_filters((3, 4, 2, 1, 2, 2), np.random.default_rng(0)))
    y, cache = layer.forward(xp.zeros((0, 1, 4, 5)))
    assert y.shape == (0, 2, 3, 4) and layer.backward(y, cache).shape == (0, 1, 4, 5)
    assert not to_host(layer.gradients(y, cache)[0]).any()


@pytest.mark.parametrize("shape", [(1, 4, 6), (1, 5, 5), (2, 4, 5)])
def test_images_of_another_size_are_an_error_for_filters_that_have_their_places(shape):
    W = draw_filters((3, 4, 2, 1, 2, 2), np.random.default_rng(0))
    with pytest.raises(ValueError, match="take images of 1 x 4 x 5 numbers, not of"):
        encode(W, xp.zeros((1, *shape)))


# ---- Windows with fixed weights ----------------------------------------------------------------


@pytest.mark.parametrize("g", [[1.0], [1.0, 1.0], [0.2, 0.6, 0.2], [0.1, 0.2, 0.4, 0.2, 0.1]])
def test_a_window_is_its_equation_and_spread_its_adjoint(g):
    rng, k = np.random.default_rng(9), len(g)
    x = rng.normal(size=(2, 3, 6, 7))
    expected = np.zeros((2, 3, 7 - k, 8 - k))
    for at in np.ndindex(expected.shape):
        *image, i, j = at
        expected[at] = (np.outer(g, g) * x[*image, i:i + k, j:j + k]).sum()
    y, x = window_sum(to_device(x), g), to_device(x)
    assert abs(to_host(y) - expected).max() < 1e-12
    dy = to_device(rng.normal(size=y.shape))
    assert float((y * dy).sum()) == pytest.approx(float((x * window_sum_transpose(dy, g)).sum()),
                                                  rel=1e-10)


def test_l2_pooling_is_the_root_of_epsilon_and_the_sum_of_squares_in_one_map():
    x = np.random.default_rng(10).normal(size=(2, 3, 5, 6))
    y = to_host(L2Pool(3, 0.5).forward(to_device(x))[0])
    assert y.shape == (2, 3, 3, 4)
    for n, m, i, j in np.ndindex(y.shape):
        assert y[n, m, i, j] ** 2 == pytest.approx(0.5 + (x[n, m, i:i + 3, j:j + 3] ** 2).sum())


@pytest.mark.parametrize(("size", "c"), [(3, 0.01), (5, 0.01), (3, 0.9), (1, 0.01)])
def test_contrast_normalisation_is_its_equation_number_by_number(size, c):
    x = np.random.default_rng(11).normal(size=(2, 3, 7, 8))
    r = size // 2
    u = np.arange(-r, r + 1)
    G = np.exp(-(u[:, None] ** 2 + u ** 2) / (2 * (size / 4) ** 2))
    G /= 3 * G.sum()                        # sums to 1 over places and maps
    z = np.zeros_like(x)
    for n, m, i, j in np.ndindex(x.shape):
        weights, total = 0.0, 0.0
        for p, q in np.ndindex(size, size):
            row, column = i + p - r, j + q - r
            if 0 <= row < 7 and 0 <= column < 8:
                weights += 3 * G[p, q]      # what lies within the image is weighted anew
                total += (G[p, q] * x[n, :, row, column]).sum()
        z[n, m, i, j] = x[n, m, i, j] - total / weights
    y = to_host(ContrastNorm(size, c).forward(to_device(x))[0])
    assert y.shape == (2, 3, 7 - 2 * r, 8 - 2 * r)
    for n, m, i, j in np.ndindex(y.shape):
        deviation = np.sqrt((G * z[n, :, i:i + size, j:j + size] ** 2).sum())
        assert y[n, m, i, j] == pytest.approx(z[n, m, i + r, j + r] / max(c, deviation))


def test_contrast_normalisation_forgets_brightness_and_contrast_but_not_below_c():
    x = to_device(np.random.default_rng(12).normal(size=(1, 2, 6, 6)))
    norm = ContrastNorm(3)
    y = to_host(norm.forward(x)[0])
    assert to_host(norm.forward(7 * x + 3)[0]) == pytest.approx(y)
    assert to_host(norm.forward(1e-9 * x)[0]) == pytest.approx(0, abs=1e-6)
    assert (to_host(norm.forward(xp.ones((1, 2, 6, 6)))[0]) == pytest.approx(0, abs=1e-12))


def test_a_window_of_an_even_size_has_no_middle():
    with pytest.raises(ValueError, match="a window of 4; expected an odd number"):
        ContrastNorm(4)
