"""Convolution, max pooling and normalisation of images (N, C, H, W).

A tap (u, v) is one place in a k x k window.  As the window moves, the tap sees one slice of the
image.  So forward, backward and gradients are loops over taps.
"""
import math

import numpy as np

from nets.backend import to_device, xp
from nets.checks import check_axes, check_integers, check_number, check_rng, check_sides
from nets.layers.basic import Layer
from nets.layers.windows import (
    backward_by_patches,
    by_axis,
    by_side,
    count_places_by_axis,
    forward_by_patches,
    gradient_by_patches,
    put_images_last,
    split_groups,
    taps,
)

# Numbers that one tap sees at a time: as many as stay in the second cache of a core.
BAND = 2 ** 17 if xp is np else 2 ** 26
# With at least so many channels in a group Conv loops over taps.  The time of forward and backward
# over taps, divided by that over patches (one thread, float32): 1 channel 5.9, 3 channels 4.1,
# 20: 1.3, 32: 1.06, 48: 0.94, 192: 0.96, 384: 0.87.  On a GPU taps would launch
# k^2 times as many kernels.
MANY_CHANNELS = 48 if xp is np else math.inf


class Conv(Layer):
    """y[d, i, j] = b[d] + sum over c, u, v of W[d, c, u, v] x[c, i s + u - p, j s + v - p].

    s: stride.  p: padding, zeros around the image.  With two groups, the first half of the outputs
    d sees only the first half of the inputs c, and the second half only the second.  Cache: x.
    The window k and s may be pairs, for rows and columns; p may be ((top, bottom), (left, right)).

    The definition is a loop over the taps (u, v) of the window, with one matrix product for each
    tap.  For fewer than MANY_CHANNELS channels the functions `..._by_patches` compute the same in
    one product.
    """

    decays = [True, False]

    def __init__(self, C, D, k, rng, stride=1, padding=0, groups=1):
        """W (D, C / groups, k, k), normal with variance 1 / (terms of the sum); b = 0."""
        check_integers("Conv", 1, C=C, D=D, groups=groups)
        check_axes("Conv", 1, k=k, stride=stride)
        check_sides("Conv", padding)
        check_rng("Conv", rng)
        if C % groups or D % groups:
            raise ValueError(f"Conv: {C} inputs and {D} outputs do not divide into {groups} groups")
        shape = D, C // groups, *by_axis(k)
        W = rng.normal(0, 1 / np.sqrt(math.prod(shape[1:])), shape)
        self.params = [to_device(W), to_device(np.zeros(D))]
        self.k, self.stride, self.padding, self.groups = k, stride, padding, groups

    def forward(self, x, rng=None):             # (N, C, H, W)
        """y = b + sum over the taps (u, v) of W[:, :, u, v] x[tap]"""
        if not self._has_many_channels():
            return forward_by_patches(self, x), x
        W, b, z = self._matrices(), self.params[1][:, None, None, None], self._padded(x)
        y = xp.empty((len(b), *self.size(x), len(x)), x.dtype)
        for i, taps_of_band in self._bands(y):
            y[:, i] = sum((multiply(W[u, v], z[tap]) for u, v, tap in taps_of_band), b)
        return y.transpose(3, 0, 1, 2), x       # (N, D, h, w)

    def backward(self, dy, x):                  # (N, D, h, w)
        """dx[tap] += W[:, :, u, v]^T dy"""
        if not self._has_many_channels():
            return backward_by_patches(self, dy, x)
        (N, C, H, W), dy, WT = x.shape, put_images_last(dy), self._matrices().swapaxes(3, 4)
        (top, bottom), (left, right) = by_side(self.padding)
        dx = xp.zeros((C, top + H + bottom, left + W + right, N), dy.dtype)
        for i, taps_of_band in self._bands(dy):
            band = xp.ascontiguousarray(dy[:, i])
            for u, v, tap in taps_of_band:
                dx[tap] += multiply(WT[u, v], band)
        return dx[:, top:top + H, left:left + W].transpose(3, 0, 1, 2)      # (N, C, H, W)

    def gradients(self, dy, x):                 # (N, D, h, w), (N, C, H, W)
        """dW[:, :, u, v] = dy x[tap]^T,  db = sum of dy, over images and places"""
        if not self._has_many_channels():
            return [gradient_by_patches(self, dy, x), dy.sum((0, 2, 3))]
        dW, y, z = xp.zeros_like(self._matrices()), put_images_last(dy), self._padded(x)
        for i, taps_of_band in self._bands(y):
            band = split_groups(y[:, i], self.groups)
            for u, v, tap in taps_of_band:
                dW[u, v] += band @ split_groups(z[tap], self.groups).swapaxes(1, 2)
        return [dW.transpose(2, 3, 4, 0, 1).reshape(self.params[0].shape), dy.sum((0, 2, 3))]

    def size(self, x):
        """The size h, w of the output."""
        return count_places_by_axis(x.shape, self.k, self.stride, self.padding)

    def _has_many_channels(self):
        return self.params[0].shape[1] >= MANY_CHANNELS

    def _matrices(self):
        """W as a matrix for each tap and group: (k, k, g, D/g, C/g)."""
        W = self.params[0].reshape(self.groups, -1, *self.params[0].shape[1:])
        return xp.ascontiguousarray(W.transpose(3, 4, 0, 1, 2))

    def _padded(self, x):
        """(N, C, H, W) -> (C, H + 2p, W + 2p, N)"""
        return xp.pad(x.transpose(1, 2, 3, 0), ((0, 0), *by_side(self.padding), (0, 0)))

    def _bands(self, y):
        """Yield a slice i of rows of y, as many as BAND allows, and [(u, v, tap)] of these rows.

        y: (D, h, w, N).  For the rows y[:, i] the tap (u, v) sees x[tap] of the padded x.
        """
        h, w, N = y.shape[1:]
        n = max(1, BAND // max(1, self.params[0].shape[1] * self.groups * w * N))
        for top in range(0, h, n):
            i = slice(top, min(top + n, h))
            yield i, [(u, v, (slice(None), rows, columns)) for u, v, rows, columns
                      in taps(self.k, self.stride, i.stop - top, w, top)]


def multiply(W, x):
    """W x at every place: (g, D/g, C/g), (C, h, w, N) -> (D, h, w, N)."""
    g, d, _ = W.shape
    return (W @ split_groups(x, g)).reshape(g * d, *x.shape[1:])


class MaxPool(Layer):
    """y[c, i, j] = max over u, v of x[c, i s + u - p, j s + v - p], u and v below `size`.

    s: stride.  p: padding, which counts as minus infinity.  It must be smaller than the window, so
    that each window sees a pixel.  Windows overlap if size > stride.  Pixels at the right and at
    the bottom where no whole window fits are ignored.  All three may differ by axis, as in Conv.
    Cache: which tap is the largest (the first of equals), and the shape of x.
    """

    def __init__(self, size, stride, padding=0):
        check_axes("MaxPool", 1, size=size, stride=stride)
        check_sides("MaxPool", padding)
        if max(by_axis(size)) > 16 or any(max(sides) >= k for k, sides in zip(
                by_axis(size), by_side(padding), strict=True)):
            raise ValueError(f"MaxPool: window {size}, padding {padding}; expected a window of 16 "
                             "at most, for a tap's number fits into 8 bits, and less padding")
        self.size, self.stride, self.padding = size, stride, padding

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = the largest of each window"""
        shape = x.shape
        h, w = count_places_by_axis(shape, self.size, self.stride, self.padding)
        x = xp.ascontiguousarray(x)         # Conv's output has images last: twice the time
        if np.any(self.padding):
            x = xp.pad(x, ((0, 0), (0, 0), *by_side(self.padding)), constant_values=-math.inf)
        views = (xp.ascontiguousarray(x[:, :, rows, columns])   # a copy, because it is read twice
                 for _, _, rows, columns in taps(self.size, self.stride, h, w))
        y = next(views)
        which = xp.zeros(y.shape, "uint8")
        for t, tap in enumerate(views, 1):
            larger = (tap > y).view("uint8") * np.uint8(t)
            which = xp.maximum(which, larger)           # t grows, so it replaces a smaller one
            y = xp.maximum(y, tap)
        return y, (which, shape)            # (N, C, h, w)

    def backward(self, dy, cache):          # (N, C, h, w)
        """dx = the sum of dy over the windows in which the pixel is the largest"""
        (which, (N, C, H, W)), dy = cache, xp.ascontiguousarray(dy)
        (top, bottom), (left, right) = by_side(self.padding)
        dx = xp.zeros((N, C, top + H + bottom, left + W + right), dy.dtype)
        for t, (_, _, rows, columns) in enumerate(taps(self.size, self.stride, *dy.shape[2:])):
            dx[:, :, rows, columns] += dy * (which == t)
        return dx[:, :, top:top + H, left:left + W]     # (N, C, H, W)


class ChannelNorm(Layer):
    """y_i = x_i / d_i^beta, d_i = k + alpha * sum over j of x_j^2, |i - j| <= (n - 1) / 2.

    Krizhevsky et al. (2012), section 3.3, "local response normalization": the sum is over the n
    channels around i, n odd, and over fewer at both ends.  alpha is that of their paper; in Caffe,
    torch and the code of 2012 alpha is n times as large.  Cache: x and d.
    """

    def __init__(self, n, k, alpha, beta):
        check_integers("ChannelNorm", 1, n=n)
        check_number("ChannelNorm", "k", k, least=1e-12)
        check_number("ChannelNorm", "alpha", alpha, least=0)
        check_number("ChannelNorm", "beta", beta, least=0)
        if n % 2 == 0:
            raise ValueError(f"ChannelNorm: n = {n} channels; expected an odd number")
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

    def _sum(self, z):
        """The sum of z over the n channels around each one: (N, C, H, W)."""
        total = xp.array(z)
        for i in range(1, (self.n + 1) // 2):
            total[:, i:] += z[:, :-i]
            total[:, :-i] += z[:, i:]
        return total
