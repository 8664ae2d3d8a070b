"""QuocNet: the unsupervised net with a billion weights whose features Figure 6 classifies.

Le et al. (2012), "Building high-level features using large scale unsupervised learning".  Three
stages, each of untied filters, L2 pooling and contrast normalisation; trained on images without
labels so that each stage's filters reconstruct its input from codes that are sparse when pooled.
The strides are not printed: with 1 everywhere the weights are the 1.15 billion of Le's talks.
"""
from typing import NamedTuple

from nets.backend import xp
from nets.layers.basic import RGB, Preprocess
from nets.layers.local import ContrastNorm, L2Pool, Local, Unlocal, filters
from nets.net import Net
from nets.training import optimisers

EPSILON = 1e-6                              # of L2 pooling and of the objective; not stated
LAMBDA = 0.3                                # weight of the sparsity; Le et al. have 0.1, on images
                                            # of a scale not stated, which decides it
CENTRE, SPREAD = (0.5,) * 3, (0.25,) * 3    # of pixels: (x - 1/2) / (1/4) has mean 0, variance 1,
                                            # near enough; with x itself all codes say how bright
START = 0.3                                 # length of W1's filters, where W2's have 1: so many
                                            # overlap that W2^T W1 x is then as large as x
RATE, BATCH, EPOCHS = 3e-3, 100, 6          # of Adam; of these only the batch is stated
DECAY = 2.0                                 # of W1: what images never show stays as it was drawn,
                                            # noise that hides what was learnt, unless it decays; W2
                                            # decays too, and is brought back to its length


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
    layers = [Preprocess(1, RGB, CENTRE, SPREAD)]
    for shape, _, _ in shapes(size):
        W = filters(shape, rng, equal, dtype)
        W *= START
        layers += [Local(W), L2Pool(size.pool, EPSILON), ContrastNorm(size.norm)]
    return Net(layers)


def stages(net):
    """[filters, pooling, normalisation] of each stage."""
    return [net.layers[i:i + 3] for i in range(1, len(net.layers), 3)]


def decoders(net):
    """The way back of each stage, with weights of its own: W2, which start along the net's W1."""
    return [Unlocal(unit(W.copy())) for W in net.params]


def unit(W):
    """Every filter of W (h, w, M, C, k, k) scaled to length 1, in place."""
    W /= xp.sqrt((W * W).sum((-3, -2, -1), keepdims=True))
    return W


# ---- Training --------------------------------------------------------------------------------

# What of stage k's loss moves the stages below it.  Le et al. minimise the sum of all stages'
# jointly, which says the first; but the loss has phi_(k-1) twice, as the input and as what is
# to be reconstructed, and the latter is the easier the less there is in it.
BELOW = {
    "input and target": lambda dx, dr: dx - dr,
    "input": lambda dx, dr: dx,             # the target is held, as if it were data
    "nothing": None,                        # each stage for itself, though all at once
}


class Seen(NamedTuple):
    """What a stage made of its input: sparsity p (N, maps, side, side), r = W2^T W1 x - x."""
    p: object
    r: object
    caches: tuple                           # of filters, pooling, normalisation, decoder


def upwards(net, back, x):
    """x (N, 3, pixels, pixels) in [0, 1] through all stages: [Seen]."""
    x, _ = net.layers[0].forward(x)
    seen = []
    for (local, pool, norm), decoder in zip(stages(net), back, strict=True):
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
        local, pool, norm = stages(net)[k]
        p, r, (filtered, pooled, normed, code) = seen[k]
        dp = xp.full_like(p, lam / N)
        if dy is not None:
            dp += norm.backward(dy, normed)
        dr = 2 / N * r
        dh = pool.backward(dp, pooled) + back[k].backward(dr, code)
        grads = local.gradients(dh, filtered) + grads
        back_grads = back[k].gradients(dr, code) + back_grads
        if k and moves:                     # nobody needs d loss / d pixels
            dy = moves(local.backward(dh, filtered), dr)
    return grads + back_grads


def parts(seen):
    """[(|r|^2, sum p)] of every stage, means over the images: what training lowers."""
    return [tuple(float(z.sum(dtype="float64")) / len(z) for z in (one.r * one.r, one.p))
            for one in seen]


def reconstruction(net, back, lam=LAMBDA, below="input and target"):
    """The cost: sum over stages of |W2^T W1 x - x|^2 + lam sum_j p_j, x the stage's input.

    (Le et al. have the filters in columns, and so write W2 W1^T x.)
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


class Descent(optimisers.Adam):
    """Adam's steps in net and decoders; after each, W2's filters are scaled to length 1 again.

    Nothing else ties codes to what they stand for: as the objective is printed, W1 can shrink and
    W2 grow until all is sparse, most where the images vary most, and nothing is learnt.
    """

    def __init__(self, net, back):
        self.back = back
        params = net.params + [W for decoder in back for W in decoder.params]
        super().__init__(params, [DECAY] * len(params))

    def step(self, grads, rate):
        """One step along the gradients, one a parameter, with eps = rate; in place."""
        super().step(grads, rate)
        for decoder in self.back:
            unit(decoder.params[0])
