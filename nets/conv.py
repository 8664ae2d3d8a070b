"""Convolution and max pooling over images (N, C, H, W), through the k x k taps of a window.

A tap (u, v) is one place of the window; what it sees of an image is one slice, and so forward,
backward and gradients are loops over taps, or one matrix product over all of them (`im2col`).
"""
import math

import numpy as np

from nets.backend import to_device, xp

# Numbers in a buffer of patches, unless one image has more: on a CPU as many as stay in a core's
# cache, on a GPU as many as keep it busy (0.3 GB in float32).
PATCHES = 2 ** 20 if xp is np else 2 ** 26


def taps(k, stride, h, w):
    """What each tap of a k x k window sees as it takes h x w places: (u, v, rows, columns)."""
    for u in range(k):
        for v in range(k):
            yield u, v, slice(u, u + stride * h, stride), slice(v, v + stride * w, stride)


def places(length, k, stride):
    """How many places a window of k has along `length` pixels; what is left over is not seen."""
    if length < k:
        raise ValueError(f"a window of {k} pixels does not fit into {length}")
    return (length - k) // stride + 1


def im2col(x, k, stride, padding):
    """patches[c, u, v, i, j, n] = x[n, c, i s + u - p, j s + v - p]: each tap's view of x.

    x: (N, C, H, W), beyond which all is 0.  Returns (C, k, k, h, w, N): the images last, so that
    they are copied in long rows, however small the image.
    """
    x = xp.ascontiguousarray(x.transpose(1, 2, 3, 0))
    x = xp.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    windows = xp.lib.stride_tricks.sliding_window_view(x, (k, k), (1, 2))[:, ::stride, ::stride]
    return xp.ascontiguousarray(windows.transpose(0, 4, 5, 1, 2, 3))


def col2im(patches, stride, padding, shape):
    """The adjoint of im2col: every patch added up where it came from, x (N, C, H, W) of `shape`.

    Within one tap no two places coincide, so each tap is one addition of arrays: the order of the
    additions is the same on any device.
    """
    N, C, H, W = shape
    p, (k, h, w) = padding, patches.shape[2:5]
    x = xp.zeros((C, H + 2 * p, W + 2 * p, N), patches.dtype)
    for u, v, rows, columns in taps(k, stride, h, w):
        x[:, rows, columns] += patches[:, u, v]
    return x[:, p:p + H, p:p + W].transpose(3, 0, 1, 2)


class Conv:
    """y[d, i, j] = b[d] + sum over c, u, v of W[d, c, u, v] x[c, i s + u - p, j s + v - p].

    s: stride.  p: padding, zeros around the image.  groups: with two, the first half of the
    outputs d sees the first half of the inputs c alone, and the second the second.
    Cache: x, and not its patches, k^2 / s^2 times as large: backward needs none, gradients makes
    them again, and so memory stays bounded (PATCHES).
    """

    def __init__(self, C, D, k, rng, stride=1, padding=0, groups=1):
        """W (D, C / groups, k, k), normal with variance 1 / (terms of the sum); b = 0."""
        if C % groups or D % groups:
            raise ValueError(f"Conv: {C} inputs and {D} outputs do not divide into {groups} groups")
        if min(k, stride) < 1 or padding < 0:
            raise ValueError(f"Conv: window {k}, stride {stride}, padding {padding}; expected at "
                             "least 1, 1 and 0")
        W = rng.normal(0, 1 / np.sqrt(C // groups * k * k), (D, C // groups, k, k))
        self.params = [to_device(W), to_device(np.zeros(D))]
        self.k, self.stride, self.padding, self.groups = k, stride, padding, groups

    # For each of g groups one matrix product: W (g, D/g, C/g k k) times the patches of n images
    # (g, C/g k k, h w n) is y (g, D/g, h w n).

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = W patches(x) + b"""
        W, b, (h, w) = self._weights(), self.params[1], self._size(x)
        y = xp.concatenate([(W @ self._patches(x[n])).reshape(len(b), h, w, -1)
                            for n in self._chunks(x)], 3)
        y = xp.ascontiguousarray(y.transpose(3, 0, 1, 2))
        y += b[:, None, None]
        return y, x                         # (N, D, h, w)

    def backward(self, dy, x):              # (N, D, h, w)
        """dx = W^T dy, each patch added up where it came from"""
        WT, k, (h, w) = self._weights().swapaxes(1, 2), self.k, dy.shape[2:]
        return xp.concatenate([             # (N, C, H, W)
            col2im((WT @ self._columns(dy[n])).reshape(x.shape[1], k, k, h, w, -1),
                   self.stride, self.padding, x[n].shape) for n in self._chunks(x)])

    def gradients(self, dy, x):             # (N, D, h, w), (N, C, H, W)
        """dW = dy patches(x)^T,  db = sum of dy, over images and places"""
        dW = xp.zeros_like(self._weights())
        for n in self._chunks(x):
            dW += self._columns(dy[n]) @ self._patches(x[n]).swapaxes(1, 2)
        return [dW.reshape(self.params[0].shape), dy.sum((0, 2, 3))]

    def _weights(self):
        W = self.params[0]
        return W.reshape(self.groups, len(W) // self.groups, -1)        # (g, D/g, C/g k k)

    def _columns(self, y):                  # (n, D, h, w) -> (g, D/g, h w n)
        return y.transpose(1, 2, 3, 0).reshape(self.groups, y.shape[1] // self.groups, -1)

    def _patches(self, x):                  # (n, C, H, W) -> (g, C/g k k, h w n)
        patches = im2col(x, self.k, self.stride, self.padding)
        return patches.reshape(self.groups, x.shape[1] // self.groups * self.k ** 2, -1)

    def _size(self, x):
        """h, w of the output."""
        return [places(length + 2 * self.padding, self.k, self.stride) for length in x.shape[2:]]

    def _chunks(self, x):
        """Slices of as many images as have PATCHES numbers in their patches, one at least."""
        n = max(1, PATCHES // (x.shape[1] * self.k ** 2 * math.prod(self._size(x))))
        return [slice(i, i + n) for i in range(0, max(1, len(x)), n)]


class MaxPool:
    """y[c, i, j] = max over u, v of x[c, i s + u, j s + v], u and v below `size`, s: stride.

    Windows overlap where size > stride.  Pixels left over at the right and below are not seen.
    Cache: which tap is the largest, the first of equals, and the shape of x.
    """

    params = []

    def __init__(self, size, stride):
        if not 1 <= size <= 16 or stride < 1:           # a tap's number fits into 8 bits
            raise ValueError(f"MaxPool: window {size}, stride {stride}; expected 1 to 16, and at "
                             "least 1")
        self.size, self.stride = size, stride

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = the largest of each window"""
        h, w = (places(length, self.size, self.stride) for length in x.shape[2:])
        views = [x[:, :, rows, columns]
                 for _, _, rows, columns in taps(self.size, self.stride, h, w)]
        y, which = views[0], xp.zeros(views[0].shape, "uint8")
        for t, tap in enumerate(views[1:], 1):
            which = xp.maximum(which, (tap > y) * np.uint8(t))     # t grows, so the last one wins
            y = xp.maximum(y, tap)
        return y, (which, x.shape)          # (N, C, h, w)

    def backward(self, dy, cache):          # (N, C, h, w)
        """dx = dy where the largest was, added up where windows overlap, and 0 elsewhere"""
        which, shape = cache
        dx = xp.zeros(shape, dy.dtype)
        for t, (_, _, rows, columns) in enumerate(taps(self.size, self.stride, *dy.shape[2:])):
            dx[:, :, rows, columns] += dy * (which == t)
        return dx                           # (N, C, H, W)

    def gradients(self, dy, cache):
        """none: no parameters"""
        return []


class ChannelNorm:
    """y_i = x_i / d_i^beta, d_i = k + alpha * sum over j of x_j^2, |i - j| <= (n - 1) / 2.

    Krizhevsky et al. (2012), section 3.3, "local response normalization": each channel i of a
    pixel against its n nearest, n odd, fewer at the ends.  What Caffe, torch and the code of 2012
    call alpha is n times this one, which is the paper's.  Cache: x and d.
    """

    params = []

    def __init__(self, n, k, alpha, beta):
        if n < 1 or n % 2 == 0:
            raise ValueError(f"ChannelNorm: {n} channels around each; expected an odd number")
        self.n, self.k, self.alpha, self.beta = n, k, alpha, beta

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = x d^-beta"""
        d = self._sum(x * x)
        d *= self.alpha
        d += self.k
        return x * d ** -self.beta, (x, d)  # (N, C, H, W)

    def backward(self, dy, cache):          # (N, C, H, W)
        """dx = dy d^-beta - 2 alpha beta x sum of dy x d^(-beta - 1) over the channels around"""
        x, d = cache
        dx = dy * d ** -self.beta           # through the numerator
        through = self._sum(dx * x / d)     # the denominator
        through *= x
        through *= 2 * self.alpha * self.beta
        dx -= through
        return dx                           # (N, C, H, W)

    def gradients(self, dy, cache):
        """none: no parameters"""
        return []

    def _sum(self, z):
        """Over the n channels around each one: (N, C, H, W)."""
        total = z.copy()
        for i in range(1, (self.n + 1) // 2):
            total[:, i:] += z[:, :-i]
            total[:, :-i] += z[:, i:]
        return total
