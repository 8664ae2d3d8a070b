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

LAYERS = {"LeNet": 3, "FC100-100-10": 2}    # phi_3, phi_2: the last hidden layer of each
DIRECTIONS, IMAGES, PANELS = 200, 10, 4     # of a kind; top images of each; directions shown
LEVEL = 0.05                                # chance of a false alarm, shared by all tests
AT_RANDOM = ("images at random",)
AXES = {                                    # of the histograms: edges of the bins, ticks
    "purity": (np.arange(0.05, 1.1, 0.1), (0.1, 0.4, 0.7, 1)),
    "entropy": (np.arange(-0.1, 3.6, 0.2), (0, 1, 2, 3)),
    "correlation": (np.arange(-0.15, 1.01, 0.05), (0, 0.5, 1)),
}


def main(data="auto", seed=0, train="adam", workers=0, out="runs", quiet=False):
    flags, started = dict(locals()), common.start(out)
    data, _, (x, t) = common.load(data, quiet)
    groups, errors = {}, {}
    for name, a, errors[name] in layers(x, t, data, seed, train, workers, quiet):
        for kind, group in measures.picked(a, DIRECTIONS, IMAGES, seed).items():
            groups[name, kind] = group
    groups[AT_RANDOM] = measures.at_random(len(x), DIRECTIONS, IMAGES, seed)
    found = {key: measures.measured(x[g.images], t[g.images]) for key, g in groups.items()}
    tests = {key: {m: measures.compare(found[key[0], "natural"][m], values, seed)
                   for m, values in found[key].items()}
             for key in groups if key[-1] in measures.RANDOM}
    numbers = {"directions": {called(key): summary(g, found[key]) for key, g in groups.items()},
               "natural against": {called(key): test for key, test in tests.items()},
               "test error %": errors}
    draw(groups, found, x, t, data, common.folder(out, data))
    how = f"{len(x):,} test images.  {made.trained_how(LAYERS, train)}"
    common.save("figure1_2", main, flags, data, started, report(found, tests, numbers, how),
                numbers)
    return numbers


def layers(x, t, data, seed, method, workers, quiet):
    """Yields name, phi (N, H) and the net's error % on (x, t) for every layer measured."""
    for name, net in made.trained([*LAYERS], data, seed, method, workers, quiet).items():
        before = made.build(name, seed).astype("float64")
        for label, either in ((name, net), (untrained(name), before)):
            a = phi(either, x, LAYERS[name])
            wrong = either.above(LAYERS[name]).predict(a) != t
            yield label, a, 100 * float(wrong.mean())
    yield "pixels", phi(net, x, 0), None


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


def report(found, tests, numbers, how):
    """The Markdown.  how: what images there are, and how the nets were trained."""
    level = LEVEL / (len(tests) * len(AXES))            # Bonferroni
    errors = {name: e for name, e in numbers["test error %"].items() if e is not None}
    return f"""\
# Figures 1 and 2: single units against random directions

![for four units, the ten test images with the largest activation](figure1.png)

![for four random directions v, the ten test images with the largest <phi(x), v>](figure2.png)

## Does the paper's claim, "no distinction", hold?

{findings(found, tests, level)}

![histograms of the three measures for every kind of direction](figure1_2-histograms.png)

## The ten images of a direction: mean ± standard deviation over the directions

{directions_table(numbers["directions"])}

{how}.  Test error: {"; ".join(f"{name} {e:.3g} %" for name, e in errors.items())}.
different: how many different images the directions of a row pick in all.  left out: units that \
are constant over the test images, such as those that never fire.  ties: directions whose tenth \
and eleventh image score the same; a draw by seed decides.

## Natural against the others: Cohen's d; share of pairs in which natural is higher; p

{tests_table(tests)}

d: difference of the means, natural less the other, in pooled standard deviations (0.2 is called \
small, 0.5 medium, 0.8 large).  In the share, equal values count half.  p: two-sided permutation \
test of the means, {measures.RESAMPLES:,} permutations, so at least 0.0002; below {LEVEL} / \
{len(tests) * len(AXES)} tests = {level:.2g} (Bonferroni) we say that they differ.  p takes the \
directions for independent draws; where they pick few different images they are not, and p is too \
small.  It speaks of these nets, not of others."""


def findings(found, tests, level):
    """The claim's fate: in how many cases it fails, and a line for each trained net and measure."""
    differs = {(*key, m): test["p"] is not None and test["p"] < level
               for key, row in tests.items() for m, test in row.items()}
    cases = [(name, m) for name in LAYERS for m in AXES]
    fails = {kind: sum(differs[name, kind, m] for name, m in cases) for kind in measures.RANDOM}
    lines = [finding(name, m, found, tests, differs) for name, m in cases]
    return (f"By {len(AXES)} measures on {len(LAYERS)} trained nets, natural directions differ "
            f"from random ones in {fails['random']} of {len(cases)} comparisons and from "
            f"non-negative ones in {fails['non-negative']}: where they differ, the claim does not "
            "hold by that measure; elsewhere nothing found here speaks against it.\n\n"
            + "\n".join(lines))


def finding(name, m, found, tests, differs):
    """What a measure says of a trained net's directions, and where the controls lie."""
    mean = {key: common.mean(values[m]) for key, values in found.items()}
    natural, random = mean[name, "natural"], mean[name, "random"]
    text = f"- {name}, {m}: natural {common.cell(natural)}"
    for kind in measures.RANDOM:
        d, p = (common.cell(tests[name, kind][m][k], digits=2) for k in ("d", "p"))
        verdict = ("no difference found" if not differs[name, kind, m] else
                   f"**natural is {'higher' if natural > mean[name, kind] else 'lower'}**")
        text += f"; {kind} {common.cell(mean[name, kind])}, {verdict} (d = {d}, p = {p})"
    controls = {called(key): mean[key] for key in [AT_RANDOM, *(
        (control, kind) for control in (untrained(name), "pixels")
        for kind in ("natural", "random"))]}
    low, high = (f(controls, key=controls.get) for f in (min, max))
    where = ("both kinds are above them all" if min(natural, random) > controls[high] else
             "both kinds are below them all" if max(natural, random) < controls[low] else
             "the two kinds are not both on one side")
    return (f"{text}.  Controls, natural and random: {common.cell(controls[low])} ({low}) to "
            f"{common.cell(controls[high])} ({high}); {where}.")


def directions_table(numbers):
    """The groups' numbers, {name: summary}, as Markdown."""
    rows = [[name, row["directions"],
             *(f"{common.cell(row[m]['mean'])} ± {common.cell(row[m]['std'], digits=2)}"
               for m in AXES), *(row[k] for k in ("different", "left out", "ties"))]
            for name, row in numbers.items()]
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
            (1, "natural", "units", "by seed among those that fire, not picked", "activation"),
            (2, "random", "random directions v", "Gaussian, by seed", "activation along v")):
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
