"""QuocNet: the unsupervised net with a billion weights whose features Figure 6 classifies.

Le et al. (2012), "Building high-level features using large scale unsupervised learning".  Three
stages, each of untied filters, L2 pooling and contrast normalisation; trained on images without
labels so that each stage's filters reconstruct its input from codes that are sparse when pooled.
The strides are not printed: with 1 everywhere the weights are the 1.15 billion of Le's talks.
"""
from typing import NamedTuple

import numpy as np

from nets import train
from nets.backend import to_device, to_host, xp
from nets.layers import Flatten
from nets.local import ContrastNorm, L2Pool, Local, Unlocal, filters
from nets.net import Net, chunk

EPSILON = 1e-6                              # of L2 pooling and of the objective; not stated
LAMBDA = 0.1                                # weight of the sparsity
GRID = 4                                    # all stages' features: means over 4 x 4 parts
RATE, BATCH, EPOCHS = 2e-4, 100, 10         # of SGD with momentum; not stated but for the batch


class Size(NamedTuple):
    """What makes one net larger than another: windows and images in pixels, maps and stages."""
    pixels: int                             # of an image's side
    field: int                              # receptive field of a filter
    pool: int
    norm: int
    maps: int = 8
    stages: int = 3


SIZES = {
    "S": Size(32, 6, 3, 3),
    "M": Size(48, 9, 4, 3),
    "L": Size(96, 9, 5, 5),
    "full": Size(200, 18, 5, 5),            # Le et al.'s
}


def shapes(size):
    """[(W's shape (h, w, M, C, k, k), side after pooling, side after normalisation)], by stages.

    The decoder has as many weights again, and is not counted among the paper's billion.
    """
    found, maps, side = [], 3, size.pixels
    for _ in range(size.stages):
        grid = side - size.field + 1
        pooled = grid - size.pool + 1
        side = pooled - size.norm + 1
        if side < 1:
            raise ValueError(f"stage {len(found) + 1} of {size} has nothing left to normalise")
        found.append(((grid, grid, size.maps, maps, size.field, size.field), pooled, side))
        maps = size.maps
    return found


def quocnet(size, rng, equal=True, dtype="float64"):
    """x (N, 3, pixels, pixels) -> phi_k (N, maps, side, side), the output of stage k.

    size: a Size, of SIZES say.  equal: see `filters`.  dtype: float32 to hold the full net in
    4.6 GB, for which `astype` would first need all of it in float64.
    """
    return Net([layer for shape, _, _ in shapes(size) for layer in (
        Local(filters(shape, rng, equal, dtype)), L2Pool(size.pool, EPSILON),
        ContrastNorm(size.norm))])


def decoders(net):
    """The way back of each stage, with weights of its own: W2, which start as the net's W1."""
    return [Unlocal(W.copy()) for W in net.params]


# ---- Training --------------------------------------------------------------------------------

# What of stage k's loss moves the stages below it.  Le et al. minimise the sum of all stages'
# jointly, which says the first; but the loss has phi_(k-1) twice, as the input and as what is
# to be reconstructed, and the latter is the easier the less there is in it.
BELOW = {
    "input and target": lambda dx, dr: dx - dr,
    "input": lambda dx, dr: dx,             # the target is held, as if it were data
    "nothing": lambda dx, dr: 0 * dx,       # each stage for itself, though all at once
}


class Seen(NamedTuple):
    """What a stage made of its input: sparsity p (N, maps, side, side), r = W2^T W1 x - x."""
    p: object
    r: object
    caches: tuple                           # of filters, pooling, normalisation, decoder


def upwards(net, back, x):
    """x (N, 3, pixels, pixels) through all stages: [Seen]."""
    seen = []
    for k, decoder in enumerate(back):
        local, pool, norm = net.layers[3 * k:3 * k + 3]
        h, filtered = local.forward(x)
        p, pooled = pool.forward(h)
        again, code = decoder.forward(h)
        y, normed = norm.forward(p)
        seen.append(Seen(p, again - x, (filtered, pooled, normed, code)))
        x = y
    return seen


def downwards(net, back, seen, lam, moves):
    """d cost / d parameter, the net's and then the decoders', from what `upwards` saw."""
    N, dy, grads, back_grads = len(seen[0].p), None, [], []     # no loss is above the last stage
    for k in range(len(back) - 1, -1, -1):
        local, pool, norm = net.layers[3 * k:3 * k + 3]
        p, r, (filtered, pooled, normed, code) = seen[k]
        dp = xp.full_like(p, lam / N)
        if dy is not None:
            dp += norm.backward(dy, normed)
        dr = 2 / N * r
        dh = pool.backward(dp, pooled) + back[k].backward(dr, code)
        grads = local.gradients(dh, filtered) + grads
        back_grads = back[k].gradients(dr, code) + back_grads
        if k:                               # nobody needs d loss / d pixels
            dy = moves(local.backward(dh, filtered), dr)
    return grads + back_grads


def parts(seen):
    """[(|r|^2, sum p)] of every stage, means over the images: what training lowers."""
    return [tuple(float(z.sum(dtype="float64")) / len(z) for z in (one.r * one.r, one.p))
            for one in seen]


def reconstruction(net, back, lam=LAMBDA, below="input and target"):
    """The cost: sum over stages of |W2^T W1 x - x|^2 + lam sum_j p_j, x the stage's input.

    The sparsity sqrt(epsilon + H (W1 x)^2) is what the stage's pooling puts out, p.
    back: from `decoders`.  below: a key of BELOW; "input and target" gives the gradient of the
    value, the others that of the value in which what they hold is a constant.
    Returns cost(x, t, rng) -> mean over the images, gradients in the order of net.params, then
    the decoders'; t and rng are not looked at.
    """
    moves = BELOW[below]

    def cost(x, t=None, rng=None):
        seen = upwards(net, back, x)
        value = sum(error + lam * sparsity for error, sparsity in parts(seen))
        return value, downwards(net, back, seen, lam, moves)
    return cost


def fit(net, back, x, rng, epochs=EPOCHS, rate=RATE, lam=LAMBDA, below="input and target",
        tick=None):
    """Train net and decoders without labels, in place, by SGD with momentum on mini-batches.

    x: (N, 3, pixels, pixels) on the device.  rng draws the batches.  The rate falls linearly
    from `rate` to 0.  tick: called after every epoch with the mean cost of its batches.
    """
    cost = reconstruction(net, back, lam, below)
    momentum = train.Momentum(net.params + [W for decoder in back for W in decoder.params])
    nothing = xp.zeros(len(x))              # where others have labels
    for of_epoch in train.rates("linear", rate, epochs, len(x), BATCH):
        values = train.one_epoch(momentum, cost, x, nothing, of_epoch, rng, BATCH)
        if tick:
            tick(sum(values) / len(values))


# ---- Features --------------------------------------------------------------------------------


class GridMean:
    """y = the means of each map over n x n parts, which overlap if its side is not n times a whole.

    Part i goes from floor(i H / n) up to ceil((i + 1) H / n), PyTorch's adaptive average pooling.
    Cache: the shape.
    """

    params = []

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

    def gradients(self, dy, shape):
        """none: no parameters"""
        return []

    def _means(self, length, dtype):        # (n, length)
        i, at = np.arange(self.n)[:, None], np.arange(length)
        inside = (at >= i * length // self.n) & (at < -(-(i + 1) * length // self.n))
        return to_device((inside / inside.sum(1, keepdims=True)).astype(dtype))


class AllStages:
    """y = the outputs of all stages, each averaged over n x n parts, side by side.

    A frozen layer: it has no parameters, so that training what follows leaves the net as it is,
    and computes in the precision of the net that it was given.  Cache: of every stage.
    """

    params = []

    def __init__(self, net, n=GRID):
        self.stages = [Net(net.layers[i:i + 3]) for i in range(0, len(net.layers), 3)]
        self.mean = GridMean(n)

    def forward(self, x, rng=None):         # (N, 3, H, W)
        """y = the means of phi_1, phi_2, ..."""
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
        return dx                           # (N, 3, H, W)

    def gradients(self, dy, caches):
        """none: frozen"""
        return []


def last_stage(net):
    """The net whose output is phi_K as one row (N, maps side side): the paper's features."""
    return Net([*net.layers, Flatten()])


def features(layer, x):
    """What a layer or net, `AllStages(net)` or `last_stage(net)`, makes of many images.

    x: (N, 3, H, W) of the host or the device.  Returns (N, F) on the host.
    """
    n = chunk(x, BATCH)
    return np.concatenate([to_host(layer.forward(to_device(x[i:i + n]))[0])
                           for i in range(0, len(x), n)])
