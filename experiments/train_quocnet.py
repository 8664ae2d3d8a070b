"""Train QuocNet without labels, on frames: the net whose features Figure 6 classifies.

    python -m experiments.train_quocnet --data cifar10 --size S --below nothing
    python -m experiments.train_quocnet --data stl10 --size L
    python -m experiments.train_quocnet --data frames --size M

Frames: of stl10 the 100,000 images without labels; of cifar10, imagenette or any folder the
training part (a fifth of a folder that has no parts is its test).  Each gives one square, cut out
at random along its longer side.  Trained are all stages at once, on the sum of what they lower,
|W2^T W1 x - x|^2 + lam sum_j p_j: nets/quocnet.py.  Some frames are kept apart; on them each
stage's error is measured, and how sparse its codes are.
Written: the weights, a record with the curve, and three pictures: frames and what the first stage's
codes make of them; its filters; what units of the last stage like, among the frames and of all
images.  An interrupted run goes on after its last whole epoch, to the same weights, bit for bit; a
finished one is not computed again.
"""
import math
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

import data as datasets
from experiments import checkpoint, common, pictures, timing
from intriguing import natural_direction, top_images
from nets import features, local, quocnet, store, train
from nets.backend import to_device, to_host, xp
from nets.net import Net, chunk

HELD = 1000                                 # frames that are not trained on, or a fifth if fewer
SHARD = 50 if xp is np else quocnet.BATCH   # frames of a batch in one thread
SHOWN, TOP, NEAR = 10, 8, 8                 # columns of the pictures
STARTS = 8                                  # of the search for what a unit likes most


def main(data="cifar10", size="S", lam=quocnet.LAMBDA, below="input and target",
         epochs=quocnet.EPOCHS, frames=0, seed=0, weights="runs/quocnet.npz", out="runs",
         strict=False, quiet=False):
    flags, started = common.start(locals())
    checked(size, lam, below, epochs)
    if Path(weights).suffix != ".npz":
        raise ValueError(f"--weights {weights}: expected a file that ends in .npz")
    common.writable(Path(weights).parent, "choose another file by --weights")
    name, photographs = datasets.frames(data, quocnet.SIZES[size].pixels, strict=strict,
                                        quiet=quiet)
    x, held = cut(photographs, frames, seed)
    print(f"Data: {common.describe(name)}; {len(x):,} frames to train on, {len(held):,} kept "
          "apart.", flush=True)
    net, back, curve = trained(size, seed, x, held, lam, below, epochs, quiet)
    save(weights, net, back, size, lam, below)
    numbers = {"weights": sum(W.size for W in net.params), "frames": len(x), "curve": curve}
    stem = stem_of("train_quocnet", size)
    drawn(net, back, start(size, seed), held, seed, Path(out, stem), quiet)
    common.save(stem, main, flags, name, started, report(numbers, flags, stem), numbers)
    return numbers


def checked(size, lam, below, epochs):
    """ValueError if a flag is none of its choices."""
    if size not in quocnet.SIZES:
        raise ValueError(f"--size {size}: choose one of {', '.join(quocnet.SIZES)}")
    if not lam >= 0:
        raise ValueError(f"--lam {lam}: expected 0 or more")
    if below not in quocnet.BELOW:
        raise ValueError(f"--below {below}: choose one of {', '.join(quocnet.BELOW)}")
    if epochs < 1:
        raise ValueError(f"--epochs {epochs}: expected 1 or more")
    numbers = 8 * sum(math.prod(shape) for shape, _, _ in quocnet.shapes(quocnet.SIZES[size]))
    needed, free = 4 * numbers, timing.free_memory() if xp is np else math.inf
    if needed > free:                       # of encoder and decoder: weights, gradients, two means
        raise ValueError(f"--size {size}: its training takes {needed / 1e9:.1f} GB of memory, and "
                         f"{free / 1e9:.1f} GB are free; choose a smaller one")


def stem_of(script, size):
    """What the results are called: those of other sizes than S do not take the place of theirs."""
    return script if size == "S" else f"{script}-{size}"


def cut(photographs, count, seed):
    """Frames to train on and frames kept apart, (N, 3, H, W) uint8 each, one square an image.

    count: how many images, drawn by seed; 0: all.  Raises ValueError if there are not so many.
    """
    N = len(photographs)
    if not 0 <= count <= N:
        raise ValueError(f"--frames {count}: there are {N:,} images; choose 2 to {N}, or 0 for all")
    rng = np.random.default_rng([seed, 53])
    x, _ = photographs.pixels(rng.permutation(N)[:count or N], rng)
    if len(x) < 2:
        raise ValueError(f"{photographs.root}: {len(x)} of its images can be used as frames; "
                         "expected 2 at least, one to train on and one to keep apart")
    held = min(HELD, max(1, len(x) // 5))
    return x[held:], x[:held]


def start(size, seed):
    """The net of this size before training, float32."""
    return quocnet.quocnet(quocnet.SIZES[size], np.random.default_rng(seed), dtype="float32")


def trained(size, seed, x, held, lam, below, epochs, quiet):
    """The net, its decoders, and the curve, trained from the last whole epoch on.

    x, held: (N, 3, H, W) uint8.  curve: [{loss, seconds, and of the frames kept apart error % and
    sparsity of each stage}], before training (its loss is None) and after each epoch.
    """
    net = start(size, seed)
    back = quocnet.decoders(net)
    rates = train.rates("linear", quocnet.RATE, epochs, len(x), quocnet.BATCH)
    path = checkpoint.kept_at("frames", f"QuocNet {size}", net, (train, local, quocnet), x, held,
                              np.array(rates), np.array([lam]), np.array(below))
    descent = quocnet.Descent(net, back)
    state = [*descent.params, *descent.state]
    first = [np.nan, 0.0, *measured(net, back, held)]
    rows = checkpoint.resumed(path, state)
    images = quocnet.BATCH * len(rates[0])
    with (tqdm(total=epochs * images, initial=len(rows) * images, desc="training",
               disable=quiet or None, leave=False) as bar, threadpool_limits(1, "blas"),
          np.errstate(over="ignore", invalid="ignore")):        # `of_frames` says it, in one line
        cost = train.in_threads(of_frames(net, back, lam, below, bar.update), SHARD)
        x = to_device(x)
        for epoch in range(len(rows), epochs):
            begun, rng = time.time(), np.random.default_rng([seed, 54, epoch])
            loss = np.mean(train.one_epoch(descent, cost, x, x[:, 0, 0, 0], rates[epoch], rng,
                                           quocnet.BATCH))
            seconds = time.time() - begun + (rows[-1][1] if rows else 0)
            rows.append([float(loss), seconds, *measured(net, back, held)])
            checkpoint.keep(path, state, rows)
            with tqdm.external_write_mode():    # not through the bar, and at once even to a file
                print(f"epoch {epoch + 1:2}: cost {loss:.1f} a frame, {seconds:.0f} s", flush=True)
    curve = [{"loss": None if np.isnan(loss) else loss, "seconds": seconds,
              "error %": parts[::2], "sparsity": parts[1::2]}
             for loss, seconds, *parts in [first, *rows]]
    return net, back, curve


def of_frames(net, back, lam, below, tick):
    """The cost of frames (N, 3, H, W) uint8.  tick: called with their number.

    Raises RuntimeError if the cost is no number.
    """
    cost = quocnet.reconstruction(net, back, lam, below)

    def of_pixels(x, t, rng):
        value, grads = cost(features.in_0_to_1(x))
        if not np.isfinite(value):
            raise RuntimeError(f"the cost became {value}: the steps were too long; try another "
                               "--seed or a smaller --lam")
        tick(len(x))
        return value, grads
    return of_pixels


def measured(net, back, x):
    """Of each stage: % of its input's square that is not reconstructed, and sum_j p_j an image.

    x: (N, 3, H, W) uint8.  Returns a flat list, two numbers a stage.
    """
    found, n = 0, chunk(x, quocnet.BATCH)
    for i in range(0, len(x), n):
        images = features.in_0_to_1(x[i:i + n])
        seen = quocnet.upwards(net, back, images)
        inputs = [one.caches[0] for one in seen]        # what the filters keep is their input
        found = found + np.array([[float((z * z).sum(dtype="float64")), error * len(images),
                                   sparsity * len(images)]
                                  for z, (error, sparsity) in zip(inputs, quocnet.parts(seen),
                                                                  strict=True)])
    return [float(v) for square, error, sparsity in found
            for v in (100 * error / square, sparsity / len(x))]


# ---- Weights on disk -------------------------------------------------------------------------


class Trained(NamedTuple):
    """A net, and how it was trained."""
    net: Net                                # in float32
    size: str                               # a key of quocnet.SIZES
    lam: float
    below: str                              # a key of quocnet.BELOW


def save(path, net, back, size, lam, below):
    """Save net and decoders with what Trained says of them."""
    store.save_arrays(path, size=np.array(size), lam=np.array(lam), below=np.array(below),
                      **{f"p{i}": to_host(p) for i, p in enumerate(Net(net.layers + back).params)})


def load(path):
    """The Trained that `save` saved; ValueError if there is no such file, or it is another's."""
    if not Path(path).exists():
        raise ValueError(f"--weights {path}: there is no such file; python -m "
                         "experiments.train_quocnet makes one")
    arrays = store.load_arrays(path)
    size, lam, below = (arrays.pop(key, np.array(None)).tolist() for key in Trained._fields[1:])
    if size not in quocnet.SIZES or below not in quocnet.BELOW or not isinstance(lam, float):
        raise ValueError(f"--weights {path}: not a file of experiments.train_quocnet's")
    net = start(size, 0)
    store.fill(Net(net.layers + quocnet.decoders(net)), arrays, path)   # they share their arrays
    return Trained(net, size, lam, below)


# ---- Pictures --------------------------------------------------------------------------------


def drawn(net, back, untrained, held, seed, name, quiet):
    """Frames and their reconstructions, filters, what units like: three PNGs, `name`-....png.

    untrained: the net before training.  held: (N, 3, H, W) uint8.
    """
    x = to_host(features.in_0_to_1(held))
    scale = max(1, 64 // x.shape[3])
    pictures.save(pictures.panels(
        [(pictures.grid(images, SHOWN, scale), text) for images, text in (
            (x[:SHOWN], "Frames that were not trained on."),
            (again(untrained, quocnet.decoders(untrained), x[:SHOWN]),
             "What the first stage's codes make of them before training."),
            (again(net, back, x[:SHOWN]), "And after it."))], columns=1), f"{name}-frames.png")
    pictures.save(pictures.panels(
        [(pictures.grid(neighbours(W), NEAR, 4), text) for W, text in (
            (net.params[0], "Encoder."), (back[0].params[0], "Decoder."))],
        f"Filters of the first stage: a map a row, at {NEAR} neighbouring places in the middle.",
        2), f"{name}-filters.png")
    pictures.save(liked(net, held, seed, scale, quiet), f"{name}-units.png")


def again(net, back, x):
    """What the first stage's codes make of frames x (N, 3, H, W): W2^T W1 x, as pixels."""
    r = to_host(quocnet.upwards(net, back, to_device(x))[0].r)
    return x + quocnet.SPREAD[0] * r


def neighbours(W):
    """Filters (maps NEAR, 3, k, k) of W (h, w, maps, 3, k, k) at places side by side, in [0, 1]."""
    h, w, *_ = W.shape
    left = max(0, (w - NEAR) // 2)
    f = to_host(W[h // 2, left:left + NEAR]).swapaxes(0, 1).reshape(-1, *W.shape[3:])
    return 0.5 + f / (2 * abs(f).max((1, 2, 3), keepdims=True))


def liked(net, x, seed, scale, quiet):
    """A row a unit of the last stage: the frames with the largest outputs, then its optimum."""
    f, tiles = features.features(features.last_stage(net), x), []
    x = to_host(features.in_0_to_1(x))
    maps, side, _ = net.forward(to_device(x[:1]))[0].shape[1:]
    count = min(TOP, len(x))
    middles = range(side * side // 2, maps * side * side, side * side)
    for unit in tqdm(middles, "what units like", disable=quiet or None, leave=False):
        tiles += [*x[top_images(f, natural_direction(f.shape[1], unit), count, seed)],
                  optimum(net, unit, x, np.random.default_rng([seed, 55]))]
    return pictures.panels([(pictures.grid(np.array(tiles), count + 1, scale), (
        f"A unit a row, in the middle of the last stage, one of each map: of the frames kept apart "
        f"the {count} with the largest outputs; and the optimal stimulus, of all images as far "
        "from grey as a frame."))])


def optimum(net, unit, x, rng):
    """The optimal stimulus of a unit (3, H, W), as pixels, as far from grey as frames are x."""
    z = rng.normal(size=(STARTS, *x.shape[1:]))
    far = np.sqrt((((x - quocnet.CENTRE[0]) / quocnet.SPREAD[0]) ** 2).sum((1, 2, 3)).mean())
    z *= far / np.sqrt((z * z).sum((1, 2, 3), keepdims=True))
    z, _ = features.optimal_stimulus(Net(net.layers[1:]), unit, to_device(z.astype("float32")))
    return quocnet.CENTRE[0] + quocnet.SPREAD[0] * to_host(z)


def report(numbers, flags, stem):
    """The Markdown."""
    held = {"input and target": "each stage's objective moves all stages below it",
            "input": "each stage's objective moves the stages below it, through its input alone",
            "nothing": "each stage's objective moves that stage alone"}[flags["below"]]
    return f"""\
# QuocNet of size {flags["size"]}: {numbers["weights"]:,} weights, trained without labels

On {numbers["frames"]:,} frames of {quocnet.SIZES[flags["size"]].pixels} pixels, in batches of \
{quocnet.BATCH}, by Adam from rate {quocnet.RATE:g}, falling to 0, with decay {quocnet.DECAY:g}; \
the decoders' filters are held to length 1; lam = {flags["lam"]:g}; {held}; seed {flags["seed"]}; \
weights: {flags["weights"]}.

{format_curve(numbers["curve"])}

cost: the sum of all stages' objectives, the mean of an epoch's batches.  On frames kept apart: \
error %, the share of the square of a stage's input that its codes do not reconstruct; sparsity, \
the sum of its pooled outputs an image.

![frames and what the first stage's codes make of them]({stem}-frames.png)

![filters of the first stage]({stem}-filters.png)

![what units of the last stage like]({stem}-units.png)"""


def format_curve(curve):
    """A row for each epoch, from before training on, in Markdown.  curve: as `trained` has it."""
    rows = [[epoch, common.cell(row["loss"], digits=4), f"{row['seconds']:.0f}",
             *(common.cell(v) for v in (*row["error %"], *row["sparsity"]))]
            for epoch, row in enumerate(curve)]
    stages = [f"{what}, stage {k}" for what in ("error %", "sparsity")
              for k in range(1, len(curve[0]["error %"]) + 1)]
    return common.table(["epoch", "cost", "seconds", *stages], rows)


if __name__ == "__main__":
    common.run(main)
