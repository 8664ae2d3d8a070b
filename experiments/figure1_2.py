"""Figures 1 and 2: the images that single units like best, and those that random directions do.

    python -m experiments.figure1_2 --seed 1

Figure 1: the ten test images with the largest <phi(x), e_i>, for four units i of the last hidden
layer.  Figure 2: those with the largest <phi(x), v>, for four random directions v.  The paper
sees no distinction between the two, by eye.  Here are numbers besides, over 200 directions of
each kind: natural, e_i, units drawn among those that are not constant over the test images;
random, v Gaussian; non-negative, v with every entry made positive.  Of the ten images of each:
purity: the share of the most frequent digit, 0.1 to 1.
entropy: of the digits' shares, in bits; 0 where all are the same.
correlation: Pearson's, pixel by pixel, averaged over the 45 pairs of images.
Controls: the same nets untrained, raw pixels as phi, and ten images drawn at random.
"""
import numpy as np

from experiments import common, made, measures, pictures
from intriguing import phi

MEASURED = {"LeNet": 3, "FC100-100-10": 2}  # phi_3, phi_2: the last hidden layer of each
DIRECTIONS, IMAGES, PANELS = 200, 10, 4     # of a kind; top images of each; directions shown
LEVEL = 0.05                                # chance of a false alarm, shared by TESTS
AT_RANDOM = ("images at random",)
AXES = {                                    # of the histograms: edges of the bins, ticks
    "purity": (np.arange(0.05, 1.1, 0.1), (0.1, 0.4, 0.7, 1)),
    "entropy": (np.arange(-0.1, 3.6, 0.2), (0, 1, 2, 3)),
    "correlation": (np.arange(-0.15, 1.01, 0.05), (0, 0.5, 1)),
}
WORDS = {                                   # for a higher and a lower mean; the coherent end
    "purity": ("purer", "less pure", max),
    "entropy": ("more mixed", "less mixed", min),
    "correlation": ("more alike", "less alike", max),
}
TESTS = len(MEASURED) * len(measures.RANDOM) * len(AXES)        # of the trained nets
FEW = 0.25                                  # of the places: so few different images, and p is void


def main(data="auto", seed=0, train="adam", workers=0, out="runs", quiet=False):
    flags, started = dict(locals()), common.start(out)
    data, _, (x, t) = common.load(data, quiet)
    groups, errors = {}, {}
    for name, a, error in layers(x, t, data, seed, train, workers, quiet):
        errors[name] = error
        for kind, group in measures.picked(a, DIRECTIONS, IMAGES, seed).items():
            groups[name, kind] = group
    groups[AT_RANDOM] = measures.at_random(len(x), DIRECTIONS, IMAGES, seed)
    found = {key: measures.measured(x[g.images], t[g.images]) for key, g in groups.items()}
    tests = {key: {m: measures.compare(found[key[0], "natural"][m], values, seed)
                   for m, values in found[key].items()}
             for key in groups if key[-1] in measures.RANDOM}
    numbers = {"directions": {key: summary(g, found[key]) for key, g in groups.items()},
               "natural against": tests, "test error %": errors}
    draw(groups, found, x, t, data, common.folder(out, data))
    how = f"{len(x):,} test images.  {made.trained_how(MEASURED, train)}"
    text = report(numbers, how)
    numbers |= {part: {called(key): row for key, row in numbers[part].items()}
                for part in ("directions", "natural against")}
    common.save("figure1_2", main, flags, data, started, text, numbers)
    return numbers


def layers(x, t, data, seed, method, workers, quiet):
    """Yields name, phi (N, H) and the net's error % on (x, t) for every layer measured."""
    for name, net in made.trained([*MEASURED], data, seed, method, workers, quiet).items():
        before = made.build(name, seed).astype("float64")
        for label, either in ((name, net), (untrained(name), before)):
            a = phi(either, x, MEASURED[name])
            wrong = either.above(MEASURED[name]).predict(a) != t
            yield label, a, 100 * float(wrong.mean())
    yield "pixels", x.reshape(len(x), -1).astype(float), None       # phi_0


def untrained(name):
    """What a net's control is called."""
    return f"{name} untrained"


def called(key):
    """What a group is called: its layer and its kind."""
    return ", ".join(key)


def summary(group, found):
    """What the first table shows of a group whose measures are found, {measure: (M,)}."""
    return {"directions": len(group.images),
            **{m: {"mean": common.mean(v), "std": float(np.nanstd(v))} for m, v in found.items()},
            "different": len(np.unique(group.images)), "left out": group.left_out,
            "ties": group.ties}


# ---- Words and tables ------------------------------------------------------------------------


def report(numbers, how):
    """The Markdown.  how: what images there are, and how the nets were trained."""
    rows, tests = numbers["directions"], numbers["natural against"]
    errors = {name: e for name, e in numbers["test error %"].items() if e is not None}
    return f"""\
# Figures 1 and 2: single units against random directions

![for four units, the ten test images with the largest activation](figure1.png)

![for four random directions v, the ten test images with the largest <phi(x), v>](figure2.png)

## Does the paper's claim, "no distinction", hold?

{findings(rows, tests)}

![histograms of the three measures for every kind of direction](figure1_2-histograms.png)

## The ten images of a direction: mean ± standard deviation over the directions

{directions_table(rows)}

{how}.  Test error: {"; ".join(f"{name} {e:.3g} %" for name, e in errors.items())}.
different: how many different images the directions of a row pick in all.  left out: units that \
are constant over the test images, such as those that never fire.  ties: directions whose tenth \
and eleventh image score the same; a draw by seed decides.  FC100-100-10 has 100 units: all are \
measured.

## Natural against random and non-negative: Cohen's d; share of pairs in which natural is higher; p

{tests_table(tests)}

d: difference of the means, natural minus the other, in pooled standard deviations (Cohen calls \
0.2 small, 0.5 medium, 0.8 large).  In the share, equal values count half.  p: two-sided \
permutation test of the means, {measures.RESAMPLES:,} permutations, so at least \
{2 / (measures.RESAMPLES + 1):g}, if both kinds were alike; below {LEVEL} / {TESTS} tests of the \
trained nets = {LEVEL / TESTS:.2g} (Bonferroni) we say that they differ.  Purity and entropy are \
two readings of the same ten labels.  p takes the directions for independent draws; where they \
pick few different images they are not, and p is too small.  It speaks of these nets, not of \
others."""


def findings(rows, tests):
    """The claim's fate for each trained net, then where the controls lie, as a list."""
    return "\n".join([*(verdict(name, kind, rows, tests) for name in MEASURED
                        for kind in measures.RANDOM), *(controls(m, rows) for m in AXES)])


def verdict(name, kind, rows, tests):
    """Whether natural directions of a trained net differ from those of a kind, in a sentence."""
    few = next((k for k in ("natural", kind) if rows[name, k]["different"]
                < FEW * IMAGES * rows[name, k]["directions"]), None)
    parts, differing = [], 0
    for m, test in tests[name, kind].items():
        natural, other = (rows[name, k][m]["mean"] for k in ("natural", kind))
        differs = not few and test["p"] is not None and test["p"] < LEVEL / TESTS
        differing += differs
        word = (f"**{WORDS[m][natural < other]}**" if differs else "not tested"
                if few or test["p"] is None else "no difference found")
        d, p = (common.cell(test[k], digits=2) for k in ("d", "p"))
        parts.append(f"{m} {common.cell(natural)} against {common.cell(other)} (d = {d}"
                     f"{'' if few else f', p = {p}'}: {word})")
    fate = "**no difference found**, the claim stands"
    if few:
        fate = (f"not tested, because the {few} ones pick only {rows[name, few]['different']} "
                "different images")
    elif differing:
        fate = f"**the claim does not hold**, by {differing} of {len(parts)} measures"
    return f"- {name}, natural against {kind} directions: {fate}.  Natural: {'; '.join(parts)}."


def controls(m, rows):
    """Which directions of the trained nets are more coherent than all controls, in a sentence."""
    best = WORDS[m][2]
    mean = {key: row[m]["mean"] for key, row in rows.items() if row[m]["mean"] is not None}
    control = best((key for key in mean if key[0] not in MEASURED), key=mean.get)
    beyond, rest = [], []
    for key in mean:
        if key[0] in MEASURED:
            side = beyond if best(mean[key], mean[control]) != mean[control] else rest
            side.append(f"{called(key)} ({common.cell(mean[key])})")
    return (f"- Controls, {m}: the most coherent are {called(control)} "
            f"({common.cell(mean[control])}).  More coherent: {', '.join(beyond) or 'none'}.  "
            f"Not: {', '.join(rest) or 'none'}.")


def directions_table(numbers):
    """The groups' numbers, {key: summary}, as Markdown."""
    rows = [[called(key), row["directions"],
             *(f"{common.cell(row[m]['mean'])} ± {common.cell(row[m]['std'], digits=2)}"
               for m in AXES), *(row[k] for k in ("different", "left out", "ties"))]
            for key, row in numbers.items()]
    return common.table(["layer and kind", "directions", "purity", "entropy, bits", "correlation",
                         "different", "left out", "ties"], rows)


def tests_table(tests):
    """{(name, kind): {measure: compare}} as Markdown."""
    def words(test):
        d, share, p = (common.cell(test[k], digits=2) for k in ("d", "superiority", "p"))
        return f"{d}; {share}; {p}"
    return common.table(["layer", "natural against", *AXES],
                        [[*key, *(words(row[m]) for m in AXES)] for key, row in tests.items()])


# ---- Pictures --------------------------------------------------------------------------------


def draw(groups, found, x, t, data, folder):
    """The two figures and the histograms, as files in a folder."""
    data = common.describe(data)
    for number, kind, what, how, along in (
            (1, "natural", "units", "drawn by seed among those that vary, not chosen by eye",
             "activation"),
            (2, "random", "random directions v", "Gaussian, drawn by seed", "<phi(x), v>")):
        g = groups["LeNet", kind]
        parts = [(pictures.grid(x[images], IMAGES), f"{name}: {' '.join(map(str, t[images]))}")
                 for name, images in zip(g.names[:PANELS], g.images, strict=False)]
        title = (f"Figure {number}: {PANELS} {what} of LeNet's last hidden layer, phi_3 ({how}).  "
                 f"For each, the {IMAGES} test images with the largest {along}, largest first, "
                 f"and their digits.  {data}.")
        pictures.save(pictures.panels(parts, title, 2), folder / f"figure{number}.png")
    title = (f"What the {IMAGES} top images of a direction have in common, by kind of direction.  "
             f"Bars: shares of its directions.  Red: the mean.  Entropy in bits.  {data}.")
    pictures.save(pictures.histograms({called(key): of for key, of in found.items()}, AXES, title),
                  folder / "figure1_2-histograms.png")


if __name__ == "__main__":
    common.run(main)
