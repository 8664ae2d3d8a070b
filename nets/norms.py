"""How much a layer can stretch: operator norms, and bounds for a whole net (section 4.3).

|phi_k(x) - phi_k(x + r)| <= L_k |r| for every layer, so L = L_1 ... L_K holds for the net, in
Euclidean norms.  For a layer with weights L_k is the largest singular value of its matrix:

    dense_norm      of W itself
    conv_norm       the paper's: the largest over the frequencies of a Fourier transform
    operator_norm   of the layer as it is, with its zero padding and its image's size

For the other layers a bound is known in closed form.  Proofs, and three places where the print is
wrong (strides, pooling, the exponent of contrast normalisation): nets/README.md, "Norms".
"""
import copy
import math

import numpy as np

from nets.backend import to_device, xp
from nets.layers.basic import (
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
from nets.layers.local import L2Pool
from nets.layers.windows import by_axis, by_side, count_places_by_axis

POINTS = 32                                 # frequencies along an axis, at least
ACCURACY = 1e-4                             # relative, of `operator_norm`
STEPS = 1000                                # of `operator_norm`, at most; mostly 100 are enough


# ---- Layers with weights ---------------------------------------------------------------------


def dense_norm(W):
    """|W|, the largest singular value of W, or of all in a stack of matrices (..., D, H).

    Section 4.3.  It is the root of the largest eigenvalue of W W^T or of W^T W; the smaller of the
    two matrices is used.
    """
    W = W if W.shape[-2] <= W.shape[-1] else W.swapaxes(-2, -1)
    gram = W @ W.conj().swapaxes(-2, -1)
    return math.sqrt(max(float(xp.linalg.eigvalsh(gram)[..., -1].max()), 0.0))


def conv_norm(W, stride=1, groups=1, points=POINTS, as_printed=False):
    """max over xi of |A(xi)| / s: the norm of a convolution with stride s on a circle.

    Section 4.3.  A(xi) (D, C s^2) has the rows w^_cd(xi + l n / s), c = 1 .. C, l in {0 .. s-1}^2.
    Exact for an image of n = s points pixels a side.  With `points_for` it is an upper bound for
    smaller images.  Code and print differ: the print has |A| / s^2 (slip 6 in the README).

    Args:
        W: (D, C / groups, k, k).
        stride: s, or a pair (s, t), for rows and columns: then s t is in place of s^2.
        groups: the result is the largest norm of all groups.
        points: xi = 0 .. points - 1 along each axis.
        as_printed: whether to return the paper's |A| / s^2, which is s times too small.

    Returns:
        A number.
    """
    dtype, phases = np.result_type(W.dtype, "complex64"), []
    for s, k in zip(by_axis(stride), W.shape[2:], strict=True):
        n = s * points
        phase = np.exp(-2j * np.pi / n * np.outer(np.arange(n), np.arange(k)))
        phases.append(to_device(phase).astype(dtype))           # (n, k)
    parts = W.astype(dtype).reshape(groups, len(W) // groups, *W.shape[1:])
    # W is real, so A(-xi) is the conjugate of A(xi), and half of the frequencies are enough.
    largest = max(dense_norm(_frequency_row(part, phases, xi, points)) for part in parts
                  for xi in range(points // 2 + 1))
    area = math.prod(by_axis(stride))
    return largest / (area if as_printed else math.sqrt(area))


def _frequency_row(W, phases, xi, points):
    """A at the frequencies (xi, 0 .. points - 1): one row of them, to bound the memory.

    W: (D, C, k, k).  phases: (s points, k) for each axis.  Returns (points, D, C s^2).
    """
    (D, C, _, _), (s, t) = W.shape, (len(phase) // points for phase in phases)
    along_u = xp.tensordot(phases[0][xi::points], W, (1, 2))    # (s, D, C, k)
    A = (along_u @ phases[1].T).reshape(s, D, C, t, points)
    return A.transpose(4, 1, 2, 0, 3).reshape(points, D, -1)


def points_for(layer, shape):
    """The `points` that make `conv_norm` an upper bound for a Conv on inputs of `shape` (C, H, W).

    The image and its padding then fit on the circle.  At least POINTS.
    """
    rooms = (length + sum(sides) for length, sides in zip(shape[1:], by_side(layer.padding),
                                                          strict=True))
    return max(POINTS, *(-(-room // s) for room, s in zip(rooms, by_axis(layer.stride),
                                                          strict=True)))


def drop_bias(layer):
    """A Dense or Conv without its bias.  It shares the weights with the layer."""
    W, b = layer.params
    layer = copy.copy(layer)
    layer.params = [W, xp.zeros_like(b)]
    return layer


def operator_norm(layer, shape):
    """The norm of a Dense or Conv as it is, zero padding included, on inputs of `shape`.

    The root of the largest eigenvalue of A^T A, where A is the layer without its bias, by Lanczos
    iteration.  It calls only forward and backward.  The first v is random, from a fixed seed.

    Returns:
        The gain |A v| / |v| of the best v: a lower estimate of the norm, to ACCURACY.

    Raises:
        RuntimeError: STEPS were too few.
    """
    layer = drop_bias(layer)
    v, before, beta = np.random.default_rng(0).normal(size=(1, *shape)), 0.0, 0.0
    v = to_device((v / np.linalg.norm(v)).astype(layer.params[0].dtype))
    T = np.zeros((STEPS + 1, STEPS + 1))    # A^T A in the basis of all v so far
    for i in range(STEPS):
        y, cache = layer.forward(v)
        T[i, i] = float((y * y).sum())
        after = layer.backward(y, cache) - T[i, i] * v - beta * before
        beta = math.sqrt(float((after * after).sum()))
        values, vectors = np.linalg.eigh(T[:i + 1, :i + 1])
        # An eigenvalue lies within |A^T A z - lambda z| of lambda.  Its root has half the error.
        if beta * abs(vectors[-1, -1]) <= 2 * ACCURACY * values[-1]:
            return math.sqrt(values[-1])
        T[i, i + 1] = T[i + 1, i] = beta
        v, before = after / beta, v
    raise RuntimeError(f"operator_norm: not within {ACCURACY:g} after {STEPS} steps")


# ---- Layers without weights ------------------------------------------------------------------


def pool_bound(layer, shape):
    """sqrt(the largest number of windows that a pixel is in), for images of `shape` (C, H, W).

    Section 4.3 calls max pooling contractive.  That holds only where windows do not overlap
    (slip 7 in the README).  For AlexNet's windows, 3 x 3 with stride 2, the bound is 2.
    """
    how = layer.size, getattr(layer, "stride", 1), getattr(layer, "padding", 0)
    places = count_places_by_axis(shape, *how)
    return math.sqrt(math.prod(min(-(-k // s), n) for k, s, n in
                               zip(*map(by_axis, how[:2]), places, strict=True)))


def lrn_bound(layer, proven=True):
    """k^-beta (1 + 2 sqrt(n) (beta / (1 + beta))^(1 + beta)), for ChannelNorm: proven.

    proven=False: k^-beta, the paper's eps^-gamma.  No search has exceeded it.  But it is proven
    only for one window over all channels, and here the windows slide.
    """
    n, beta = layer.n, layer.beta
    second = 2 * math.sqrt(n) * (beta / (1 + beta)) ** (1 + beta)
    return layer.k ** -beta * (1 + proven * second)


# ---- A whole net -----------------------------------------------------------------------------

BOUNDS = {                                  # L_k of a layer, given the shape of one input
    Dense: lambda layer, shape: dense_norm(layer.params[0]),
    Conv: lambda layer, shape: conv_norm(layer.params[0], layer.stride, layer.groups,
                                         points_for(layer, shape)),
    MaxPool: pool_bound,
    L2Pool: pool_bound,
    ChannelNorm: lambda layer, shape: lrn_bound(layer),
    Sigmoid: lambda layer, shape: 1 / 4,    # y (1 - y), at y = 1/2
    Tanh: lambda layer, shape: 1.0,
    ReLU: lambda layer, shape: 1.0,
    Dropout: lambda layer, shape: 1.0 if layer.inverted else 1 - layer.p,       # in testing
    Flatten: lambda layer, shape: 1.0,
    Reshape: lambda layer, shape: 1.0,
    Preprocess: lambda layer, shape: abs(layer.scale) / min(layer.std),         # for any order
}


def layer_bound(layer, shape):
    """L_k, proven, of one layer on inputs of `shape`, such as (C, H, W); ValueError if unknown."""
    if type(layer) not in BOUNDS:
        raise ValueError(f"no bound is known for {type(layer).__name__}, only for "
                         f"{', '.join(known.__name__ for known in BOUNDS)}")
    return BOUNDS[type(layer)](layer, shape)


def input_shapes(net, shape):
    """[(layer, shape of its input)] of a net on images of `shape`.  It evaluates a black image."""
    x, rows = xp.zeros((1, *shape), net.params[0].dtype), []
    for layer in net.layers:
        rows.append((layer, x.shape[1:]))
        x, _ = layer.forward(x)
    return rows


def lipschitz_bound(net, shape):
    """L with |logits(x) - logits(x + r)| <= L |r|, proven, for pixels in [0, 1].

    Section 4.3: the product of the layers' bounds, preprocessing and pooling included.  The print
    leaves pooling out.

    Args:
        shape: of an image, such as (3, 227, 227).

    Returns:
        [(name of a layer, its bound)] and the product.
    """
    rows = [(type(layer).__name__, layer_bound(layer, s)) for layer, s in input_shapes(net, shape)]
    return rows, math.prod(L for _, L in rows)
