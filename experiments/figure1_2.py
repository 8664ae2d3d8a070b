"""Figures 1 and 2: the images with the largest activation of units, and along random directions.

    python -m experiments.figure1_2 --seed 1

Figure 1: the ten test images with the largest <phi(x), e_i>, for four units i of the last hidden
layer.  Figure 2: those with the largest <phi(x), v>, for four random directions v.  The paper
sees no distinction between the two, by eye.
This script adds numbers, over 200 directions of each kind:
natural: e_i, for units that are not constant over the test images.
random: v, Gaussian.
non-negative: v with every entry made positive.
Of the ten images of each direction it measures:
purity: the share of the most frequent digit, 0.1 to 1.
entropy: of the digits' shares, in bits; 0 where all are the same.
correlation: Pearson's, pixel by pixel, averaged over the 45 pairs of images.
Controls: the same nets untrained, raw pixels as phi, and ten images drawn at random.
"""
import numpy as np

from experiments.shared import (
    cache,
    charts,
    cli,
    coherence,
    measures,
    models,
    page,
    pictures,
    samples,
)
from intriguing import phi

LAYERS = {"LeNet": 3, "FC100-100-10": 2}  # the last hidden layer of each: phi_3, phi_2
DIRECTIONS, IMAGES, PANELS = 200, 10, 4     # of a kind; top images of each; directions shown
AXES = {                                    # of the histograms: edges of the bins, title
    "purity": (np.arange(0.05, 1.1, 0.1), "share of the most\nfrequent digit"),
    "entropy": (np.arange(-0.1, 3.6, 0.2), "entropy of the digits'\nshares, bits"),
    "correlation": (np.arange(-0.15, 1.01, 0.05), "correlation of pixels,\nmean over all pairs"),
}


def main(data="auto", seed=0, seeds=1, train="adam", workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    data, _, (x, t) = samples.load(data, quiet)
    shown, by_seed = {}, []
    for s in range(seed, seed + seeds):
        groups, errors = {}, {}
        for name, a, error in compute_activations(x, t, data, s, train, workers, quiet):
            errors[name] = error
            for kind, group in measures.pick_images(a, DIRECTIONS, IMAGES, s).items():
                groups[name, kind] = group
        groups[coherence.AT_RANDOM] = measures.pick_at_random(len(x), DIRECTIONS, IMAGES, s)
        values = {key: measures.measure(x[g.images], t[g.images]) for key, g in groups.items()}
        study = coherence.make_study(groups, values, [*LAYERS], s)
        by_seed.append({**coherence.make_record(study), "test error %": errors})
        if seeds == 1:
            shown = {**draw_figures(groups, x, t, data),
                     "figure1_2-histograms.png": draw_histograms(values, data)}
    how = f"{len(x):,} test images.  {models.describe_training(LAYERS, train)}"
    numbers = page.join_seeds(by_seed)
    text = (format_page(study, errors, how) if seeds == 1
            else format_page_of_seeds(numbers, seeds, how))
    page.save(page.name_record("figure1_2", seeds), main, flags, data, started, text, numbers,
              shown)
    return numbers


def compute_activations(x, t, data, seed, method, workers, quiet):
    """Yield name, phi (N, H) and the net's error % on (x, t), for every layer and its control."""
    nets = cache.load_or_train([*LAYERS], data, seed, method, workers, quiet)
    for name, trained in nets.items():
        before = models.build(name, seed).astype("float64")
        for label, net in ((name, trained), (coherence.name_untrained(name), before)):
            a = phi(net, x, LAYERS[name])
            wrong = net.above(LAYERS[name]).predict(a) != t
            yield label, a, 100 * float(wrong.mean())
    yield "pixels", x.reshape(len(x), -1).astype(float), None       # phi_0


def format_page(study, errors, how):
    """The page in Markdown.  errors: {layer: test error %}.  how: the images and the training."""
    errors = "; ".join(f"{name} {e:.3g} %" for name, e in errors.items() if e is not None)
    return f"""\
# Figures 1 and 2: single units against random directions

![for four units, the ten test images with the largest activation](figure1.png)

![for four random directions v, the ten test images with the largest <phi(x), v>](figure2.png)

## Does the paper's claim, "no distinction", hold?

{coherence.format_findings(study)}

![histograms of the three measures for every kind of direction](figure1_2-histograms.png)

{coherence.format_tables(study)}

{how}.  Test error: {errors}.  FC100-100-10 has 100 units: all are measured."""


def format_page_of_seeds(numbers, seeds, how):
    """The page over the nets of many seeds, in Markdown.  numbers: see page.join_seeds."""
    errors = "; ".join(f"{name} {page.format_cell(e)} %"
                       for name, e in numbers["test error %"].items() if e[0] is not None)
    return f"""\
# Figures 1 and 2 over the nets of {seeds} seeds: single units against random directions

## Does the paper's claim, "no distinction", hold when nets vary?

{coherence.format_findings_over_nets(numbers, [*LAYERS])}

{coherence.format_differences(numbers)}

{how}.  Test error: {errors}."""


# ---- Pictures --------------------------------------------------------------------------------


def draw_figures(groups, x, t, data):
    """{name of its file: the picture} of Figures 1 and 2."""
    data, figures = page.describe_data(data), {}
    for number, kind, what, how, score in (
            (1, "natural", "units", "drawn by seed among those that vary, not chosen by eye",
             "activation"),
            (2, "random", "random directions v", "Gaussian, drawn by seed", "<phi(x), v>")):
        g = groups["LeNet", kind]
        parts = [(pictures.draw_grid(x[images], IMAGES), f"{name}: {' '.join(map(str, t[images]))}")
                 for name, images in zip(g.names[:PANELS], g.images, strict=False)]
        title = (f"Figure {number}: {PANELS} {what} of LeNet's last hidden layer, phi_3 ({how}).  "
                 f"For each, the {IMAGES} test images with the largest {score}, largest first, "
                 f"and their digits.  {data}.")
        figures[f"figure{number}.png"] = pictures.draw_panels(parts, title, 2)
    return figures


def draw_histograms(values, data):
    """Draw the histograms of the measures.  values: {key: {measure: (M,)}}."""
    title = (f"What the {IMAGES} test images farthest along a direction have in common.  A row: "
             "the directions of one kind in one layer.  Bars: shares of these directions.  Black: "
             f"their mean.  Images: {page.describe_data(data)}.")
    rows = {coherence.name_group(key): of for key, of in values.items()}
    return charts.draw_histograms(rows, AXES, title)


if __name__ == "__main__":
    cli.run(main)
