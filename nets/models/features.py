"""What a classifier is given of QuocNet, frozen, and what its units like to see.

Le et al. (2012), "Building high-level features using large scale unsupervised learning", section
4; Szegedy et al. put a classifier of cars on the last stage for Figure 6.
"""
import numpy as np

from nets.backend import to_device, to_host, xp
from nets.layers.basic import Flatten, Layer
from nets.models.quocnet import BATCH, stages
from nets.net import Net, chunk

GRID = 4                                    # all stages' features: means over 4 x 4 parts


class GridMean(Layer):
    """y = the means of each map over n x n parts, which overlap if its side is not n times a whole.

    Part i goes from floor(i H / n) up to ceil((i + 1) H / n), PyTorch's adaptive average pooling.
    Cache: the shape.
    """

    def __init__(self, n):
        self.n = n

    def forward(self, x, rng=None):         # (N, C, H, W)
        """y = A x B^T, flat; a row of A or B takes the mean of its part"""
        A, B = (self._means(length, x.dtype) for length in x.shape[2:])
        return (A @ x @ B.T).reshape(len(x), -1), x.shape           # (N, C n n)

    def backward(self, dy, shape):          # (N, C n n)
        """dx = A^T dy B"""
        A, B = (self._means(length, dy.dtype) for length in shape[2:])
        return A.T @ dy.reshape(*shape[:2], self.n, self.n) @ B     # (N, C, H, W)

    def _means(self, length, dtype):        # (n, length)
        i, at = np.arange(self.n)[:, None], np.arange(length)
        inside = (at >= i * length // self.n) & (at < -(-(i + 1) * length // self.n))
        return to_device((inside / inside.sum(1, keepdims=True)).astype(dtype))


class AllStages(Layer):
    """y = the outputs of all stages, each averaged over n x n parts, side by side.

    A frozen layer: it has no parameters, so that training what follows leaves the net as it is,
    and computes in the precision of the net that it was given.  Cache: of every stage.
    """

    def __init__(self, net, n=GRID):
        self.first = net.layers[0]
        self.stages = [Net(layers) for layers in stages(net)]
        self.mean = GridMean(n)

    def forward(self, x, rng=None):         # (N, 3, H, W)
        """y = the means of phi_1, phi_2, ..."""
        x, _ = self.first.forward(x)
        found, caches = [], []
        for stage in self.stages:
            x, cache = stage.forward(x)
            y, shape = self.mean.forward(x)
            found.append(y)
            caches.append((cache, shape))
        return xp.concatenate(found, 1), caches         # (N, stages maps n n)

    def backward(self, dy, caches):         # (N, stages maps n n)
        """dx = each stage's share of dy, and what comes from above, through it"""
        dx, shares = 0.0, xp.split(dy, len(self.stages), 1)
        for stage, share, (cache, shape) in zip(
                reversed(self.stages), reversed(shares), reversed(caches), strict=True):
            dx = stage.backward(dx + self.mean.backward(share, shape), cache)
        return self.first.backward(dx, None)            # (N, 3, H, W)

    def gradients(self, dy, caches):
        """none: frozen"""
        return []


def last_stage(net):
    """The net whose output is phi_K as one row (N, maps side side): the paper's features."""
    return Net([*net.layers, Flatten()])


def features(layer, x):
    """What a layer or net, `AllStages(net)` or `last_stage(net)`, makes of many images.

    x: (N, 3, H, W) uint8.  Returns (N, F) on the host.
    """
    n = chunk(x, BATCH)
    return np.concatenate([to_host(layer.forward(in_0_to_1(x[i:i + n]))[0])
                           for i in range(0, len(x), n)])


def in_0_to_1(x):
    """Pixels of files, 0 to 255, as nets want them: uint8 (...) to float32 on the device."""
    return xp.divide(to_device(x), 255, dtype="float32")


# ---- What a unit likes -----------------------------------------------------------------------


def optimal_stimulus(net, unit, z, steps=100):
    """z* = argmax f(z) subject to |z| = const, f the output of one unit: by projected gradient.

    Le et al., section 4.4.  Each start climbs by itself: a step along the gradient, back to its
    length; where that is no higher, half of the step from the same place.
    net: from z (N, ...), without `Preprocess`.  unit: of its outputs, counted as one row.
    z: (N, ...) the starts, on the device.  Returns the z* of the start that came highest, f(z*).
    """
    def at(z):
        y, caches = net.forward(z)
        return y.reshape(len(y), -1)[:, unit], (y, caches)

    def length(z):
        return xp.sqrt((z * z).sum(tuple(range(1, z.ndim)), keepdims=True))

    radius = length(z)
    step = xp.ones_like(radius)             # as a share of the radius
    f, seen = at(z)
    for _ in range(steps):
        y, caches = seen
        dy = xp.zeros_like(y).reshape(len(y), -1)
        dy[:, unit] = 1
        dz = net.backward(dy.reshape(y.shape), caches)
        moved = z + step * radius * dz / xp.maximum(length(dz), 1e-30)
        moved *= radius / length(moved)
        higher = (at(moved)[0] > f).reshape(step.shape)
        z = xp.where(higher, moved, z)
        step = xp.where(higher, 2 * step, step / 2)
        f, seen = at(z)
    return z[f.argmax()], float(f.max())
