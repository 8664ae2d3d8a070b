"""7. Average pooling: a backward of your own.

Each output is the mean of a window of 2 x 2 pixels; windows do not overlap.  forward is there.
Write backward.

Hint: a pixel is in one window only, and a fourth of it goes into that window's mean.  So each dy
goes back to four pixels.  `repeat(2, axis)` puts numbers side by side.
"""
import numpy as np

from nets.gradcheck import check_gradients
from nets.layers.basic import Layer


class AveragePool(Layer):
    """y[c, i, j] = mean of x[c, 2i + u, 2j + v], u and v 0 or 1.  Cache: None."""

    def forward(self, x, rng=None):             # (N, C, H, W), H and W even
        N, C, H, W = x.shape
        return x.reshape(N, C, H // 2, 2, W // 2, 2).mean((3, 5)), None     # (N, C, H/2, W/2)

    def backward(self, dy, cache):              # (N, C, H/2, W/2)
        """Return dx (N, C, H, W)."""
        raise NotImplementedError("write backward")


def check():
    """backward is the derivative of forward."""
    check_gradients(AveragePool(), np.random.default_rng(0).normal(size=(2, 3, 4, 6)))
