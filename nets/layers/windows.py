"""What a window sees as it moves over images: its taps, and the patches of all taps together.

`Conv` is defined by taps.  With few channels it is faster to copy all patches (`im2col`) and to
multiply them by all weights at once: the functions `..._by_patches`.
"""
import math

import numpy as np

from nets.backend import xp

# Numbers in a buffer of patches, if one image has no more: on a CPU as many as stay in the cache of
# a core, on a GPU as many as keep it busy (0.3 GB in float32).
PATCHES = 2 ** 20 if xp is np else 2 ** 26


def by_axis(n):
    """(n of the rows, n of the columns) of a window or a stride: one number counts for both."""
    return n if np.ndim(n) else (n, n)


def by_side(padding):
    """((top, bottom), (left, right)) of a padding: one number counts for all four sides."""
    return padding if np.ndim(padding) else ((padding, padding), (padding, padding))


def taps(k, stride, h, w, top=0):
    """Yield (u, v, rows, columns) for each tap of a window of k that moves over h x w places.

    The tap (u, v) sees the rows and columns, two slices.  top: the first row of places.
    """
    (rows, columns), (s, t) = by_axis(k), by_axis(stride)
    for u in range(rows):
        for v in range(columns):
            yield u, v, slice(u + s * top, u + s * (top + h), s), slice(v, v + t * w, t)


def count_places(length, k, stride):
    """How many places a window of k pixels has along `length` pixels; a rest is ignored."""
    if length < k:
        raise ValueError(f"a window of {k} pixels does not fit into {length}")
    return (length - k) // stride + 1


def count_places_by_axis(shape, k, stride, padding):
    """[h, w]: the places of a window along both axes of padded images of `shape` (..., H, W)."""
    return [count_places(length + sum(sides), k, s) for length, sides, k, s in
            zip(shape[-2:], by_side(padding), by_axis(k), by_axis(stride), strict=True)]


def im2col(x, k, stride, padding):
    """patches[c, u, v, i, j, n] = x[n, c, i s + u - p, j s + v - p], the view of each tap.

    x: (N, C, H, W), and 0 outside.  Returns (C, k, k, h, w, N).  The images are last, so that
    copies are of long rows even if images are small.
    """
    s, t = by_axis(stride)
    x = xp.ascontiguousarray(x.transpose(1, 2, 3, 0))
    x = xp.pad(x, ((0, 0), *by_side(padding), (0, 0)))
    windows = xp.lib.stride_tricks.sliding_window_view(x, by_axis(k), (1, 2))[:, ::s, ::t]
    return xp.ascontiguousarray(windows.transpose(0, 4, 5, 1, 2, 3))


def col2im(patches, stride, padding, shape):
    """The adjoint of im2col: adds each patch up where it came from.  shape: of x (N, C, H, W).

    The places of one tap differ, so each tap is one addition of arrays.  The order of additions is
    the same on any device.
    """
    (N, C, H, W), (_, *k, h, w, _) = shape, patches.shape
    (top, bottom), (left, right) = by_side(padding)
    x = xp.zeros((C, top + H + bottom, left + W + right, N), patches.dtype)
    for u, v, rows, columns in taps(k, stride, h, w):
        x[:, rows, columns] += patches[:, u, v]
    return x[:, top:top + H, left:left + W].transpose(3, 0, 1, 2)


def put_images_last(x):
    """(N, C, H, W) -> (C, H, W, N), so that a slice of rows lies in long runs in memory."""
    return xp.ascontiguousarray(x.transpose(1, 2, 3, 0))


def split_groups(x, groups):
    """(C, h, w, N) -> (g, C/g, h w N)"""
    return x.reshape(groups, x.shape[0] // groups, -1)


# The three methods of Conv again, with one product over all taps.  In each of g groups W
# (g, D/g, C/g k k) times the patches of n images (g, C/g k k, h w n) is y (g, D/g, h w n).  Patches
# are k^2 / s^2 times as large as x.  So they are computed again, not cached; PATCHES bounds them.


def forward_by_patches(layer, x):           # (N, C, H, W)
    """y = W patches(x) + b"""
    W, b, (h, w) = _rows(layer), layer.params[1], layer.size(x)
    y = xp.concatenate([(W @ _patches(layer, x[n])).reshape(len(b), h, w, -1)
                        for n in _chunks(layer, x)], 3)
    y = xp.ascontiguousarray(y.transpose(3, 0, 1, 2))
    y += b[:, None, None]
    return y                                # (N, D, h, w)


def backward_by_patches(layer, dy, x):      # (N, D, h, w)
    """dx = W^T dy, where each patch is added up where it came from"""
    WT, shape = _rows(layer).swapaxes(1, 2), (x.shape[1], *by_axis(layer.k), *dy.shape[2:], -1)
    return xp.concatenate([                 # (N, C, H, W)
        col2im((WT @ split_groups(put_images_last(dy[n]), layer.groups)).reshape(shape),
               layer.stride, layer.padding, x[n].shape) for n in _chunks(layer, x)])


def gradient_by_patches(layer, dy, x):      # (N, D, h, w), (N, C, H, W)
    """dW = dy patches(x)^T"""
    dW = xp.zeros_like(_rows(layer))
    for n in _chunks(layer, x):
        patches = _patches(layer, x[n]).swapaxes(1, 2)
        dW += split_groups(put_images_last(dy[n]), layer.groups) @ patches
    return dW.reshape(layer.params[0].shape)


def _rows(layer):
    W = layer.params[0]
    return W.reshape(layer.groups, len(W) // layer.groups, -1)          # (g, D/g, C/g k k)


def _patches(layer, x):                     # (n, C, H, W) -> (g, C/g k k, h w n)
    patches = im2col(x, layer.k, layer.stride, layer.padding)
    return patches.reshape(layer.groups, layer.params[0][0].size, -1)


def _chunks(layer, x):
    """Slices of the images, with PATCHES numbers in the patches of a slice, or one image."""
    n = max(1, PATCHES // (layer.groups * layer.params[0][0].size * math.prod(layer.size(x))))
    return [slice(i, i + n) for i in range(0, max(1, len(x)), n)]
