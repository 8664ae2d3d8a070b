"""Convolution and max pooling over images (N, C, H, W), through the k x k taps of a window.

A tap (u, v) is one place of the window; what it sees of an image is one slice, and so forward,
backward and gradients are loops over taps, or one matrix product over all of them (`im2col`).
"""
import numpy as np

from nets.backend import to_device, xp

# Numbers in a buffer of patches, unless one image has more: on a CPU as many as stay in a core's
# cache, on a GPU as many as keep it busy (0.3 GB in float32).
PATCHES = 2 ** 18 if xp is np else 2 ** 26


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
    """patches[n, c, u, v, i, j] = x[n, c, i s + u - p, j s + v - p]: each tap's view of x.

    x: (N, C, H, W), beyond which all is 0.  Returns (N, C, k, k, h, w): one copy.
    """
    if padding:
        x = xp.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = xp.lib.stride_tricks.sliding_window_view(x, (k, k), (2, 3))[:, :, ::stride, ::stride]
    return xp.ascontiguousarray(windows.transpose(0, 1, 4, 5, 2, 3))


def col2im(patches, stride, padding, shape):
    """The adjoint of im2col: every patch added up where it came from, x (N, C, H, W) of `shape`.

    Within one tap no two places coincide, so each tap is one addition of arrays, and the result
    is the same on any device.
    """
    N, C, H, W = shape
    p, (k, h, w) = padding, patches.shape[3:]
    x = xp.zeros((N, C, H + 2 * p, W + 2 * p), patches.dtype)
    for u, v, rows, columns in taps(k, stride, h, w):
        x[:, :, rows, columns] += patches[:, :, u, v]
    return x[:, :, p:p + H, p:p + W]


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
        shape = (D, C // groups, k, k)
        W = rng.normal(0, 1 / np.sqrt(C // groups * k * k), shape)
        self.params = [to_device(W), to_device(np.zeros(D))]
        self.stride, self.padding, self.groups = stride, padding, groups

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = W patches(x) + b"""
        W, b = self._W(), self.params[1]
        y = xp.concatenate([W @ self._patches(x[n]) for n in self._chunks(x)])
        y = y.reshape(len(x), len(b), *self._size(x))
        y += b[:, None, None]
        return y, x                         # (N, D, h, w)

    def backward(self, dy, x):              # (N, D, h, w)
        """dx = W^T dy, each patch added up where it came from"""
        W, k = self._W().swapaxes(1, 2), self.params[0].shape[3]
        (_, C, _, _), (_, _, h, w) = x.shape, dy.shape
        return xp.concatenate([             # (N, C, H, W)
            col2im((W @ self._columns(dy[n])).reshape(-1, C, k, k, h, w),
                   self.stride, self.padding, x[n].shape) for n in self._chunks(x)])

    def gradients(self, dy, x):             # (N, D, h, w), (N, C, H, W)
        """dW = dy patches(x)^T,  db = sum of dy, over images and places"""
        dW = sum((self._columns(dy[n]) @ self._patches(x[n]).swapaxes(2, 3)).sum(0)
                 for n in self._chunks(x))
        return [dW.reshape(self.params[0].shape), dy.sum((0, 2, 3))]

    # What the matrix products are of: for each of g groups, W (g, D/g, C/g k k), and of n images,
    # y (n, g, D/g, h w) and the patches (n, g, C/g k k, h w).

    def _W(self):
        W = self.params[0]
        return W.reshape(self.groups, len(W) // self.groups, -1)

    def _columns(self, y):
        n, D, h, w = y.shape
        return y.reshape(n, self.groups, D // self.groups, h * w)

    def _patches(self, x):
        k, (h, w) = self.params[0].shape[3], self._size(x)
        return im2col(x, k, self.stride, self.padding).reshape(len(x), self.groups, -1, h * w)

    def _size(self, x):
        """h, w of the output."""
        k = self.params[0].shape[3]
        return [places(length + 2 * self.padding, k, self.stride) for length in x.shape[2:]]

    def _chunks(self, x):
        """Slices of as many images as have PATCHES numbers in their patches, one at least."""
        k, (h, w) = self.params[0].shape[3], self._size(x)
        n = max(1, PATCHES // (x.shape[1] * k * k * h * w))
        return [slice(i, i + n) for i in range(0, len(x), n)]


class MaxPool:
    """y[c, i, j] = max over u, v of x[c, i s + u, j s + v], u and v below `size`, s: stride.

    Windows overlap where size > stride.  Pixels left over at the right and below are not seen.
    Cache: which tap is the largest, the first of equals, and the shape of x.
    """

    params = []

    def __init__(self, size, stride):
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
