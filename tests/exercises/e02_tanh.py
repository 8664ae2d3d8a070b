"""Answer 2: the cache is y."""
from nets.backend import xp
from nets.layers.basic import Layer


class Tanh(Layer):
    def forward(self, x, rng=None):
        y = xp.tanh(x)
        return y, y

    def backward(self, dy, y):
        return dy * (1 - y * y)
