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
from scipy.linalg import eigvalsh_tridiagonal

from nets.backend import to_device, xp
from nets.checks import check_axes, check_integers, check_methods, check_real, check_sizes
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
STEPS = 1000                                # of `operator_norm`, at most; mostly 30 to 300
CHANCE = 1e-6                               # that `operator_norm` ends at another singular value


# ---- Layers with weights ---------------------------------------------------------------------


def dense_norm(W):
    """|W|, the largest singular value of W, or of all in a stack of matrices (..., D, H).

    Section 4.3.  It is the root of the largest eigenvalue of W W^T or of W^T W; the smaller of the
    two matrices is used.
    """
    W = to_device(check_real("dense_norm", "W", W, kinds="fiubc"))
    if W.ndim < 2 or W.size == 0:
        raise ValueError(f"dense_norm: W of shape {W.shape}; expected (..., D, H)")
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
    W = to_device(check_real("conv_norm", "W", W, ndim=4))
    check_axes("conv_norm", 1, stride=stride)
    check_integers("conv_norm", 1, groups=groups, points=points)
    if len(W) % groups or not xp.isfinite(W).all():
        raise ValueError(f"conv_norm: W of shape {W.shape} and {groups} groups; expected finite "
                         "numbers (D, C / groups, k, k), and D a multiple of the groups")
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
    check_sizes("points_for", shape, ndim=3)
    rooms = (length + sum(sides) for length, sides in zip(shape[1:], by_side(layer.padding),
                                                          strict=True))
    return max(POINTS, *(-(-room // s) for room, s in zip(rooms, by_axis(layer.stride),
                                                          strict=True)))


def drop_bias(layer):
    """A layer without its biases, the parameters that do not decay.  It shares the weights."""
    layer = copy.copy(layer)
    layer.params = [p if decays else xp.zeros_like(p)
                    for p, decays in zip(layer.params, layer.decays, strict=True)]
    return layer


def operator_norm(layer, shape):
    """The norm of a Dense or Conv as it is, zero padding included, on inputs of `shape`.

    The root of the largest eigenvalue of A^T A, where A is the layer without its bias, by Lanczos
    iteration.  It calls only forward and backward.  The first v is random, from a fixed seed.

    Args:
        layer: a Dense or Conv.
        shape: of one input, without N.

    Returns:
        The gain |A v| / |v| of the best v: a lower estimate of the norm, to ACCURACY.  With a
        chance of CHANCE the result is another singular value (nets/README.md, "Norms").

    Raises:
        ValueError: the layer has no weights, or they are not finite.
        RuntimeError: STEPS were too few.
    """
    check_methods("operator_norm", layer, "forward", "backward")
    check_sizes("operator_norm", shape)
    layer = drop_bias(layer)
    if not layer.params or not all(xp.isfinite(p).all() for p in layer.params):
        raise ValueError(f"operator_norm: {type(layer).__name__} has no weights, or they are not "
                         "finite; expected a Dense or Conv")
    v, before, beta = np.random.default_rng(0).normal(size=(1, *shape)), 0.0, 0.0
    v = to_device((v / np.linalg.norm(v)).astype(layer.params[0].dtype))
    log_enough = math.log(math.sqrt(v.size) / CHANCE)
    alphas, betas = [], []                  # T, A^T A in the basis of all v so far: its diagonal,
    for _ in range(STEPS):                  # and the numbers beside it
        y, cache = layer.forward(v)
        alphas.append(float((y * y).sum()))
        after = layer.backward(y, cache) - alphas[-1] * v - beta * before
        values = eigvalsh_tridiagonal(alphas, betas)
        beta = math.sqrt(float((after * after).sum()))
        betas.append(beta)
        # The next v is p(A^T A) v_0, where p(t) = prod(t - values) / prod(betas).  If the norm were
        # above `limit`, v_0 would be almost at right angles to its vector: a share below
        # 1 / p(limit^2).  For a random v_0 the chance of that is below sqrt(v.size) / p.
        # Derivation: nets/README.md.
        limit = (1 + ACCURACY) * math.sqrt(max(values[-1], 0.0))
        with np.errstate(divide="ignore"):  # beta is 0 when the steps span all that A sees
            if np.log(limit ** 2 - values).sum() >= log_enough + np.log(betas).sum():
                return limit / (1 + ACCURACY)
        v, before = after / beta, v
    raise RuntimeError(f"operator_norm: not within {ACCURACY:g} after {STEPS} steps")


# ---- Layers without weights ------------------------------------------------------------------


def pool_bound(layer, shape):
    """sqrt(the largest number of windows that a pixel is in), for images of `shape` (C, H, W).

    Section 4.3 calls max pooling contractive.  That holds only where windows do not overlap
    (slip 7 in the README).  For AlexNet's windows, 3 x 3 with stride 2, the bound is 2.
    """
    check_sizes("pool_bound", shape, ndim=3)
    k, s, p = layer.size, getattr(layer, "stride", 1), getattr(layer, "padding", 0)
    places = count_places_by_axis(shape, k, s, p)
    return math.sqrt(math.prod(min(-(-k // s), n) for k, s, n in
                               zip(by_axis(k), by_axis(s), places, strict=True)))


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
    if not hasattr(net, "layers"):
        raise ValueError(f"input_shapes: {type(net).__name__} has no layers; expected a nets.Net")
    check_sizes("input_shapes", shape)
    black, rows = xp.zeros((1, *shape), net.params[0].dtype if net.params else float), []
    x = black
    try:
        for layer in net.layers:
            rows.append((layer, x.shape[1:]))
            x, _ = layer.forward(x)
    except (ValueError, IndexError):
        net.forward(black)                  # its error names the layer that the shape does not fit
        raise
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
