"""Figures 3 and 4: the photographs that single units of AlexNet like best, and random directions.

    python -m experiments.figure3_4 --weights bvlc --data imagenette
    python -m experiments.figure3_4 --weights runs/alexnet.npz --data cifar10 --layer 5

Figure 3: the five photographs with the largest <phi(x), e_i>, for four units i of a layer; of
AlexNet's layers with weights 1 to 5 are convolutions, 6 and 7 dense, 8 the logits.  Figure 4:
those with the largest <phi(x), v>, for four random directions v.  The photographs are those of
the set's test part.  Numbers besides, as for Figures 1 and 2, over 200 directions of each kind.
Of the five photographs of each:
purity: the share of the most frequent label, 0.2 to 1.
entropy: of the labels' shares, in bits; 0 where all are the same.  Both are left out where no
label has five photographs.
correlation: Pearson's, over the colours of 16 x 16 blocks, averaged over the 10 pairs.
Controls: the same net untrained, the blocks' colours as phi, and photographs drawn at random.
"""
import numpy as np

import data as datasets
from experiments.shared import charts, cli, coherence, measures, page, pictures
from experiments.shared.weights import read_weights
from intriguing import phi

DIRECTIONS, IMAGES, PANELS = 200, 5, 4      # of a kind; top photographs of each; directions shown
BLOCKS = 16                                 # along a side
LARGEST = 5 * 10 ** 8                       # activations in memory, of both nets: 2 GB
TILE = 128                                  # pixels of a side in the pictures, about
AXES = {                                    # of the histograms: edges of the bins, what is shown
    "purity": (np.arange(0.1, 1.2, 0.2), "share of the most\nfrequent label"),
    "entropy": (np.arange(-0.1, 2.6, 0.2), "entropy of the labels'\nshares, bits"),
    "correlation": (np.linspace(-0.25, 1, 26), "correlation of colours,\nmean over all pairs"),
}
HELP = {"data": cli.FLAGS["photographs"]}


def main(weights="runs/alexnet.npz", data="cifar10", layer=7, seed=0, out="runs", strict=False,
         quiet=False):
    flags, started = cli.start(locals())
    model = read_weights(weights, quiet)
    nets = {"AlexNet": model.net,
            coherence.untrained("AlexNet"): model.anew(np.random.default_rng(seed))}
    data, _, photographs = datasets.photographs(data, model.size, model.short, strict, quiet)
    rows, layers, blocks = streamed(nets, photographs, layer)
    groups = {(name, kind): group for name, a in layers.items()
              for kind, group in measures.picked(a, DIRECTIONS, IMAGES, seed).items()}
    groups[coherence.AT_RANDOM] = measures.at_random(len(rows), DIRECTIONS, IMAGES, seed)
    t = photographs.t[rows]
    found = {key: measured(blocks[g.images], t[g.images], t) for key, g in groups.items()}
    study = coherence.study(groups, found, ["AlexNet"], seed)
    folder = page.folder(out, data)
    what = f"{model.said}, {page.describe(data)}"
    draw(groups, layer, photographs, rows, what, folder)
    draw_histograms(found, what, folder)
    numbers = {**coherence.record(study), "photographs": len(rows)}
    page.save("figure3_4", main, flags, data, started,
              report(study, layer, len(rows), what), numbers)
    return numbers


def streamed(nets, photographs, layer):
    """Which photographs came, phi (N, H) float32 of every net, and the blocks' colours.

    Returns rows (N,), {name: phi, "pixels": the blocks}, blocks (N, 3, BLOCKS, BLOCKS).
    """
    rows, layers, blocks = [], {name: [] for name in nets}, []
    for x, some in photographs.batches():
        if len(some) == 0:
            continue
        rows.append(some)
        blocks.append(colours(x))
        for name, net in nets.items():
            layers[name].append(phi(net, x, layer).astype(np.float32))
            if layers[name][0][0].size * len(photographs) * len(nets) > LARGEST:
                raise ValueError(f"--layer {layer}: {layers[name][0][0].size:,} units of "
                                 f"{len(photographs):,} photographs do not fit into the memory; "
                                 "choose a higher layer or fewer photographs")
    blocks = np.concatenate(blocks)
    layers = {name: np.concatenate(a) for name, a in layers.items()}
    return np.concatenate(rows), {**layers, "pixels": blocks.reshape(len(blocks), -1)}, blocks


def colours(x):
    """The mean colour of BLOCKS x BLOCKS blocks of photographs: (N, 3, S, S) -> (N, 3, B, B)."""
    edges = np.linspace(0, x.shape[2], BLOCKS + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(x, edges[:-1], 2), edges[:-1], 3)
    return sums / np.outer(np.diff(edges), np.diff(edges)).astype(np.float32)


def measured(blocks, labels, t):
    """{measure: (M,)} of sets of photographs; of labels only where one of t (N,) has enough."""
    return (measures.measured(blocks, labels) if enough(t)
            else {"correlation": measures.correlation(blocks)})


def enough(t):
    """Whether some label of t (N,) has as many photographs as a direction picks."""
    return len(t) > 0 and t.min() >= 0 and np.bincount(t).max() >= IMAGES


def report(study, layer, N, what):
    """The Markdown."""
    skipped = "" if len(next(iter(study.tests.values()))) == 3 else (
        f"  No label has {IMAGES} photographs: purity and entropy would say nothing.")
    return f"""\
# Figures 3 and 4: single units of AlexNet against random directions

![for four units, the five photographs with the largest activation](figure3.png)

![for four random directions v, the five photographs with the largest <phi(x), v>](figure4.png)

## Does the paper's claim, "no distinction", hold?

{coherence.findings(study)}

![histograms of the measures for every kind of direction](figure3_4-histograms.png)

{coherence.tables(study)}

phi_{layer} of {what}, of the test part; {N:,} photographs.{skipped}"""


def draw(groups, layer, photographs, rows, what, folder):
    """Figures 3 and 4, as files in a folder."""
    for number, kind, how in ((3, "natural", "units, drawn by seed among those that vary"),
                              (4, "random", "random directions v, Gaussian, drawn by seed")):
        g, parts = groups["AlexNet", kind], []
        for name, images in zip(g.names[:PANELS], g.images, strict=False):
            x, kept = photographs.images(rows[images])
            labels = [photographs.classes[i] for i in photographs.t[kept] if i >= 0]
            parts.append((pictures.grid(x, IMAGES, max(1, round(TILE / x.shape[3]))),
                          f"{name}: {', '.join(labels)}"))
        title = (f"Figure {number}: {PANELS} {how}, phi_{layer} of {what}.  For each, the {IMAGES} "
                 "photographs with the largest "
                 f"{'activation' if kind == 'natural' else '<phi(x), v>'}, largest first.")
        pictures.save(pictures.panels(parts, title, 2), folder / f"figure{number}.png")


def draw_histograms(found, what, folder):
    """The distributions of the measures found, as a file in a folder."""
    axes = {m: AXES[m] for m in next(iter(found.values()))}
    title = (f"What the {IMAGES} photographs farthest along a direction have in common.  A row: "
             "the directions of one kind in one layer.  Bars: shares of these directions.  Black: "
             f"their mean.  Net and images: {what}.")
    rows = {coherence.called(key): of for key, of in found.items()}
    charts.save(charts.draw_histograms(rows, axes, title), folder / "figure3_4-histograms.png")


if __name__ == "__main__":
    cli.run(main)
