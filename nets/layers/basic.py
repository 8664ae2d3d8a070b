"""Layers: each computes y = f(x), and takes a gradient back through it.

    y, cache = layer.forward(x, rng)       # rng is given in training only
    dx       = layer.backward(dy, cache)   # d loss / d x: what the paper's search needs
    grads    = layer.gradients(dy, cache)  # d loss / d parameter: what training needs

`dz` always means d loss / d z and has z's shape.  A layer owns its parameters and nothing else:
what forward computes for backward and gradients goes into the cache.  The cache holds the least
that they need, and each class says what it is.
"""
import math

import numpy as np

from nets.backend import to_device, xp
from nets.checks import (
    check_integers,
    check_number,
    check_real,
    check_rng,
    check_sizes,
    is_integer,
    show,
)

# Weights of a Dense from which on backward computes (W dy^T)^T.  For AlexNet's 9216 x 4096 and 16
# images, on one thread, this takes 0.67 of the time of dy W^T in float32, and 1.15 in float64.
# MNIST's nets are smaller, and D searches them in float64, so they compute dy W^T.
LARGE = 2 ** 20


class Layer:
    """A layer without parameters.

    Your own layer may inherit it.  It needs `params`, forward, backward and gradients, and `decays`
    for training with weight decay.
    """

    params = []             # arrays, which training changes in place
    decays = []             # for each: does weight decay apply?  True for weights, not for biases

    def gradients(self, dy, cache):
        """no parameters, no gradients"""
        return []


class Dense(Layer):
    """y = x W + b.  Cache: x."""

    decays = [True, False]

    def __init__(self, D, H, rng):
        """W (D, H), normal with variance 1 / D, so that y varies as much as x; b = 0."""
        check_integers("Dense", 1, D=D, H=H)
        check_rng("Dense", rng)
        W = rng.normal(0, 1 / np.sqrt(D), (D, H))
        self.params = [to_device(W), to_device(np.zeros(H))]

    def forward(self, x, rng=None):         # (N, D)
        """y = x W + b"""
        W, b = self.params
        return x @ W + b, x                 # (N, H)

    def backward(self, dy, x):              # (N, H)
        """dx = dy W^T; for a large W as (W dy^T)^T"""
        W, b = self.params
        return (W @ dy.T).T if W.size >= LARGE else dy @ W.T            # (N, D)

    def gradients(self, dy, x):             # (N, H), (N, D)
        """dW = x^T dy,  db = sum of dy over the images"""
        return [x.T @ dy, dy.sum(0)]        # (D, H), (H,)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)).  Cache: y, because dy/dx = y (1 - y)."""

    def forward(self, x, rng=None):
        """y = 1 / (1 + exp(-x)), as (1 + tanh(x / 2)) / 2, which cannot overflow"""
        y = (1 + xp.tanh(x / 2)) / 2
        return y, y

    def backward(self, dy, y):
        """dx = dy y (1 - y)"""
        return dy * y * (1 - y)


class Tanh(Layer):
    """y = tanh(x).  Cache: y, because dy/dx = 1 - y^2."""

    def forward(self, x, rng=None):
        """y = tanh(x)"""
        y = xp.tanh(x)
        return y, y

    def backward(self, dy, y):
        """dx = dy (1 - y^2)"""
        return dy * (1 - y * y)


class ReLU(Layer):
    """y = max(x, 0).  Cache: y, because dy/dx = 1 where y > 0, else 0."""

    def forward(self, x, rng=None):
        """y = max(x, 0)"""
        y = xp.maximum(x, 0)
        return y, y

    def backward(self, dy, y):
        """dx = dy where y > 0, else 0"""
        return dy * (y > 0)


class Dropout(Layer):
    """In training y = m x, m = 0 for a share p of the units and c for the others; else y = E[m] x.

    Hinton et al. (2012).  inverted=True: c = 1 / (1 - p) and E[m] = 1, as in Caffe and torchvision.
    inverted=False: c = 1 and E[m] = 1 - p, as in Krizhevsky et al. (2012).  With the other
    convention than in training the logits are wrong.  Cache: m, an array in training, else E[m].
    """

    def __init__(self, p, inverted=True):
        check_number("Dropout", "p", p, least=0, below=1)
        self.p, self.inverted = p, inverted

    def forward(self, x, rng=None):
        """y = m x, with a random m if rng is given, else with its mean"""
        c = 1 / (1 - self.p) if self.inverted else 1.0
        m = c * (1 - self.p)
        if rng is not None:
            m = (to_device(rng.random(x.shape) >= self.p) * c).astype(x.dtype)
        return x * m, m

    def backward(self, dy, m):
        """dx = m dy"""
        return dy * m


class Flatten(Layer):
    """(N, C, H, W) -> (N, C H W).  Cache: the shape."""

    def forward(self, x, rng=None):
        """y = x, one row an image"""
        return x.reshape(len(x), math.prod(x.shape[1:])), x.shape

    def backward(self, dy, shape):
        """dx = dy, in the shape of the images"""
        return dy.reshape(shape)


class Reshape(Layer):
    """(N, ...) -> (N, *shape), the same numbers in the same order.  Cache: the shape of x."""

    def __init__(self, shape):
        check_sizes("Reshape", shape)
        self.shape = tuple(shape)

    def forward(self, x, rng=None):
        """y = x, in another shape"""
        return x.reshape(len(x), *self.shape), x.shape

    def backward(self, dy, shape):
        """dx = dy, in the shape of x"""
        return dy.reshape(shape)


RGB, BGR = 1, -1                            # the step through the channels of an RGB image


class Preprocess(Layer):
    """y_c = (scale x_c - mean_c) / std_c, where the channels of x, mean and std are in `order`.

    Cache: None.
    """

    def __init__(self, scale, order, mean, std=(1.0, 1.0, 1.0)):
        check_number("Preprocess", "scale", scale)
        shapes = [check_real("Preprocess", name, a).shape
                  for name, a in (("mean", mean), ("std", std))]
        if not is_integer(order, BGR, RGB) or order == 0 or shapes != [(3,), (3,)] or not (
                np.isfinite(mean).all() and 0 < min(std) <= max(std) < np.inf):
            raise ValueError(f"Preprocess: order {show(order)}, mean {show(mean)}, std "
                             f"{show(std)}; expected RGB or BGR, and three finite numbers each, "
                             "std above 0")
        self.scale, self.order, self.mean, self.std = scale, order, mean, std

    def forward(self, x, rng=None):         # (N, 3, H, W) RGB in [0, 1]
        """y = (scale x - mean) / std"""
        mean, std = self._like(self.mean, x), self._like(self.std, x)
        return (x[:, ::self.order] * self.scale - mean) / std, None

    def backward(self, dy, cache):          # (N, 3, H, W)
        """dx = scale dy / std, with the channels in the order of RGB"""
        return (dy * self.scale / self._like(self.std, dy))[:, ::self.order]

    def _like(self, numbers, x):
        return to_device(np.array(numbers)).astype(x.dtype)[:, None, None]
