"""8. Derive ChannelNorm's backward.

AlexNet divides each channel by a sum over its neighbours: y_i = x_i / d_i^beta, with
d_i = k + alpha * (the sum of x_j^2 over |i - j| <= 1).  x_i stands in the numerator of y_i, and in
the denominators of all its neighbours, and of itself.  Derive dx on paper, then write it.

Hint: dx_m = dy_m d_m^-beta + the sum over i of dy_i x_i (-beta) d_i^(-beta - 1) d d_i / d x_m, and
d d_i / d x_m = 2 alpha x_m where |i - m| <= 1.  So the sum over i is `sum_neighbours` of something.
"""
import numpy as np

from nets.backend import xp
from nets.gradcheck import check_gradients
from nets.layers.basic import Layer


class ChannelNorm(Layer):
    """y_i = x_i / d_i^beta, d_i = k + alpha * sum of x_j^2 over |i - j| <= 1.  Cache: x, d."""

    k, alpha, beta = 2.0, 0.5, 0.75

    def forward(self, x, rng=None):             # (N, C, H, W)
        d = self.k + self.alpha * self.sum_neighbours(x * x)
        return x * d ** -self.beta, (x, d)

    def backward(self, dy, cache):
        """Return dx (N, C, H, W).  This one forgets the denominator."""
        x, d = cache
        return dy * d ** -self.beta

    def sum_neighbours(self, z):
        """For each channel the sum of itself and its neighbours: (N, C, H, W)."""
        total = xp.array(z)
        total[:, 1:] += z[:, :-1]
        total[:, :-1] += z[:, 1:]
        return total


def check():
    """backward is the derivative of forward."""
    check_gradients(ChannelNorm(), np.random.default_rng(0).normal(size=(2, 5, 3, 3)))
