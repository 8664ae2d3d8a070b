"""3. Train a Dense: the gradients of W and b.

y = x W + b.  backward is there; it moves pixels.  Write `gradients`, which moves weights: dW and
db.  Let the shapes lead you: dW has the shape of W, db has the shape of b.

Hint: x is (N, D), dy is (N, H), W is (D, H).  Which product of the two gives (D, H)?  Every image
uses the same b, so its gradients add up.
"""
import numpy as np

from nets.backend import to_device
from nets.gradcheck import check_gradients
from nets.layers.basic import Layer


class Dense(Layer):
    """y = x W + b.  Cache: x."""

    def __init__(self, D, H, rng):
        self.params = [to_device(rng.normal(size=shape)) for shape in ((D, H), (H,))]

    def forward(self, x, rng=None):
        W, b = self.params
        return x @ W + b, x

    def backward(self, dy, x):
        return dy @ self.params[0].T

    def gradients(self, dy, x):
        """Return [dW, db]."""
        raise NotImplementedError("write gradients")


def check():
    """dx, dW and db are right."""
    rng = np.random.default_rng(0)
    check_gradients(Dense(5, 3, rng), rng.normal(size=(4, 5)))
