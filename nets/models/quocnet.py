"""QuocNet: the unsupervised net with a billion weights whose features Figure 6 classifies.

Le et al. (2012), "Building high-level features using large scale unsupervised learning".  The net
has three stages, each of untied filters, L2 pooling and contrast normalisation.  It is trained on
images without labels: each stage reconstructs its input from codes that are sparse when pooled.
The strides are not printed.  With 1 everywhere there are 1,144,863,072 weights; Le's talks say
1.15 billion.
"""
from typing import NamedTuple

from nets.backend import xp
from nets.checks import check_choice
from nets.layers.basic import RGB, Preprocess
from nets.layers.local import ContrastNorm, L2Pool, Local, LocalTranspose, draw_filters
from nets.net import Net
from nets.training import optimisers

EPSILON = 1e-6                              # of L2 pooling and of the objective; not stated
LAMBDA = 0.3                                # weight of the sparsity.  Le et al. have 0.1, for
                                            # images of a scale that they do not state
CENTRE, SPREAD = (0.5,) * 3, (0.25,) * 3    # of pixels: (x - 1/2) / (1/4) has about mean 0 and
                                            # variance 1.  With x itself all codes mean brightness
START_LENGTH = 0.3                          # length of W1's filters; W2's have 1.  Many filters
                                            # overlap, and so W2^T W1 x is as large as x
RATE, BATCH, EPOCHS = 3e-3, 100, 6          # of Adam; only the batch is stated
DECAY = 2.0                                 # of W1.  Patterns that images never show would keep the
                                            # noise of the start, which hides what is learnt.  W2
                                            # decays too, and then gets its length back


class Size(NamedTuple):
    """The size of a net: images and windows in pixels, maps and stages."""
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


def stage_shapes(size):
    """For each stage: W's shape (h, w, M, C, k, k), side after pooling, side after normalisation.

    The decoders have as many weights again.  The paper's billion does not count them.
    """
    if not isinstance(size, Size):
        raise ValueError(f"size {size!r}; expected a Size, such as SIZES['S']")
    rows, maps, side = [], 3, size.pixels
    for _ in range(size.stages):
        grid = side - size.field + 1
        pooled = grid - size.pool + 1
        side = pooled - size.norm + 1
        if side < 1:
            raise ValueError(f"stage {len(rows) + 1} of {size} has nothing left to normalise")
        rows.append(((grid, grid, size.maps, maps, size.field, size.field), pooled, side))
        maps = size.maps
    return rows


def quocnet(size, rng, equal=True, dtype="float64"):
    """x (N, 3, pixels, pixels) -> phi_k (N, maps, side, side), the output of stage k.

    size: a Size, for example one of SIZES.  equal: see `draw_filters`.  dtype: with float32 the
    full net takes 4.6 GB; `astype` would first need it in float64.
    """
    layers = [Preprocess(1, RGB, CENTRE, SPREAD)]
    for shape, _, _ in stage_shapes(size):
        W = draw_filters(shape, rng, equal, dtype)
        W *= START_LENGTH
        layers += [Local(W), L2Pool(size.pool, EPSILON), ContrastNorm(size.norm)]
    return Net(layers)


def stages(net):
    """[filters, pooling, normalisation] of each stage."""
    return [net.layers[i:i + 3] for i in range(1, len(net.layers), 3)]


def make_decoders(net):
    """A decoder for each stage, with its own weights W2, which begin as W1 scaled to length 1."""
    return [LocalTranspose(normalise_filters(W.copy())) for W in net.params]


def normalise_filters(W):
    """Scale each filter of W (h, w, M, C, k, k) to length 1, in place."""
    W /= xp.sqrt((W * W).sum((-3, -2, -1), keepdims=True))
    return W


# ---- Training --------------------------------------------------------------------------------

# Which part of the gradient of stage k's loss goes down to the stages below.  Le et al. minimise
# the sum of the losses of all stages jointly, which means the first.  But this loss has phi_(k-1)
# twice, as the input and as the target, and a target is easier to reconstruct if it holds less.
BELOW = {                                   # d loss / d phi_(k-1), from the input's dx and r's dr
    "input and target": lambda dx, dr: dx - dr,
    "input": lambda dx, dr: dx,             # the target is a constant
    "nothing": None,                        # each stage alone, though all at the same time
}


class StageTrace(NamedTuple):
    """What the way forward through one stage leaves for the way back."""
    p: object                               # output of the pooling (N, maps, side, side): sparsity
    r: object                               # W2^T W1 x - x, in the shape of x
    caches: tuple                           # of filters, pooling, normalisation, decoder


def forward_stages(net, decoders, x):
    """x (N, 3, pixels, pixels) in [0, 1] -> a StageTrace for each stage."""
    x, _ = net.layers[0].forward(x)
    traces = []
    for (local, pool, norm), decoder in zip(stages(net), decoders, strict=True):
        h, local_cache = local.forward(x)
        p, pool_cache = pool.forward(h)
        x_again, decoder_cache = decoder.forward(h)
        y, norm_cache = norm.forward(p)
        caches = local_cache, pool_cache, norm_cache, decoder_cache
        traces.append(StageTrace(p, x_again - x, caches))
        x = y
    return traces


def backward_stages(net, decoders, traces, lam, pass_down):
    """d cost / d parameter, in the order of net.params, then of the decoders."""
    N, dy, grads, decoder_grads = len(traces[0].p), None, [], []    # the last stage gets no dy
    for k in range(len(decoders) - 1, -1, -1):
        local, pool, norm = stages(net)[k]
        p, r, (local_cache, pool_cache, norm_cache, decoder_cache) = traces[k]
        dp = xp.full_like(p, lam / N)
        if dy is not None:
            dp += norm.backward(dy, norm_cache)
        dr = 2 / N * r
        dh = pool.backward(dp, pool_cache) + decoders[k].backward(dr, decoder_cache)
        grads = local.gradients(dh, local_cache) + grads
        decoder_grads = decoders[k].gradients(dr, decoder_cache) + decoder_grads
        if k and pass_down:                 # d loss / d pixels is not needed
            dy = pass_down(local.backward(dh, local_cache), dr)
    return grads + decoder_grads


def stage_losses(traces):
    """[(|r|^2, sum p)] for each stage, means over the images."""
    return [tuple(float(z.sum(dtype="float64")) / len(z) for z in (trace.r * trace.r, trace.p))
            for trace in traces]


def reconstruction(net, decoders, lam=LAMBDA, below="input and target"):
    """cost = sum over stages of |W2^T W1 x - x|^2 + lam sum_j p_j, x the input of the stage.

    p = sqrt(epsilon + H (W1 x)^2), the sparsity, is the output of the stage's pooling.  Le et al.
    have the filters in columns and so write W2 W1^T x.

    Args:
        decoders: from `make_decoders`.
        lam: lambda, the weight of the sparsity.
        below: a key of BELOW.  "input and target" gives the gradient of the value.  The others
            treat the target, or the whole input, of each stage as a constant.

    Returns:
        cost(x, t, rng) -> value, a mean over the images, and gradients in the order of net.params,
        then of the decoders.  It does not use t and rng.
    """
    check_choice("reconstruction", "part of the gradient", below, BELOW)
    pass_down = BELOW[below]

    def cost(x, t=None, rng=None):
        traces = forward_stages(net, decoders, x)
        value = sum(error + lam * sparsity for error, sparsity in stage_losses(traces))
        return value, backward_stages(net, decoders, traces, lam, pass_down)
    return cost


class AdamWithUnitDecoders(optimisers.Adam):
    """Adam for a net and its decoders.  After each step it scales W2's filters to length 1.

    Without this the printed objective falls as W1 shrinks and W2 grows, until all codes are sparse
    and nothing is learnt.
    """

    def __init__(self, net, decoders):
        self.decoders = decoders
        params = net.params + [W for decoder in decoders for W in decoder.params]
        super().__init__(params, [DECAY] * len(params))

    def step(self, grads, rate):
        """One step along the gradients, one for each parameter, with eps = rate; in place."""
        super().step(grads, rate)
        for decoder in self.decoders:
            normalise_filters(decoder.params[0])
