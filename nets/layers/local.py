"""QuocNet's layers: untied filters, L2 pooling, contrast normalisation.

Le et al. (2012), "Building high-level features using large scale unsupervised learning",
section 3.  Untied: each place of the image has its own filters.  Images are (N, C, H, W).  All
windows move by one pixel and stay within the image.
"""
import math

import numpy as np

from nets.backend import to_device, xp
from nets.checks import check_integers, check_number, check_real, check_rng
from nets.layers.basic import Layer
from nets.layers.windows import PATCHES, col2im, count_places, im2col

# ---- Filters ---------------------------------------------------------------------------------
#
# W (h, w, M, C, k, k): each of h x w places has its own M filters, over C maps of k x k pixels.
# `encode` and `decode` multiply by W and by its transpose, as a sparse matrix: at each place one
# matrix product, of (M, C k k) and the patches of N images (C k k, N).


def draw_filters(shape, rng, equal=True, dtype="float64"):
    """Draw random filters of length 1: W of `shape` (h, w, M, C, k, k).

    equal: all places begin with the same M filters, and training makes them differ.  Filters that
    begin independently stay unaligned, and pooling over neighbours averages them to noise.
    It draws row by row in `dtype`, and so takes no more memory than W.
    """
    if np.ndim(shape) != 1 or len(shape) != 6 or shape[4] != shape[5]:
        raise ValueError(f"draw_filters: shape {shape}; expected (h, w, M, C, k, k)")
    check_integers("draw_filters", 1, **dict(zip("hwMCk", shape[:5], strict=True)))
    check_rng("draw_filters", rng)
    W, row_shape = xp.empty(shape, dtype), shape[2:] if equal else shape[1:]
    for i in range(shape[0]):
        if i == 0 or not equal:
            row = to_device(rng.standard_normal(row_shape, dtype))
            row /= xp.sqrt((row * row).sum((-3, -2, -1), keepdims=True))
        W[i] = row
    return W


def encode(W, x):
    """y[m, i, j] = sum over c, u, v of W[i, j, m, c, u, v] x[c, i + u, j + v]

    x: (N, C, H, W).  Returns (N, M, h, w).  Raises ValueError if H, W are not h + k - 1, w + k - 1.
    """
    h, w, M, C, k, _ = W.shape
    if x.shape[1:] != (C, h + k - 1, w + k - 1):
        raise ValueError(f"these filters take images of {C} x {h + k - 1} x {w + k - 1} numbers, "
                         f"not of {' x '.join(map(str, x.shape[1:]))}")
    y = xp.concatenate([W[rows].reshape(-1, M, C * k * k) @ _patches(x, rows, k)
                        for rows in _slabs(W, x)])      # (P, M, N)
    return xp.ascontiguousarray(y.reshape(h, w, M, len(x)).transpose(3, 2, 0, 1))


def decode(W, y):
    """x = W^T y, `encode` transposed: at each place its filters times y; overlaps are added up.

    y: (N, M, h, w).  Returns (N, C, H, W).
    """
    h, w, M, C, k, _ = W.shape
    x = xp.zeros((len(y), C, h + k - 1, w + k - 1), y.dtype)
    for rows in _slabs(W, y):
        patches = W[rows].reshape(-1, M, C * k * k).swapaxes(1, 2) @ _columns(y, rows)
        patches = patches.reshape(rows.stop - rows.start, w, C, k, k, len(y))
        slab = x[:, :, rows.start:rows.stop + k - 1]
        slab += col2im(patches.transpose(2, 3, 4, 0, 1, 5), 1, 0, slab.shape)
    return x


def filter_gradient(W, y, x):
    """d <y, encode(W, x)> / dW: at each place the sum over the images of y times the patch of x.

    y: (N, M, h, w).  x: (N, C, H, W).  Returns (h, w, M, C, k, k).
    """
    dW, k = xp.empty_like(W), W.shape[-1]
    for rows in _slabs(W, x):
        slab = _columns(y, rows) @ _patches(x, rows, k).swapaxes(1, 2)      # (P, M, C k k)
        dW[rows] = slab.reshape(-1, *W.shape[1:])
    return dW


def _slabs(W, x):
    """Slices of the rows of places, with PATCHES numbers in the patches of a slice, or one row.

    This bounds the memory.  In the second stage of the full net, the patches of 100 images are 6.5
    billion numbers, and those of one row of places 41 million.
    """
    h, w, _, C, k, _ = W.shape
    n = max(1, PATCHES // (w * C * k * k * max(1, len(x))))
    return [slice(i, min(i + n, h)) for i in range(0, h, n)]


def _patches(x, rows, k):
    """(P, C k k, N): the patches at the places of these rows, a view of the result of im2col."""
    patches = im2col(x[:, :, rows.start:rows.stop + k - 1], k, 1, 0)        # (C, k, k, h, w, N)
    C, _, _, h, w, N = patches.shape
    return patches.reshape(C * k * k, h * w, N).swapaxes(0, 1)


def _columns(y, rows):
    """(P, M, N): y at the places of these rows."""
    y = y[:, :, rows].transpose(2, 3, 1, 0)             # (h, w, M, N)
    return y.reshape(y.shape[0] * y.shape[1], *y.shape[2:])


class Local(Layer):
    """y = W x, with untied filters: see `encode`.  Cache: x."""

    decays = [True]

    def __init__(self, W):
        """W: (h, w, M, C, k, k) on the device, from `draw_filters`; not copied."""
        self.params = [check_real("Local", "W", W, ndim=6)]

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = W x"""
        return encode(self.params[0], x), x             # (N, M, h, w)

    def backward(self, dy, x):              # (N, M, h, w)
        """dx = W^T dy"""
        return decode(self.params[0], dy)               # (N, C, H, W)

    def gradients(self, dy, x):             # (N, M, h, w), (N, C, H, W)
        """dW = dy times the patch of x, at each place"""
        return [filter_gradient(self.params[0], dy, x)]  # (h, w, M, C, k, k)


class LocalTranspose(Layer):
    """x = W^T y, with its own W: decodes codes y to images x.  Cache: y."""

    decays = [True]

    def __init__(self, W):
        """W: (h, w, M, C, k, k) on the device; not copied."""
        self.params = [check_real("LocalTranspose", "W", W, ndim=6)]

    def forward(self, y, rng=None):         # (N, M, h, w)
        """x = W^T y"""
        return decode(self.params[0], y), y             # (N, C, H, W)

    def backward(self, dx, y):              # (N, C, H, W)
        """dy = W dx"""
        return encode(self.params[0], dx)               # (N, M, h, w)

    def gradients(self, dx, y):             # (N, C, H, W), (N, M, h, w)
        """dW = y times the patch of dx, at each place"""
        return [filter_gradient(self.params[0], y, dx)]  # (h, w, M, C, k, k)


# ---- Windows with fixed weights ----------------------------------------------------------------


def window_sum(x, g):
    """y[i, j] = sum over u, v of g_u g_v x[i + u, j + v].  (..., H, W) -> (..., h, w)"""
    h, w = (count_places(length, len(g), 1) for length in x.shape[-2:])
    x = sum(weight * x[..., u:u + h, :] for u, weight in enumerate(g))
    return sum(weight * x[..., v:v + w] for v, weight in enumerate(g))


def window_sum_transpose(y, g):
    """`window_sum` transposed, for a symmetric g.  (..., h, w) -> (..., H, W)"""
    return window_sum(_padded(y, len(g) - 1), g)


def _padded(x, p):
    """x with p zeros around: (..., H, W) -> (..., H + 2 p, W + 2 p)."""
    return xp.pad(x, [(0, 0)] * (x.ndim - 2) + [(p, p), (p, p)])


class L2Pool(Layer):
    """y = sqrt(epsilon + sum of x^2 over size x size neighbours of one map).  Cache: x, y."""

    def __init__(self, size, epsilon):
        check_integers("L2Pool", 1, size=size)
        check_number("L2Pool", "epsilon", epsilon, least=0)
        self.size, self.epsilon = size, epsilon

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = sqrt(epsilon + sum of x^2 over the window)"""
        y = xp.sqrt(self.epsilon + window_sum(x * x, [1.0] * self.size))
        return y, (x, y)                    # (N, C, h, w)

    def backward(self, dy, cache):          # (N, C, h, w)
        """dx = x times the sum of dy / y over the windows that hold x"""
        x, y = cache
        return x * window_sum_transpose(dy / y, [1.0] * self.size)  # (N, C, H, W)


class ContrastNorm(Layer):
    """z = x - mean of x,  y = z / max(c, sqrt(mean of z^2)): around each place, over all maps.

    The means are weighted by a Gaussian.  At the border the mean of x takes only the pixels within
    the image.  The mean of z^2 needs a whole window, so y is smaller than x.  Le et al. do not say
    this, but their number of weights agrees with it.
    Cache: z, and its divisor d.
    """

    def __init__(self, size, c=0.01):
        """size: of the window, odd.  The Gaussian's deviation is size / 4, as in Torch; not stated.
        """
        check_integers("ContrastNorm", 1, size=size)
        check_number("ContrastNorm", "c", c, least=0)
        if size % 2 == 0:
            raise ValueError(f"ContrastNorm: a window of {size}; expected an odd number")
        self.size, self.c = size, c

    def forward(self, x, rng=None):         # (N, C, H, W)
        """z = x - mean of x,  y = z / max(c, sqrt(mean of z^2))"""
        g, r = self._gaussian(), self.size // 2
        z = x - (self._mean(x.mean(1)) / self._inside(x))[:, None]
        d = xp.maximum(xp.sqrt(window_sum((z * z).mean(1), g)), self.c)     # (N, h, w)
        return z[:, :, r:-r or None, r:-r or None] / d[:, None], (z, d)     # (N, C, h, w)

    def backward(self, dy, cache):          # (N, C, h, w)
        """dz = dy / d - z times the mean of (dy . y) / d^2 where d > c,  dx = dz - mean of dz"""
        z, d = cache
        g, r = self._gaussian(), self.size // 2
        inner = (dy * z[:, :, r:-r or None, r:-r or None]).sum(1)           # (N, h, w): d dy . y
        dz = _padded(dy / d[:, None], r)
        dz -= z * window_sum_transpose(inner / d ** 3 * (d > self.c), g)[:, None] / z.shape[1]
        return dz - self._mean(dz.mean(1) / self._inside(z))[:, None]     # (N, C, H, W)

    def _gaussian(self):
        """g (size,), which sums to 1: the window is g g^T."""
        r, deviation = self.size // 2, self.size / 4
        g = [math.exp(-(u / deviation) ** 2 / 2) for u in range(-r, r + 1)]
        return [weight / sum(g) for weight in g]

    def _mean(self, x):
        """The weighted sum around each place, with zeros beyond the border; its own transpose."""
        return window_sum(_padded(x, self.size // 2), self._gaussian())

    def _inside(self, x):
        """(H, W): the weight of that part of each window that lies within the image."""
        return self._mean(xp.ones(x.shape[2:], x.dtype))
