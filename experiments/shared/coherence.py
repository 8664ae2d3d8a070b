"""Figures 1 to 4 in numbers: compare kinds of directions, and write tables and sentences of that.

A group of directions has a key, (layer, kind), where the layer has its net's name; or the key
AT_RANDOM.  The controls are the layers of untrained nets, raw pixels, and images at random.
"""
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from experiments.shared import measures, page

LEVEL = 0.05                                # chance that any of a study's tests is a false alarm
FEW = 0.25                                  # with a smaller share of different images, p is void
AT_RANDOM = ("images at random",)


class Wording(NamedTuple):
    """How to describe the means of a measure."""
    higher: str
    lower: str
    most_coherent: object                   # max or min


WORDINGS = {
    "purity": Wording("purer", "less pure", max),
    "entropy": Wording("more mixed", "less mixed", min),
    "correlation": Wording("more alike", "less alike", max),
}


class Study(NamedTuple):
    """The numbers of all groups of directions, and the tests of natural against other kinds."""
    trained: list                           # the layers of trained nets
    places: int                             # images of each direction
    rows: dict                              # {key of a group: row of `summarise`}
    tests: dict                             # {(layer, kind): {measure: of measures.compare}}

    @property
    def level(self):
        """Two kinds differ if p is below this: Bonferroni's, for the tests of trained layers."""
        return LEVEL / sum(len(test) for key, test in self.tests.items() if key[0] in self.trained)

    @property
    def measures(self):
        """The names of the measures."""
        return list(next(iter(self.tests.values())))


def make_study(groups, values, trained, seed):
    """Compare the natural directions of each layer with its other kinds.

    Args:
        groups: {key: measures.Group}.
        values: {key: {measure: (M,)}}, of the same groups.
        trained: the layers of trained nets.
        seed: of the permutation tests.

    Returns:
        The Study.
    """
    tests = {key: {m: measures.compare(values[key[0], "natural"][m], other, seed)
                   for m, other in values[key].items()}
             for key in groups if key[-1] in measures.RANDOM_KINDS}
    places = next(iter(groups.values())).images.shape[1]
    return Study(trained, places, {key: summarise(g, values[key]) for key, g in groups.items()},
                 tests)


def summarise(group, values):
    """The numbers of the first table's row.  values: {measure: (M,)} of the group."""
    return {"directions": len(group.images),
            **{m: {"mean": page.mean(v), "std": float(np.nanstd(v))} for m, v in values.items()},
            "different": len(np.unique(group.images)), "left out": group.left_out,
            "ties": group.ties}


def name_untrained(name):
    """The layer of a net before training, its control."""
    return f"{name} untrained"


def name_group(key):
    """A group's name: its layer and its kind."""
    return ", ".join(key)


def make_record(s):
    """A Study for JSON, where groups have their names as keys."""
    return {part: {name_group(key): row for key, row in rows.items()}
            for part, rows in (("directions", s.rows), ("natural against", s.tests))}


def read_record(numbers, trained, places):
    """The Study from the numbers that `make_record` gave.  trained, places: see Study."""
    def by_key(rows):
        return {tuple(name.rsplit(", ", 1)): row for name, row in rows.items()}
    return Study(trained, places, by_key(numbers["directions"]), by_key(numbers["natural against"]))


# ---- Over the nets of many seeds -------------------------------------------------------------


def find_interval(differences, level=LEVEL):
    """The interval of the mean of differences, one for each net, at this level: (lower, upper).

    Student's t over nets: whatever the directions within one net have in common, nets of other
    seeds are independent, so the nets, and not the directions, are the sample.
    """
    a = np.array(differences, float)
    half = stdtrit(len(a) - 1, 1 - level / 2) * a.std(ddof=1) / np.sqrt(len(a))
    return a.mean() - half, a.mean() + half


def list_differences(numbers):
    """{(layer, kind): {measure: [natural minus kind, of each net]}}.

    numbers: of `make_record`, a list of one for each seed in each place, see page.join_seeds.
    """
    means = {tuple(name.rsplit(", ", 1)): {m: row[m]["mean"] for m in WORDINGS if m in row}
             for name, row in numbers["directions"].items()}
    return {key: {m: np.subtract(means[key[0], "natural"][m], of).tolist()
                  for m, of in row.items()}
            for key, row in means.items() if key[-1] in measures.RANDOM_KINDS}


def find_apart(numbers, trained):
    """{(layer, kind): ["purer", ...]}: how natural directions of trained nets differ from others.

    Over nets of many seeds, at LEVEL for all tests together (Bonferroni).
    """
    rows = {key: row for key, row in list_differences(numbers).items() if key[0] in trained}
    level = LEVEL / sum(map(len, rows.values()))
    return {key: [WORDINGS[m].higher if np.mean(of) > 0 else WORDINGS[m].lower
                  for m, of in row.items() if np.prod(find_interval(of, level)) > 0]
            for key, row in rows.items()}


def format_findings_over_nets(numbers, trained):
    """A list: whether the claim holds for each trained net when its seed varies."""
    return "\n".join(
        f"- {layer}, natural against {kind} directions: " +
        (f"**the claim does not hold**, natural ones are {', '.join(words)}." if words
         else "**no difference found**.")
        for (layer, kind), words in find_apart(numbers, trained).items())


def write_claim(numbers, trained):
    """Whether the claim of Figures 1 and 2 holds over the nets of many seeds, in a sentence."""
    seeds = len(next(iter(numbers["directions"].values()))["directions"])
    apart = [f"those of {layer} are {', '.join(words)} than {kind} ones"
             for (layer, kind), words in find_apart(numbers, trained).items() if words]
    if apart:
        found = f"single units differ: {'; '.join([*apart, 'no other difference was found'])}"
    else:
        found = ("no difference between single units and random directions was found, for "
                 f"{' and '.join(trained)}")
    return (f"Figures 1 and 2: over the nets of {seeds} seeds, {found} (Student's t over nets, "
            "Bonferroni).")


def format_differences(numbers):
    """The differences over nets in Markdown, with their definition."""
    def format_one(of):
        lower, upper = (page.format_cell(end, digits=2) for end in find_interval(of))
        return f"{page.format_cell(np.mean(of), digits=2)} ({lower} to {upper})"
    differences = list_differences(numbers)
    table = page.format_table(["layer", "natural minus", *next(iter(differences.values()))],
                              [[*key, *map(format_one, row.values())]
                               for key, row in differences.items()])
    return f"""\
## The mean over natural directions minus that over others: mean over nets (95 % interval)

{table}

The nets are the sample: Student's t over one difference for each seed.  Directions of one net are \
not independent of each other, and a test over them says nothing about other nets.  The verdicts \
above hold at a level of {LEVEL} for all tests of trained nets together (Bonferroni)."""


# ---- In words --------------------------------------------------------------------------------


def format_findings(s):
    """A list: whether the claim holds for each trained net, then the controls of each measure."""
    return "\n".join([*(format_verdict(s, name, kind) for name in s.trained
                        for kind in measures.RANDOM_KINDS),
                      *(format_controls(s, m) for m in s.measures)])


def format_verdict(s, name, kind):
    """Whether natural directions of a trained net differ from those of a kind, in a sentence."""
    few = next((k for k in ("natural", kind) if s.rows[name, k]["different"]
                < FEW * s.places * s.rows[name, k]["directions"]), None)
    parts, differing = [], 0
    for m, test in s.tests[name, kind].items():
        natural, other = (s.rows[name, k][m]["mean"] for k in ("natural", kind))
        differs = not few and test["p"] is not None and test["p"] < s.level
        differing += differs
        word = WORDINGS[m].lower if natural < other else WORDINGS[m].higher
        word = (f"**{word}**" if differs else "not tested"
                if few or test["p"] is None else "no difference found")
        d, p = (page.format_cell(test[k], digits=2) for k in ("d", "p"))
        parts.append(f"{m} {page.format_cell(natural)} against {page.format_cell(other)} (d = {d}"
                     f"{'' if few else f', p = {p}'}: {word})")
    result = "**no difference found**, the claim stands"
    if few:
        result = (f"not tested, because the {few} ones pick only {s.rows[name, few]['different']} "
                  "different images")
    elif differing:
        result = f"**the claim does not hold**, by {differing} of {len(parts)} measures"
    return f"- {name}, natural against {kind} directions: {result}.  Natural: {'; '.join(parts)}."


def format_controls(s, m):
    """Which directions of the trained nets are more coherent than all controls, in a sentence."""
    best = WORDINGS[m].most_coherent
    mean = {key: row[m]["mean"] for key, row in s.rows.items() if row[m]["mean"] is not None}
    control = best((key for key in mean if key[0] not in s.trained), key=mean.get)
    beyond, rest = [], []
    for key in mean:
        if key[0] in s.trained:
            side = beyond if best(mean[key], mean[control]) != mean[control] else rest
            side.append(f"{name_group(key)} ({page.format_cell(mean[key])})")
    return (f"- Controls, {m}: the most coherent are {name_group(control)} "
            f"({page.format_cell(mean[control])}).  More coherent: {', '.join(beyond) or 'none'}.  "
            f"Not: {', '.join(rest) or 'none'}.")


# ---- In tables -------------------------------------------------------------------------------


def format_directions(s):
    """The groups' numbers in Markdown."""
    rows = [[name_group(key), row["directions"],
             *(f"{page.format_cell(row[m]['mean'])} ± {page.format_cell(row[m]['std'], digits=2)}"
               for m in s.measures), *(row[k] for k in ("different", "left out", "ties"))]
            for key, row in s.rows.items()]
    heads = ("entropy, bits" if m == "entropy" else m for m in s.measures)
    return page.format_table(["layer and kind", "directions", *heads, "different", "left out",
                              "ties"],
                             rows)


def format_tests(s):
    """The tests of natural directions against other kinds, in Markdown."""
    def format_test(test):
        d, share, p = (page.format_cell(test[k], digits=2) for k in ("d", "superiority", "p"))
        return f"{d}; {share}; {p}"
    return page.format_table(["layer", "natural against", *s.measures],
                             [[*key, *map(format_test, row.values())]
                              for key, row in s.tests.items()])


def format_tables(s):
    """Both tables in Markdown, with headings and the definition of every number."""
    of_labels = ("  Purity and entropy are two readings of the same labels."
                 if "purity" in s.measures else "")
    tests = round(LEVEL / s.level)
    return f"""\
## The {s.places} images of a direction: mean ± standard deviation over the directions

{format_directions(s)}

different: how many different images the directions of a row pick in all.  left out: units that \
are constant over the images, such as those that never fire.  ties: directions whose last image \
scores the same as the next one; the seed decides between them.

## Natural against random and non-negative: Cohen's d; share of pairs in which natural is higher; p

{format_tests(s)}

d: difference of the means, natural minus the other, in pooled standard deviations (Cohen calls \
0.2 small, 0.5 medium, 0.8 large).  In the share, equal values count half.  p: two-sided \
permutation test of the means, with {measures.RESAMPLES:,} permutations, so p is at least \
{2 / (measures.RESAMPLES + 1):g}.  Two kinds differ if p is below {LEVEL} / {tests} tests of the \
trained nets = {s.level:.2g} (Bonferroni).{of_labels}  p assumes that the directions are \
independent.  Where they pick few different images they are not, and p is too small.  p says \
something about these nets, and nothing about others."""
