"""Norms and bounds against the explicit matrix of a small layer, and its singular values by NumPy.

Section 4.3: what is right in it, and where the print is not (nets/norms.py).
"""
import itertools
import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.optimize import minimize

from nets import norms
from nets.backend import to_device, to_host, xp
from nets.layers.basic import BGR, RGB, Dense, Dropout, Flatten, Preprocess, ReLU, Sigmoid
from nets.layers.conv import ChannelNorm, Conv, MaxPool
from nets.layers.local import L2Pool
from nets.models import alexnet
from nets.models.fc import fc
from nets.models.lenet import lenet
from nets.net import Net


def top(A):
    return np.linalg.svd(A, compute_uv=False)[0]


def matrix(layer, shape):
    """The explicit matrix of an affine layer on inputs of `shape`: (outputs, inputs)."""
    D = math.prod(shape)
    y = to_host(layer.forward(to_device(np.eye(D, dtype=float).reshape(D, *shape)))[0])
    return (y - to_host(layer.forward(to_device(np.zeros((1, *shape))))[0])).reshape(D, -1).T


def circular(W, stride, groups, n):
    """The explicit matrix of a convolution on a circle of n x n pixels, number by number."""
    D, part, k, _ = W.shape
    m = n // stride
    A = np.zeros((D, m, m, part * groups, n, n))
    for d, c, i, j, u, v in np.ndindex(D, part, m, m, k, k):
        first = d // (D // groups) * part
        A[d, i, j, first + c, (i * stride + u) % n, (j * stride + v) % n] += W[d, c, u, v]
    return A.reshape(D * m * m, -1)


def kernel(D, C, k, seed=0):
    return np.random.default_rng(seed).normal(size=(D, C, k, k))


def conv_norm(W, *args, **kwargs):
    return norms.conv_norm(to_device(W), *args, **kwargs)


def gain(layer, x, r):
    """|layer(x + r) - layer(x)| / |r| of each row."""
    y, moved = (to_host(layer.forward(to_device(z))[0]).reshape(len(x), -1) for z in (x, x + r))
    return np.linalg.norm(moved - y, axis=1) / np.linalg.norm(r.reshape(len(x), -1), axis=1)


# ---- Layers with weights ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(7, 4), (4, 7), (5, 5), (1, 6)])
def test_the_norm_of_a_dense_layer_is_its_largest_singular_value(shape):
    W = np.random.default_rng(0).normal(size=shape)
    assert norms.dense_norm(to_device(W)) == pytest.approx(top(W), rel=1e-12)
    layer = Dense(*shape, np.random.default_rng(1))
    expected = top(to_host(layer.params[0]))
    assert norms.operator_norm(layer, shape[:1]) == pytest.approx(expected, rel=norms.ACCURACY)


def test_the_largest_singular_value_is_found_where_the_second_is_within_a_thousandth():
    for seed in range(200):
        rng = np.random.default_rng(seed)
        layer, values = Dense(40, 40, rng), np.r_[1, 0.999, rng.uniform(0, 0.9, 38)]
        U, V = (np.linalg.qr(rng.normal(size=(40, 40)))[0] for _ in range(2))
        layer.params[0][...] = to_device(U * values @ V.T)
        assert 1 - norms.ACCURACY <= norms.operator_norm(layer, (40,)) <= 1 + 1e-9


def test_the_norm_of_a_convolution_whose_largest_singular_values_lie_close_together():
    for seed in range(100):
        layer = Conv(1, 4, 3, np.random.default_rng(seed))
        exact = top(matrix(layer, (1, 9, 5)))
        found = norms.operator_norm(layer, (1, 9, 5))
        assert exact * (1 - norms.ACCURACY) <= found <= exact * (1 + 1e-9)


@pytest.mark.parametrize("spectrum", [
    lambda n: np.linspace(1 / n, 1, n),                         # all close together
    lambda n: 1 - np.linspace(0, 1, n) ** 3,                    # ... most of all near the largest
    lambda n: np.r_[1, np.zeros(n - 1)], lambda n: np.ones(n)])     # where T is done in two steps
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_norm_is_found_whatever_the_other_singular_values_are(spectrum, dtype):
    layer = Dense(1, 1, np.random.default_rng(0))
    layer.params = [to_device(a.astype(dtype)) for a in (np.sqrt(spectrum(800)), np.zeros(1))]
    layer.forward = lambda v, rng=None: (v * layer.params[0], v)    # a diagonal matrix
    layer.backward = lambda dy, v: dy * layer.params[0]
    assert norms.operator_norm(layer, (800,)) == pytest.approx(1, rel=norms.ACCURACY)


@pytest.mark.parametrize(("stride", "k", "points"), [
    (1, 3, 5), (1, 3, 6), (1, 2, 4), (2, 3, 3), (2, 5, 4), (2, 2, 3), (3, 3, 3), (3, 5, 2),
    (3, 2, 3), (4, 3, 2), (4, 5, 2), (4, 6, 3)])
@pytest.mark.parametrize("groups", [1, 2])
def test_the_circular_operator_is_the_fourier_form_with_one_over_the_stride(
        stride, k, points, groups):
    """The print divides by the square of the stride: low by exactly the stride."""
    W = kernel(4, 4 // groups // 2, k)
    exact = top(circular(W, stride, groups, stride * points))
    assert conv_norm(W, stride, groups, points) == pytest.approx(exact, rel=1e-8)
    printed = conv_norm(W, stride, groups, points, as_printed=True)
    assert stride * printed == pytest.approx(exact, rel=1e-8)


@pytest.mark.parametrize(("k", "stride", "points"), [((3, 2), (1, 2), 3), ((2, 5), (3, 2), 4)])
def test_a_stride_that_differs_by_axis_counts_as_its_geometric_mean(k, stride, points):
    W = np.random.default_rng(0).normal(size=(2, 2, *k))
    m, (s, t) = points, stride
    A = np.zeros((2, m, m, 2, s * m, t * m))
    for d, c, i, j, u, v in np.ndindex(2, 2, m, m, *k):
        A[d, i, j, c, (i * s + u) % (s * m), (j * t + v) % (t * m)] += W[d, c, u, v]
    assert conv_norm(W, stride, 1, points) == pytest.approx(top(A.reshape(2 * m * m, -1)), rel=1e-8)


@pytest.mark.parametrize("layer", [
    Conv(2, 4, (2, 3), np.random.default_rng(1), (1, 2), ((0, 3), (2, 0)), 2),
    Conv(2, 2, (5, 1), np.random.default_rng(2), (2, 3), ((4, 4), (0, 1)))])
def test_the_bound_holds_where_axes_and_sides_differ(layer):
    exact, bound = top(matrix(layer, (2, 6, 5))), norms.layer_bound(layer, (2, 6, 5))
    assert exact <= bound * (1 + 1e-9) and bound < 3 * exact


PADDED = [(stride, k, padding, groups, side) for (stride, k), padding, groups, side in
          itertools.product([(1, 3), (2, 3), (3, 5), (4, 5)], (0, 1, 2), (1, 2), (5, 8))]


@pytest.mark.parametrize(("stride", "k", "padding", "groups", "side"), PADDED)
def test_the_true_operator_is_the_explicit_matrix_and_the_fourier_form_bounds_it(
        stride, k, padding, groups, side):
    layer = Conv(2, 4, k, np.random.default_rng(side), stride, padding, groups)
    layer.params[1][...] = 100              # a bias is no part of it
    exact = top(matrix(layer, (2, side, side)))
    found = norms.operator_norm(layer, (2, side, side))
    assert exact * (1 - norms.ACCURACY) <= found <= exact * (1 + 1e-9)      # a lower estimate
    W = to_host(layer.params[0])
    for room in (side + padding, side + 2 * padding):
        points = math.ceil(room / stride)
        assert exact <= conv_norm(W, stride, groups, points) * (1 + 1e-9)
    assert exact <= norms.layer_bound(layer, (2, side, side)) * (1 + 1e-9)


def test_zero_padding_can_exceed_the_fourier_form_on_a_coarser_grid():
    above = []
    for seed in range(30):
        layer = Conv(2, 2, 3, np.random.default_rng(seed), 1, 1)
        exact = top(matrix(layer, (2, 12, 12)))
        above.append(exact / conv_norm(to_host(layer.params[0]), points=8))
        assert exact <= conv_norm(to_host(layer.params[0]), points=13) * (1 + 1e-9)
    assert max(above) > 1.001


def test_frequencies_of_the_windows_size_alone_can_miss_the_peak():
    shares = [conv_norm(W, points=5) / conv_norm(W)
              for W in (kernel(3, 2, 5, seed) for seed in range(20))]
    assert min(shares) < 0.95


@pytest.mark.parametrize(("stride", "k"), [(1, 2), (1, 3), (1, 5), (2, 3), (2, 5), (4, 11)])
def test_between_the_frequencies_of_the_grid_it_is_larger_by_no_more_than_the_stated_share(
        stride, k):
    degree = math.ceil(k / stride) - 1
    for seed, m in itertools.product(range(5), range(2 * degree + 1, 2 * degree + 5)):
        W = kernel(3, 2, k, seed)
        fine, coarse = conv_norm(W, stride, 1, 48), conv_norm(W, stride, 1, m)
        assert fine <= coarse / math.cos(math.pi * degree / m) * (1 + 1e-9)


@pytest.mark.parametrize(("stride", "k"), [(1, 3), (1, 5), (2, 3), (2, 2), (3, 5), (4, 3)])
def test_the_norm_of_the_reshaped_kernel_is_a_lower_bound_and_times_the_overlap_an_upper_one(
        stride, k):
    for seed in range(5):
        W = kernel(4, 3, k, seed)
        reshaped = norms.dense_norm(to_device(W.reshape(4, -1)))
        exact = top(circular(W, stride, 1, 2 * stride * math.ceil(k / stride)))
        assert reshaped <= exact * (1 + 1e-9)
        assert exact <= reshaped * math.ceil(k / stride) * (1 + 1e-9)


@pytest.mark.parametrize(("stride", "k"), [(1, 3), (2, 4), (2, 2), (3, 3)])
def test_both_bounds_by_the_reshaped_kernel_are_attained(stride, k):
    constant = np.ones((1, 1, k, k))        # reshaped, of norm k
    assert conv_norm(constant, stride) == pytest.approx(k * k / stride)
    disjoint = kernel(4, 3, k)
    assert conv_norm(disjoint, k) == pytest.approx(top(disjoint.reshape(4, -1)))


def test_in_float32_the_norms_are_those_in_float64_to_five_digits():
    layer = Conv(4, 6, 5, np.random.default_rng(0), 2, 2, 2)
    W = to_host(layer.params[0])
    exact = conv_norm(W, 2, 2)
    assert conv_norm(W.astype("float32"), 2, 2) == pytest.approx(exact, rel=1e-5)
    true = norms.operator_norm(layer, (4, 11, 11))
    layer.params = [p.astype("float32") for p in layer.params]
    assert norms.operator_norm(layer, (4, 11, 11)) == pytest.approx(true, rel=2e-4)


def test_a_layer_of_zeros_has_norm_0():
    layer = Conv(1, 2, 3, np.random.default_rng(0))
    layer.params[0][...] = 0
    assert norms.operator_norm(layer, (1, 5, 5)) == norms.layer_bound(layer, (1, 5, 5)) == 0


def test_the_image_with_its_padding_has_room_on_the_circle_and_there_are_32_points_at_least():
    layer = Conv(1, 1, 5, np.random.default_rng(0), 2, 3)
    assert norms.points_for(layer, (1, 9, 199)) == 103          # (199 + 6) / 2, rounded up
    assert norms.points_for(layer, (1, 9, 9)) == norms.POINTS == 32


def test_of_both_gram_matrices_the_smaller_is_made(monkeypatch):
    seen = []
    monkeypatch.setattr(norms, "xp", SimpleNamespace(linalg=SimpleNamespace(
        eigvalsh=lambda gram: seen.append(gram.shape) or xp.linalg.eigvalsh(gram))))
    for shape in ((2, 3, 50), (2, 50, 3)):
        norms.dense_norm(to_device(np.ones(shape)))
    assert seen == [(2, 3, 3), (2, 3, 3)]


def test_too_few_steps_are_an_error(monkeypatch):
    monkeypatch.setattr(norms, "STEPS", 2)
    with pytest.raises(RuntimeError, match="not within 0.0001 after 2 steps"):
        norms.operator_norm(Dense(20, 20, np.random.default_rng(0)), (20,))


# ---- Layers without weights ------------------------------------------------------------------

POOLS = [(2, 2, (4, 6), 1), (3, 2, (7, 9), 2), (3, 1, (5, 6), 3), (2, 3, (8, 9), 1),
         (4, 3, (10, 13), 2), (3, 2, (4, 4), 1), (3, 2, (3, 5), math.sqrt(2))]


@pytest.mark.parametrize(("size", "stride", "shape", "expected"), POOLS)
def test_max_pooling_reaches_its_bound_on_a_spike_and_never_exceeds_it(
        size, stride, shape, expected):
    """Overlapping 3 x 3 windows with stride 2, AlexNet's: exactly 2, and no contraction."""
    layer = MaxPool(size, stride)
    assert norms.layer_bound(layer, (1, *shape)) == expected
    pixels = math.prod(shape)
    spikes = np.eye(pixels).reshape(pixels, 1, *shape)
    assert gain(layer, np.zeros_like(spikes), spikes).max() == pytest.approx(expected, rel=1e-15)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1, *shape)) * rng.choice([0, 1, 10], (2000, 1, *shape))
    for scale in (1e-3, 1, 10):
        assert gain(layer, x, scale * rng.normal(size=x.shape)).max() <= expected


@pytest.mark.parametrize(("size", "shape", "expected"), [
    (1, (3, 3), 1), (2, (4, 5), 2), (3, (7, 6), 3), (3, (4, 6), math.sqrt(6))])
def test_l2_pooling_comes_near_its_bound_beside_a_spike_and_never_exceeds_it(size, shape, expected):
    layer = L2Pool(size, 1e-6)
    assert norms.layer_bound(layer, (1, *shape)) == pytest.approx(expected)
    pixels = math.prod(shape)
    spikes = np.eye(pixels).reshape(pixels, 1, *shape)
    assert gain(layer, 100 * spikes, spikes).max() == pytest.approx(expected, rel=1e-6)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1, *shape)) * rng.choice([0, 1, 10], (2000, 1, *shape))
    for scale in (1e-3, 1, 10):
        assert gain(layer, x, scale * rng.normal(size=x.shape)).max() <= expected


def jacobian_norm(layer, a):
    """Of a ChannelNorm at the channels a (C,) of a pixel."""
    x = to_device(np.repeat(a[None, :, None, None], len(a), 0))
    dy = to_device(np.eye(len(a))[:, :, None, None])
    return top(to_host(layer.backward(dy, layer.forward(x)[1])).reshape(len(a), -1))


@pytest.mark.parametrize(("n", "k", "beta"), [
    (5, 2, 0.75), (5, 1, 0.75), (5, 1, 0.5), (5, 1, 1), (3, 1, 0.75), (1, 2, 0.5)])
def test_no_search_finds_contrast_normalisation_above_its_bounds(n, k, beta):
    layer = ChannelNorm(n, k, 0.3, beta)
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=C) * 10 ** rng.uniform(-1, 1) for C in (5, 7) for _ in range(4)]
    found = [-minimize(lambda a: -jacobian_norm(layer, a), a, method="L-BFGS-B",
                       options={"maxiter": 60}).fun for a in starts]
    found += [jacobian_norm(layer, rng.normal(size=9) * 10 ** rng.uniform(-2, 2))
              for _ in range(300)]
    seen, proven = (norms.lrn_bound(layer, how) for how in (False, True))
    assert max(found) <= seen * (1 + 1e-9)              # as seen, and
    assert seen < proven == norms.layer_bound(layer, (9, 4, 4))  # as proven
    assert jacobian_norm(layer, np.zeros(7)) == pytest.approx(seen) == k ** -beta
    assert max(found) > 0.99 * seen


def test_what_is_proven_for_2012s_normalisation_is_202_hundredths_of_what_is_seen():
    layer = ChannelNorm(5, 2, 1e-4, 0.75)
    assert norms.lrn_bound(layer, proven=False) == pytest.approx(0.595, abs=5e-4)
    assert norms.lrn_bound(layer) / norms.lrn_bound(layer, False) == pytest.approx(2.02, abs=5e-3)


def test_row_by_row_the_proof_holds_and_its_maximum_is_attained():
    """|row i of M| <= 2 beta S (k + S)^(-beta - 1), at its largest at S = k / beta."""
    k, beta = 2, 0.75
    S = np.linspace(0, 50, 100_001)
    rows = 2 * beta * S * (k + S) ** (-beta - 1)
    largest = (norms.lrn_bound(ChannelNorm(1, k, 1, beta)) - k ** -beta)    # n = 1: one row's
    assert rows.max() == pytest.approx(largest, rel=1e-6)
    assert S[rows.argmax()] == pytest.approx(k / beta, abs=1e-2)


@pytest.mark.parametrize(("layer", "expected"), [
    (Sigmoid(), 1 / 4), (ReLU(), 1), (Flatten(), 1), (Dropout(0.3), 1),
    (Dropout(0.3, inverted=False), 0.7), (Preprocess(255, RGB, (1, 2, 3)), 255),
    (Preprocess(2, BGR, (1, 2, 3), (0.5, 0.2, 0.4)), 10)])
def test_the_bounds_of_the_other_layers_are_attained_and_never_exceeded(layer, expected):
    shape = (3, 2, 2)
    assert norms.layer_bound(layer, shape) == pytest.approx(expected)
    rng = np.random.default_rng(0)
    x, r = rng.normal(size=(2, 500, *shape))
    assert gain(layer, x, r).max() <= expected * (1 + 1e-9)
    at = np.full((12, *shape), 0.5 * (type(layer) is not Sigmoid))
    small = 1e-4 * np.eye(12).reshape(12, *shape)
    assert gain(layer, at, small).max() == pytest.approx(expected, rel=1e-6)


# ---- All of a net ----------------------------------------------------------------------------


def pulled(net, shape, steps=20):
    """The largest |net(x + r) - net(x)| / |r| that gradient ascent in r finds: a search."""
    rng = np.random.default_rng(0)
    x, r, best = rng.random((4, *shape)), 0.1 * rng.normal(size=(4, *shape)), 0.0
    for _ in range(steps):
        y, (z, caches) = net.forward(to_device(x))[0], net.forward(to_device(x + r))
        best = max(best, gain(net, x, r).max())
        r = to_host(net.backward(z - y, caches))
        r *= 0.1 / abs(r).max()
    return best


@pytest.mark.parametrize(("net", "shape"), [
    (fc((20, 12, 5), np.random.default_rng(0)), (1, 4, 5)),
    (lenet(np.random.default_rng(0)), (1, 28, 28)),
    (alexnet.krizhevsky2012(np.random.default_rng(0), 1 / 32, 67, 5), (3, 67, 67)),
    (alexnet.torchvision(np.random.default_rng(0), 1 / 32, 63, 5), (3, 63, 63))])
def test_no_gain_of_a_net_exceeds_its_bound_the_product_of_its_layers(net, shape, monkeypatch):
    monkeypatch.setattr(norms, "POINTS", 16)
    rows, L = norms.lipschitz_bound(net, shape)
    assert [name for name, _ in rows] == [type(layer).__name__ for layer in net.layers]
    assert math.prod(bound for _, bound in rows) == pytest.approx(L, rel=1e-12)
    found = pulled(net, shape)
    assert 0 < found <= L
    for (layer, s), (_, bound) in zip(norms.input_shapes(net, shape), rows, strict=True):
        x, r = np.random.default_rng(1).normal(size=(2, 3, *s))
        assert gain(layer, x, r).max() <= bound * (1 + 1e-9)


def test_of_a_single_linear_layer_the_bound_is_attained():
    net = fc((20, 5), np.random.default_rng(0))
    assert pulled(net, (20,)) == pytest.approx(norms.lipschitz_bound(net, (20,))[1], rel=1e-3)


def test_the_shapes_are_those_that_the_layers_see():
    net = alexnet.krizhevsky2012(np.random.default_rng(0), 1 / 32, 67)
    found = [shape for layer, shape in norms.input_shapes(net, (3, 67, 67)) if layer.params]
    assert found == [(3, 67, 67), (4, 7, 7), (8, 3, 3), (12, 3, 3), (12, 3, 3),
                     (8,), (128,), (128,)]


def test_an_unknown_layer_is_an_error():
    class Tanh:
        params = []

    with pytest.raises(ValueError, match="no bound is known for Tanh, only for Dense, Conv"):
        norms.layer_bound(Tanh(), (3,))


def test_a_kind_of_layer_made_of_another_is_unknown_too():
    class Scaled(Dense):
        def forward(self, x, rng=None):
            return 2 * super().forward(x)[0], x

    net = Net([Scaled(3, 2, np.random.default_rng(0))])
    with pytest.raises(ValueError, match="no bound is known for Scaled"):
        norms.lipschitz_bound(net, (3,))
