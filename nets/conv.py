"""Convolution and max pooling over images (N, C, H, W), through the k x k taps of a window.

A tap (u, v) is one place of the window.  What it sees of an image is one slice, so forward,
backward and gradients are loops over taps.  Where channels are few, a convolution is faster as one
product of all taps' weights with the patches that they see (`im2col`).
"""
import math

import numpy as np

from nets.backend import to_device, xp

# Numbers in a buffer of patches, unless one image has more: on a CPU as many as stay in a core's
# cache, on a GPU as many as keep it busy (0.3 GB in float32).
PATCHES = 2 ** 20 if xp is np else 2 ** 26
# Numbers that one tap sees at a time: as many as stay in a core's second cache.
BAND = 2 ** 17 if xp is np else 2 ** 26
# Channels of a group from which on Conv goes over taps.  Forward and backward over taps take, of
# the time over patches (one thread, float32): 1 channel 5.9, 3 channels 4.1, 20: 1.3, 32: 1.06,
# 48: 0.94, 192: 0.96, 384: 0.87.  A GPU would have k^2 times as many operations to launch.
MANY = 48 if xp is np else math.inf


def taps(k, stride, h, w, top=0):
    """What each tap of a k x k window sees as it takes h x w places: (u, v, rows, columns).

    top: the row of places to begin with.
    """
    for u in range(k):
        for v in range(k):
            yield (u, v, slice(u + stride * top, u + stride * (top + h), stride),
                   slice(v, v + stride * w, stride))


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
    outputs d sees the first half of the inputs c alone, and the second the second.  Cache: x.

    The definition is a loop over the taps (u, v) of the window, one matrix product a tap.  Where
    channels are few (MANY), the functions `..._by_patches` compute the same in one product.
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

    def forward(self, x, rng=None):             # (N, C, H, W)
        """y = b + sum over the taps (u, v) of W[:, :, u, v] x[tap]"""
        if not self._has_many_channels():
            return forward_by_patches(self, x), x
        W, b, z = self._matrices(), self.params[1][:, None, None, None], self._padded(x)
        y = xp.empty((len(b), *self.size(x), len(x)), x.dtype)
        for i, taps_of_band in self._bands(y):
            y[:, i] = sum((product(W[u, v], z[tap]) for u, v, tap in taps_of_band), b)
        return y.transpose(3, 0, 1, 2), x       # (N, D, h, w)

    def backward(self, dy, x):                  # (N, D, h, w)
        """dx[tap] += W[:, :, u, v]^T dy"""
        if not self._has_many_channels():
            return backward_by_patches(self, dy, x)
        (N, C, H, W), p, dy = x.shape, self.padding, images_last(dy)
        WT, dx = self._matrices().swapaxes(3, 4), xp.zeros((C, H + 2 * p, W + 2 * p, N), dy.dtype)
        for i, taps_of_band in self._bands(dy):
            band = xp.ascontiguousarray(dy[:, i])
            for u, v, tap in taps_of_band:
                dx[tap] += product(WT[u, v], band)
        return dx[:, p:p + H, p:p + W].transpose(3, 0, 1, 2)    # (N, C, H, W)

    def gradients(self, dy, x):                 # (N, D, h, w), (N, C, H, W)
        """dW[:, :, u, v] = dy x[tap]^T,  db = sum of dy, over images and places"""
        if not self._has_many_channels():
            return [gradient_by_patches(self, dy, x), dy.sum((0, 2, 3))]
        dW, y, z = xp.zeros_like(self._matrices()), images_last(dy), self._padded(x)
        for i, taps_of_band in self._bands(y):
            band = by_group(y[:, i], self.groups)
            for u, v, tap in taps_of_band:
                dW[u, v] += band @ by_group(z[tap], self.groups).swapaxes(1, 2)
        return [dW.transpose(2, 3, 4, 0, 1).reshape(self.params[0].shape), dy.sum((0, 2, 3))]

    def size(self, x):
        """h, w of the output."""
        return [places(length + 2 * self.padding, self.k, self.stride) for length in x.shape[2:]]

    def _has_many_channels(self):
        return self.params[0].shape[1] >= MANY

    def _matrices(self):
        """W as one matrix for each tap and group: (k, k, g, D/g, C/g)."""
        W = self.params[0].reshape(self.groups, -1, *self.params[0].shape[1:])
        return xp.ascontiguousarray(W.transpose(3, 4, 0, 1, 2))

    def _padded(self, x):
        """(N, C, H, W) -> (C, H + 2p, W + 2p, N)"""
        p = (self.padding, self.padding)
        return xp.pad(x.transpose(1, 2, 3, 0), ((0, 0), p, p, (0, 0)))

    def _bands(self, y):
        """Rows y[:, i] of places, as many as BAND allows, and (u, v, tap) of each of their taps.

        y: (D, h, w, N).  The tap (u, v) of these rows sees x[tap] of the padded x.
        """
        h, w, N = y.shape[1:]
        n = max(1, BAND // max(1, self.params[0].shape[1] * self.groups * w * N))
        for top in range(0, h, n):
            i = slice(top, min(top + n, h))
            yield i, [(u, v, (slice(None), rows, columns)) for u, v, rows, columns
                      in taps(self.k, self.stride, i.stop - top, w, top)]


def images_last(x):
    """(N, C, H, W) -> (C, H, W, N): so a slice of rows is made of long runs, however small."""
    return xp.ascontiguousarray(x.transpose(1, 2, 3, 0))


def by_group(x, groups):
    """(C, h, w, N) -> (g, C/g, h w N)"""
    return x.reshape(groups, x.shape[0] // groups, -1)


def product(W, x):
    """W x at every place: (g, D/g, C/g), (C, h, w, N) -> (D, h, w, N)."""
    g, d, _ = W.shape
    return (W @ by_group(x, g)).reshape(g * d, *x.shape[1:])


# Conv's three again, by one product over all taps: for each of g groups W (g, D/g, C/g k k) times
# the patches of n images (g, C/g k k, h w n) is y (g, D/g, h w n).  Patches are k^2 / s^2 times as
# large as x, so no cache holds them, and PATCHES bounds them.


def forward_by_patches(layer, x):           # (N, C, H, W)
    """y = W patches(x) + b"""
    W, b, (h, w) = _rows(layer), layer.params[1], layer.size(x)
    y = xp.concatenate([(W @ _patches(layer, x[n])).reshape(len(b), h, w, -1)
                        for n in _chunks(layer, x)], 3)
    y = xp.ascontiguousarray(y.transpose(3, 0, 1, 2))
    y += b[:, None, None]
    return y                                # (N, D, h, w)


def backward_by_patches(layer, dy, x):      # (N, D, h, w)
    """dx = W^T dy, each patch added up where it came from"""
    WT, shape = _rows(layer).swapaxes(1, 2), (x.shape[1], layer.k, layer.k, *dy.shape[2:], -1)
    return xp.concatenate([                 # (N, C, H, W)
        col2im((WT @ by_group(images_last(dy[n]), layer.groups)).reshape(shape),
               layer.stride, layer.padding, x[n].shape) for n in _chunks(layer, x)])


def gradient_by_patches(layer, dy, x):      # (N, D, h, w), (N, C, H, W)
    """dW = dy patches(x)^T"""
    dW = xp.zeros_like(_rows(layer))
    for n in _chunks(layer, x):
        dW += by_group(images_last(dy[n]), layer.groups) @ _patches(layer, x[n]).swapaxes(1, 2)
    return dW.reshape(layer.params[0].shape)


def _rows(layer):
    W = layer.params[0]
    return W.reshape(layer.groups, len(W) // layer.groups, -1)          # (g, D/g, C/g k k)


def _patches(layer, x):                     # (n, C, H, W) -> (g, C/g k k, h w n)
    patches = im2col(x, layer.k, layer.stride, layer.padding)
    return patches.reshape(layer.groups, x.shape[1] // layer.groups * layer.k ** 2, -1)


def _chunks(layer, x):
    """Slices of as many images as have PATCHES numbers in their patches, one at least."""
    n = max(1, PATCHES // (x.shape[1] * layer.k ** 2 * math.prod(layer.size(x))))
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
        x = xp.ascontiguousarray(x)         # a Conv's lies images last: twice the time
        views = (xp.ascontiguousarray(x[:, :, rows, columns])   # read twice: two thirds of the time
                 for _, _, rows, columns in taps(self.size, self.stride, h, w))
        y = next(views)
        which = xp.zeros(y.shape, "uint8")
        for t, tap in enumerate(views, 1):
            larger = (tap > y).view("uint8") * np.uint8(t)
            which = xp.maximum(which, larger)           # t grows, so the last one wins
            y = xp.maximum(y, tap)
        return y, (which, x.shape)          # (N, C, h, w)

    def backward(self, dy, cache):          # (N, C, h, w)
        """dx = dy where the largest was, added up where windows overlap, and 0 elsewhere"""
        (which, shape), dy = cache, xp.ascontiguousarray(dy)
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
        total = xp.array(z)
        for i in range(1, (self.n + 1) // 2):
            total[:, i:] += z[:, :-i]
            total[:, :-i] += z[:, i:]
        return total
