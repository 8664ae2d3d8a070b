"""Features of a frozen QuocNet for a classifier, and the optimal stimulus of a unit.

Le et al. (2012), "Building high-level features using large scale unsupervised learning", section
4.  For Figure 6 Szegedy et al. put a classifier of cars on the last stage.
"""
import numpy as np

from nets.backend import to_device, xp
from nets.checks import check_integers
from nets.layers.basic import Flatten, Layer
from nets.models.quocnet import BATCH, stages
from nets.net import Net, evaluate_in_chunks

GRID = 4                                    # features are means over 4 x 4 parts of each map


class GridMean(Layer):
    """y = the means of each map over n x n parts.

    Part i goes from floor(i H / n) to ceil((i + 1) H / n), as in PyTorch's adaptive average
    pooling.  Parts overlap if n does not divide H.  Cache: the shape.
    """

    def __init__(self, n):
        check_integers("GridMean", 1, n=n)
        self.n = n

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = A x B^T, flat; each row of A and B is the mean over one part"""
        A, B = (self._means(length, x.dtype) for length in x.shape[2:])
        return (A @ x @ B.T).reshape(len(x), -1), x.shape           # (N, C n n)

    def backward(self, dy, shape):          # (N, C n n)
        """dx = A^T dy B"""
        A, B = (self._means(length, dy.dtype) for length in shape[2:])
        return A.T @ dy.reshape(*shape[:2], self.n, self.n) @ B     # (N, C, H, W)

    def _means(self, length, dtype):        # (n, length)
        i, row = np.arange(self.n)[:, None], np.arange(length)
        inside = (row >= i * length // self.n) & (row < -(-(i + 1) * length // self.n))
        return to_device((inside / inside.sum(1, keepdims=True)).astype(dtype))


class AllStages(Layer):
    """y = the outputs of all stages, averaged over n x n parts and concatenated.

    A frozen layer: it has no parameters, so training what follows does not change the net.  It
    computes in the precision of the net.  Cache: the caches of each stage.
    """

    def __init__(self, net, n=GRID):
        self.first = net.layers[0]
        self.stages = [Net(layers) for layers in stages(net)]
        self.mean = GridMean(n)

    def forward(self, x, rng=None):         # (N, 3, H, W)
        """y = the means of phi_1, phi_2, ..."""
        x, _ = self.first.forward(x)
        means, caches = [], []
        for stage in self.stages:
            x, cache = stage.forward(x)
            y, shape = self.mean.forward(x)
            means.append(y)
            caches.append((cache, shape))
        return xp.concatenate(means, 1), caches         # (N, stages maps n n)

    def backward(self, dy, caches):         # (N, stages maps n n)
        """dx = back through each stage, last first: its part of dy, plus dx of the stage above"""
        dx, parts = 0.0, xp.split(dy, len(self.stages), 1)
        for stage, part, (cache, shape) in zip(
                reversed(self.stages), reversed(parts), reversed(caches), strict=True):
            dx = stage.backward(dx + self.mean.backward(part, shape), cache)
        return self.first.backward(dx, None)            # (N, 3, H, W)

    def gradients(self, dy, caches):
        """no gradients: frozen"""
        return []


def last_stage(net):
    """The net whose output is phi_K as one row (N, maps side side): the paper's features."""
    return Net([*net.layers, Flatten()])


def compute_features(layer, x):
    """The outputs (N, F), on the host, of a layer or net for many images, a chunk at a time.

    layer: `AllStages(net)` or `last_stage(net)`.  x: (N, 3, H, W) uint8.
    """
    if x.dtype != "uint8":
        raise ValueError(f"compute_features: pixels of type {x.dtype}; expected uint8, 0 to 255")
    return evaluate_in_chunks(lambda part: layer.forward(scale_pixels(part))[0], x, BATCH)


def scale_pixels(x):
    """x / 255: pixels 0 to 255, uint8 (...), to float32 in [0, 1] on the device."""
    return xp.divide(to_device(x), 255, dtype="float32")


# ---- The optimal stimulus of a unit ----------------------------------------------------------


def optimal_stimulus(net, unit, z, steps=100):
    """z* = argmax f(z) subject to |z| = const, f the output of one unit: by projected gradient.

    Le et al., section 4.4.  Each start climbs alone.  It makes a step along the gradient and scales
    the result back to its length.  If f is not larger there, it tries half of the step.

    Args:
        net: takes z (N, ...), without `Preprocess`.
        unit: an index into its flat output.
        z: (N, ...), the starts, on the device.

    Returns:
        z* of the best start, and f(z*).
    """
    def evaluate(z):
        y, caches = net.forward(z)
        return y.reshape(len(y), -1)[:, unit], (y, caches)

    def length(z):
        return xp.sqrt((z * z).sum(tuple(range(1, z.ndim)), keepdims=True))

    if unit not in range(net.forward(z[:1])[0].size):
        raise ValueError(f"optimal_stimulus: unit {unit}; the net has units 0 to "
                         f"{net.forward(z[:1])[0].size - 1}")
    radius = length(z)
    step = xp.ones_like(radius)             # as a share of the radius
    f, (y, caches) = evaluate(z)
    for _ in range(steps):
        dy = xp.zeros_like(y).reshape(len(y), -1)
        dy[:, unit] = 1
        dz = net.backward(dy.reshape(y.shape), caches)
        moved = z + step * radius * dz / xp.maximum(length(dz), 1e-30)
        moved *= radius / length(moved)
        higher = (evaluate(moved)[0] > f).reshape(step.shape)
        z = xp.where(higher, moved, z)
        step = xp.where(higher, 2 * step, step / 2)
        f, (y, caches) = evaluate(z)
    return z[f.argmax()], float(f.max())
