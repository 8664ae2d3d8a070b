"""Train QuocNet without labels, on frames: the net whose features Figure 6 classifies.

    python -m experiments.train_quocnet --data cifar10 --size S --below nothing
    python -m experiments.train_quocnet --data stl10 --size L
    python -m experiments.train_quocnet --data frames --size M

Frames: of stl10 the 100,000 images without labels; of cifar10, imagenette or any folder the
training part (a fifth of a folder that has no parts is its test).  Each gives one square, cut out
at random along its longer side.  All stages are trained at once.  The cost is the sum of theirs,
|W2^T W1 x - x|^2 + lam sum_j p_j: nets/models/quocnet.py.  By default the stages below are trained
too, as Le et al. do; at size S `--below nothing` gives far better features.
Frames that are not trained on measure the error of each stage, and how sparse its codes are.
The script writes the weights, a record with the curve, and three pictures: frames and their
reconstruction by the first stage; the filters of the first stage; for units of the last stage, the
frames with the largest output, and the optimal stimulus.  An interrupted run goes on after its last
whole epoch, to the same weights, bit for bit; a finished one is not computed again.
"""
from pathlib import Path

import numpy as np
from tqdm import tqdm

import data as datasets
from experiments.shared import cli, page, pictures, quocnet_training
from experiments.shared.samples import random_stream
from intriguing import natural_direction, top_images
from nets.backend import to_device, to_host
from nets.models import features, quocnet
from nets.net import Net

SHOWN, TOP, NEAR = 10, 8, 8                 # columns of the pictures
STARTS = 8                                  # of the search for what a unit likes most
HELP = {"data": "cifar10, imagenette, stl10, or any folder of images",
        "size": "QuocNet's: S, M, L or full",
        "weights": "the .npz file to write"}


def main(data="cifar10", size="S", lam=quocnet.LAMBDA, below="input and target",
         epochs=quocnet.EPOCHS, frames=0, seed=0, weights="runs/quocnet.npz", out="runs",
         strict=False, quiet=False):
    flags, started = cli.start(locals())
    quocnet_training.check_flags(size, lam, below)
    if Path(weights).suffix != ".npz":
        raise ValueError(f"--weights {weights}: expected a file that ends in .npz")
    cli.check_writable(Path(weights).parent, "choose another file by --weights")
    name, photographs = datasets.load_frames(data, quocnet.SIZES[size].pixels, strict=strict,
                                             quiet=quiet)
    x, held = quocnet_training.cut_frames(photographs, frames, seed)
    print(f"Data: {page.describe_data(name)}; {len(x):,} frames to train on, {len(held):,} kept "
          "apart.", flush=True)
    net, decoders, curve = quocnet_training.train(size, seed, x, held, lam, below, epochs, quiet)
    quocnet_training.save(weights, net, decoders, size, lam, below)
    numbers = {"weights": sum(W.size for W in net.params), "frames": len(x), "curve": curve}
    stem = quocnet_training.name_results("train_quocnet", size)
    shown = draw_pictures(net, decoders, quocnet_training.build(size, seed), held, seed, stem,
                          quiet)
    page.save(stem, main, flags, name, started, format_page(numbers, flags, stem), numbers, shown)
    return numbers


# ---- Pictures --------------------------------------------------------------------------------


def draw_pictures(net, decoders, untrained, held, seed, stem, quiet):
    """{stem-....png: picture}: frames and their reconstructions, filters, what units like.

    untrained: the net before training.  held: (N, 3, H, W) uint8.
    """
    x = to_host(features.scale_pixels(held))
    scale = max(1, 64 // x.shape[3])
    frames = pictures.draw_panels(
        [(pictures.draw_grid(images, SHOWN, scale), text) for images, text in (
            (x[:SHOWN], "Frames that were not trained on."),
            (reconstruct(untrained, quocnet.make_decoders(untrained), x[:SHOWN]),
             "What the first stage's codes make of them before training."),
            (reconstruct(net, decoders, x[:SHOWN]), "And after it."))],
            columns=1)
    filters = pictures.draw_panels(
        [(pictures.draw_grid(pick_neighbours(W), NEAR, 4), text) for W, text in (
            (net.params[0], "Encoder."), (decoders[0].params[0], "Decoder."))],
        f"Filters of the first stage: a map a row, at {NEAR} neighbouring places in the middle.",
        2)
    return {f"{stem}-frames.png": frames, f"{stem}-filters.png": filters,
            f"{stem}-units.png": draw_liked(net, held, seed, scale, quiet)}


def reconstruct(net, decoders, x):
    """W2^T W1 x as pixels: frames x (N, 3, H, W) from the codes of the first stage."""
    r = to_host(quocnet.forward_stages(net, decoders, to_device(x))[0].r)
    return x + quocnet.SPREAD[0] * r


def pick_neighbours(W):
    """Filters (maps NEAR, 3, k, k) of W (h, w, maps, 3, k, k) at places side by side, in [0, 1]."""
    h, w, *_ = W.shape
    left = max(0, (w - NEAR) // 2)
    f = to_host(W[h // 2, left:left + NEAR]).swapaxes(0, 1).reshape(-1, *W.shape[3:])
    return 0.5 + f / (2 * abs(f).max((1, 2, 3), keepdims=True))


def draw_liked(net, x, seed, scale, quiet):
    """Draw a row for each unit of the last stage: its favourite frames, and its optimum."""
    f, tiles = features.compute_features(features.last_stage(net), x), []
    x = to_host(features.scale_pixels(x))
    maps, side, _ = net.forward(to_device(x[:1]))[0].shape[1:]
    count = min(TOP, len(x))
    middles = range(side * side // 2, maps * side * side, side * side)
    for unit in tqdm(middles, "what units like", disable=quiet or None, leave=False):
        tiles += [*x[top_images(f, natural_direction(f.shape[1], unit), count, seed)],
                  find_optimum(net, unit, x, random_stream(seed, "optimal image"))]
    return pictures.draw_panels([(pictures.draw_grid(np.array(tiles), count + 1, scale), (
        f"A unit a row, in the middle of the last stage, one of each map: of the frames kept apart "
        f"the {count} with the largest outputs; and the optimal stimulus, of all images as far "
        "from grey as a frame."))])


def find_optimum(net, unit, x, rng):
    """The optimal stimulus of a unit (3, H, W), as pixels, as far from grey as frames are x."""
    z = rng.normal(size=(STARTS, *x.shape[1:]))
    far = np.sqrt((((x - quocnet.CENTRE[0]) / quocnet.SPREAD[0]) ** 2).sum((1, 2, 3)).mean())
    z *= far / np.sqrt((z * z).sum((1, 2, 3), keepdims=True))
    z, _ = features.optimal_stimulus(Net(net.layers[1:]), unit, to_device(z.astype("float32")))
    return quocnet.CENTRE[0] + quocnet.SPREAD[0] * to_host(z)


def format_page(numbers, flags, stem):
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
    """A row for each epoch, from before training on, in Markdown.

    curve: as `quocnet_training.train` returns it.
    """
    rows = [[epoch, page.format_cell(row["loss"], digits=4), f"{row['seconds']:.0f}",
             *(page.format_cell(v) for v in (*row["error %"], *row["sparsity"]))]
            for epoch, row in enumerate(curve)]
    stages = [f"{what}, stage {k}" for what in ("error %", "sparsity")
              for k in range(1, len(curve[0]["error %"]) + 1)]
    return page.format_table(["epoch", "cost", "seconds", *stages], rows)


if __name__ == "__main__":
    cli.run(main)
