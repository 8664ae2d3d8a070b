"""QuocNet, trained on frames without labels: the frames, the training, the weights on disk."""
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from experiments.shared import checkpoint, memory
from experiments.shared.samples import random_stream
from nets import store
from nets.backend import to_device, xp
from nets.models import features, quocnet
from nets.net import Net, chunk_size
from nets.training import loop

HELD_OUT = 1000                             # frames that are not trained on, or a fifth if fewer
SHARD = 50 if xp is np else quocnet.BATCH   # frames of a batch in one thread


def check_flags(size, lam, below):
    """ValueError if a flag is none of its choices."""
    if size not in quocnet.SIZES:
        raise ValueError(f"--size {size}: choose one of {', '.join(quocnet.SIZES)}")
    if not lam >= 0:
        raise ValueError(f"--lam {lam}: expected 0 or more")
    if below not in quocnet.BELOW:
        raise ValueError(f"--below {below}: choose one of {', '.join(quocnet.BELOW)}")
    weights = 8 * sum(math.prod(shape) for shape, _, _ in quocnet.stage_shapes(quocnet.SIZES[size]))
    needed, free = 4 * weights, memory.read_free_memory() if xp is np else math.inf
    if needed > free:                       # of encoder and decoder: weights, gradients, two means
        raise ValueError(f"--size {size}: its training takes {needed / 1e9:.1f} GB of memory, and "
                         f"{free / 1e9:.1f} GB are free; choose a smaller one")


def name_results(script, size):
    """The name of a script's results: it ends with the size, unless that is S."""
    return script if size == "S" else f"{script}-{size}"


def cut_frames(photographs, count, seed):
    """Frames to train on and frames kept apart, (N, 3, H, W) uint8 each, one square an image.

    count: how many images, drawn by seed; 0: all.  Raises ValueError if there are not so many.
    """
    N = len(photographs)
    if not 0 <= count <= N:
        raise ValueError(f"--frames {count}: there are {N:,} images; choose 2 to {N}, or 0 for all")
    rng = random_stream(seed, "frames")
    x, _ = photographs.pixels(rng.permutation(N)[:count or N], rng)
    if len(x) < 2:
        raise ValueError(f"{photographs.root}: {len(x)} of its images can be used as frames; "
                         "expected 2 at least, one to train on and one to keep apart")
    held = min(HELD_OUT, max(1, len(x) // 5))
    return x[held:], x[:held]


def build(size, seed):
    """The net of this size before training, float32."""
    return quocnet.quocnet(quocnet.SIZES[size], np.random.default_rng(seed), dtype="float32")


def train(size, seed, x, held, lam, below, epochs, quiet):
    """The net, its decoders, and the curve, trained from the last whole epoch on.

    x, held: (N, 3, H, W) uint8.  curve: [{loss, seconds, and of the frames kept apart error % and
    sparsity of each stage}], before training (its loss is None) and after each epoch.
    """
    net = build(size, seed)
    decoders = quocnet.make_decoders(net)
    rates = loop.make_rates("linear", quocnet.RATE, epochs, len(x), quocnet.BATCH)
    code = [loop, quocnet, features.scale_pixels, make_frames_cost, measure_stages, random_stream]
    path = checkpoint.checkpoint_path("frames", f"QuocNet {size}", net, x, held, seed, rates, lam,
                                      below, SHARD, code=code)
    descent = quocnet.AdamWithUnitDecoders(net, decoders)
    first = [np.nan, *measure_stages(net, decoders, held), 0.0]
    x = to_device(x)

    def train_epoch(epoch, tick):
        cost = loop.divide_over_threads(make_frames_cost(net, decoders, lam, below, tick), SHARD)
        loss = np.mean(loop.train_epoch(descent, cost, x, x[:, 0, 0, 0], rates[epoch],
                                        random_stream(seed, "batches", epoch), quocnet.BATCH))
        return [float(loss), *measure_stages(net, decoders, held)], f"cost {loss:.1f} a frame"

    rows = checkpoint.train_epochs(path, [*descent.params, *descent.state], epochs,
                                   quocnet.BATCH * len(rates[0]), train_epoch, quiet)
    curve = [{"loss": None if np.isnan(loss) else loss, "seconds": seconds,
              "error %": parts[::2], "sparsity": parts[1::2]}
             for loss, *parts, seconds in [first, *rows]]
    return net, decoders, curve


def make_frames_cost(net, decoders, lam, below, tick):
    """The cost of frames (N, 3, H, W) uint8.  tick: called with their number.

    Raises RuntimeError if the cost is no number.
    """
    cost = quocnet.reconstruction(net, decoders, lam, below)

    def of_pixels(x, t, rng):
        return cost(features.scale_pixels(x))
    return checkpoint.watch_cost(of_pixels, "cost", "a smaller --lam", tick)


def measure_stages(net, decoders, x):
    """Of each stage: % of its input's square that is not reconstructed, and sum_j p_j an image.

    x: (N, 3, H, W) uint8.  Returns a flat list, two numbers a stage.
    """
    sums, n = 0, chunk_size(x, quocnet.BATCH)
    for i in range(0, len(x), n):
        images = features.scale_pixels(x[i:i + n])
        traces = quocnet.forward_stages(net, decoders, images)
        inputs = [trace.caches[0] for trace in traces]      # the filters' cache is their input
        sums = sums + np.array([
            [float((z * z).sum(dtype="float64")), error * len(images), sparsity * len(images)]
            for z, (error, sparsity) in zip(inputs, quocnet.stage_losses(traces), strict=True)])
    return [float(value) for square, error, sparsity in sums
            for value in (100 * error / square, sparsity / len(x))]


class TrainedNet(NamedTuple):
    """A net, and how it was trained."""
    net: Net                                # in float32
    size: str                               # a key of quocnet.SIZES
    lam: float
    below: str                              # a key of quocnet.BELOW


def save(path, net, decoders, size, lam, below):
    """Save net and decoders with what TrainedNet says of them."""
    store.save_arrays(path, size=np.array(size), lam=np.array(float(lam)),
                      below=np.array(below), **store.name_parameters(Net(net.layers + decoders)))


def load(path):
    """The TrainedNet that `save` saved; ValueError if there is no such file, or it is another's."""
    if not Path(path).exists():
        raise ValueError(f"--weights {path}: there is no such file; python -m "
                         "experiments.train_quocnet makes one")
    words = {"size": store.TEXT, "lam": store.Expected((), low=0), "below": store.TEXT}
    size, lam, below = (a.item() for a in store.load_arrays(path, words, more=True).values())
    if size not in quocnet.SIZES or below not in quocnet.BELOW:
        raise ValueError(f"--weights {path}: says size {size!r} and below {below!r}; expected a "
                         "file of experiments.train_quocnet's")
    shapes = [shape for shape, _, _ in quocnet.stage_shapes(quocnet.SIZES[size])]
    weights = store.expect_shapes(2 * shapes)           # the encoder's, then the decoder's
    arrays = store.load_arrays(path, {**words, **weights})
    net = build(size, 0)
    store.fill(Net(net.layers + quocnet.make_decoders(net)), arrays)    # they share their arrays
    return TrainedNet(net, size, lam, below)
