"""Figures 3 and 4: as Figures 1 and 2, with photographs, for units and directions of AlexNet.

    python -m experiments.figure3_4 --weights bvlc --data imagenette
    python -m experiments.figure3_4 --weights runs/alexnet.npz --data cifar10 --layer 5

Figure 3: the five photographs with the largest <phi(x), e_i>, for four units i of a layer.
Figure 4: those with the largest <phi(x), v>, for four random directions v.  The photographs are
those of the data set's test part.  --layer counts AlexNet's layers with weights: 1 to 5 are
convolutions, 6 and 7 are dense, 8 gives the logits.
This script adds numbers, as for Figures 1 and 2, over 200 directions of each kind.  Of the five
photographs of each direction it measures:
purity: the share of the most frequent label, 0.2 to 1.
entropy: of the labels' shares, in bits; 0 where all are the same.
correlation, below.  Purity and entropy are left out if no label has five photographs.
correlation: Pearson's, over the colours of 16 x 16 blocks, averaged over the 10 pairs.
Controls: the same net untrained, the blocks' colours as phi, and photographs drawn at random.
"""
import numpy as np

import data as datasets
from experiments.shared import charts, cli, coherence, measures, page, pictures
from experiments.shared.weights import read_colour_weights
from intriguing import phi

DIRECTIONS, IMAGES, PANELS = 200, 5, 4      # of a kind; top photographs of each; directions shown
BLOCKS = 16                                 # along a side
MOST_ACTIVATIONS = 5 * 10 ** 8              # activations in memory, of both nets: 2 GB
TILE = 128                                  # pixels of a side in the pictures, about
AXES = {                                    # of the histograms: edges of the bins, title
    "purity": (np.arange(0.1, 1.2, 0.2), "share of the most\nfrequent label"),
    "entropy": (np.arange(-0.1, 2.6, 0.2), "entropy of the labels'\nshares, bits"),
    "correlation": (np.linspace(-0.25, 1, 26), "correlation of colours,\nmean over all pairs"),
}
HELP = {"data": cli.FLAGS["photographs"]}


def main(weights="runs/alexnet.npz", preprocess="auto", data="cifar10", layer=7, seed=0, out="runs",
         strict=False, quiet=False):
    flags, started = cli.start(locals())
    model = read_colour_weights(weights, quiet, preprocess)
    nets = {model.title: model.net,
            coherence.name_untrained(model.title): model.build_untrained(
                np.random.default_rng(seed))}
    data, _, photographs = datasets.load_photographs(data, model.size, model.short, strict, quiet)
    rows, layers, blocks = compute_activations(nets, photographs, layer)
    groups = {(name, kind): group for name, a in layers.items()
              for kind, group in measures.pick_images(a, DIRECTIONS, IMAGES, seed).items()}
    groups[coherence.AT_RANDOM] = measures.pick_at_random(len(rows), DIRECTIONS, IMAGES, seed)
    t = photographs.t[rows]
    values = {key: measure_photographs(blocks[g.images], t[g.images], t)
              for key, g in groups.items()}
    study = coherence.make_study(groups, values, [model.title], seed)
    what = f"{model.description}, {page.describe_data(data)}"
    numbers = {**coherence.make_record(study), "photographs": len(rows)}
    page.save("figure3_4", main, flags, data, started,
              format_page(study, model.title, layer, len(rows), what), numbers,
              {**draw_figures(groups, model.title, layer, photographs, rows, what),
               "figure3_4-histograms.png": draw_histograms(values, what)})
    return numbers


def compute_activations(nets, photographs, layer):
    """The activations of every net, and the mean colours of blocks, batch by batch.

    Returns:
        The rows (N,) of the photographs that could be read; {name: phi (N, H) float32, "pixels":
        blocks (N, 3 BLOCKS^2)}; blocks (N, 3, BLOCKS, BLOCKS).

    Raises:
        ValueError: the activations do not fit into the memory.
    """
    rows, layers, blocks = [], {name: [] for name in nets}, []
    for x, rows_of_batch in photographs.batches():
        if len(rows_of_batch) == 0:
            continue
        rows.append(rows_of_batch)
        blocks.append(average_colours(x))
        for name, net in nets.items():
            layers[name].append(phi(net, x, layer).astype(np.float32))
            if layers[name][0][0].size * len(photographs) * len(nets) > MOST_ACTIVATIONS:
                raise ValueError(f"--layer {layer}: {layers[name][0][0].size:,} units of "
                                 f"{len(photographs):,} photographs do not fit into the memory; "
                                 "choose a higher layer or fewer photographs")
    blocks = np.concatenate(blocks)
    layers = {name: np.concatenate(a) for name, a in layers.items()}
    return np.concatenate(rows), {**layers, "pixels": blocks.reshape(len(blocks), -1)}, blocks


def average_colours(x):
    """The mean colour of BLOCKS x BLOCKS blocks of photographs: (N, 3, S, S) -> (N, 3, B, B)."""
    edges = np.linspace(0, x.shape[2], BLOCKS + 1).astype(int)
    sums = np.add.reduceat(np.add.reduceat(x, edges[:-1], 2), edges[:-1], 3)
    return sums / np.outer(np.diff(edges), np.diff(edges)).astype(np.float32)


def measure_photographs(blocks, labels, t):
    """{measure: (M,)} of sets of photographs; of labels only if `has_enough_labels` is true for t
    (N,)."""
    return (measures.measure(blocks, labels) if has_enough_labels(t)
            else {"correlation": measures.correlation(blocks)})


def has_enough_labels(t):
    """Whether some label of t (N,) has IMAGES photographs, as many as a direction picks."""
    return len(t) > 0 and t.min() >= 0 and np.bincount(t).max() >= IMAGES


def format_page(study, title, layer, N, what):
    """The page in Markdown.  title: the net's name.  N: the number of photographs.  what: the net
    and the data set."""
    skipped = "" if "purity" in study.measures else (
        f"  No label has {IMAGES} photographs, so purity and entropy are left out.")
    return f"""\
# Figures 3 and 4: single units of {title} against random directions

![for four units, the five photographs with the largest activation](figure3.png)

![for four random directions v, the five photographs with the largest <phi(x), v>](figure4.png)

## Does the paper's claim, "no distinction", hold?

{coherence.format_findings(study)}

![histograms of the measures for every kind of direction](figure3_4-histograms.png)

{coherence.format_tables(study)}

phi_{layer} of {what}, of the test part; {N:,} photographs.{skipped}"""


def draw_figures(groups, title, layer, photographs, rows, what):
    """{name of its file: the picture} of Figures 3 and 4.  title: the net's name."""
    figures = {}
    for number, kind, how in ((3, "natural", "units, drawn by seed among those that vary"),
                              (4, "random", "random directions v, Gaussian, drawn by seed")):
        g, parts = groups[title, kind], []
        for name, images in zip(g.names[:PANELS], g.images, strict=False):
            x, readable = photographs.images(rows[images])
            labels = [photographs.classes[i] for i in photographs.t[readable] if i >= 0]
            parts.append((pictures.draw_grid(x, IMAGES, max(1, round(TILE / x.shape[3]))),
                          f"{name}: {', '.join(labels)}"))
        caption = (f"Figure {number}: {PANELS} {how}, phi_{layer} of {what}.  For each, the "
                   f"{IMAGES} photographs with the largest "
                   f"{'activation' if kind == 'natural' else '<phi(x), v>'}, largest first.")
        figures[f"figure{number}.png"] = pictures.draw_panels(parts, caption, 2)
    return figures


def draw_histograms(values, what):
    """Draw the histograms of the measures.  values: {key: {measure: (M,)}}."""
    axes = {m: AXES[m] for m in next(iter(values.values()))}
    title = (f"What the {IMAGES} photographs farthest along a direction have in common.  A row: "
             "the directions of one kind in one layer.  Bars: shares of these directions.  Black: "
             f"their mean.  Net and images: {what}.")
    rows = {coherence.name_group(key): of for key, of in values.items()}
    return charts.draw_histograms(rows, axes, title)


if __name__ == "__main__":
    cli.run(main)
