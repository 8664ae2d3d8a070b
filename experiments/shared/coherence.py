"""Figures 1 to 4 in numbers: kinds of directions measured, compared, and what that says in words.

A layer is called by its net; what it is not trained on, or raw pixels, are its controls.
"""
from typing import NamedTuple

import numpy as np

from experiments.shared import measures, page

LEVEL = 0.05                                # chance of a false alarm, shared by a study's tests
FEW = 0.25                                  # of the places: so few different images, and p is void
AT_RANDOM = ("images at random",)
WORDS = {                                   # for a higher and a lower mean; the coherent end
    "purity": ("purer", "less pure", max),
    "entropy": ("more mixed", "less mixed", min),
    "correlation": ("more alike", "less alike", max),
}


class Study(NamedTuple):
    """What is known of the groups of directions, (layer, kind) or AT_RANDOM."""
    trained: list                           # the layers whose kinds are compared
    places: int                             # images of each direction
    rows: dict                              # {group: what `summary` says}
    tests: dict                             # {(layer, kind): {measure: measures.compare}}

    @property
    def level(self):
        """The p below which two kinds differ: Bonferroni's, for the tests of trained layers."""
        return LEVEL / sum(len(test) for key, test in self.tests.items() if key[0] in self.trained)


def study(groups, found, trained, seed):
    """The Study of {group: measures.Group} whose measures are found, {group: {measure: (M,)}}."""
    tests = {key: {m: measures.compare(found[key[0], "natural"][m], values, seed)
                   for m, values in found[key].items()}
             for key in groups if key[-1] in measures.RANDOM}
    places = next(iter(groups.values())).images.shape[1]
    return Study(trained, places, {key: summary(g, found[key]) for key, g in groups.items()}, tests)


def summary(group, found):
    """What the first table shows of a group whose measures are found, {measure: (M,)}."""
    return {"directions": len(group.images),
            **{m: {"mean": page.mean(v), "std": float(np.nanstd(v))} for m, v in found.items()},
            "different": len(np.unique(group.images)), "left out": group.left_out,
            "ties": group.ties}


def untrained(name):
    """What a net's control is called."""
    return f"{name} untrained"


def called(key):
    """What a group is called: its layer and its kind."""
    return ", ".join(key)


def record(s):
    """A Study for JSON."""
    return {part: {called(key): row for key, row in rows.items()}
            for part, rows in (("directions", s.rows), ("natural against", s.tests))}


def read(numbers, trained, places):
    """The Study that `record` made the numbers of; trained, places: see Study."""
    def by_key(rows):
        return {tuple(name.rsplit(", ", 1)): row for name, row in rows.items()}
    return Study(trained, places, by_key(numbers["directions"]), by_key(numbers["natural against"]))


# ---- In words --------------------------------------------------------------------------------


def findings(s):
    """The claim's fate for each trained net, then where the controls lie, as a list."""
    names = next(iter(s.tests.values()))
    return "\n".join([*(verdict(s, name, kind) for name in s.trained for kind in measures.RANDOM),
                      *(controls(s, m) for m in names)])


def verdict(s, name, kind):
    """Whether natural directions of a trained net differ from those of a kind, in a sentence."""
    few = next((k for k in ("natural", kind) if s.rows[name, k]["different"]
                < FEW * s.places * s.rows[name, k]["directions"]), None)
    parts, differing = [], 0
    for m, test in s.tests[name, kind].items():
        natural, other = (s.rows[name, k][m]["mean"] for k in ("natural", kind))
        differs = not few and test["p"] is not None and test["p"] < s.level
        differing += differs
        word = (f"**{WORDS[m][natural < other]}**" if differs else "not tested"
                if few or test["p"] is None else "no difference found")
        d, p = (page.cell(test[k], digits=2) for k in ("d", "p"))
        parts.append(f"{m} {page.cell(natural)} against {page.cell(other)} (d = {d}"
                     f"{'' if few else f', p = {p}'}: {word})")
    fate = "**no difference found**, the claim stands"
    if few:
        fate = (f"not tested, because the {few} ones pick only {s.rows[name, few]['different']} "
                "different images")
    elif differing:
        fate = f"**the claim does not hold**, by {differing} of {len(parts)} measures"
    return f"- {name}, natural against {kind} directions: {fate}.  Natural: {'; '.join(parts)}."


def controls(s, m):
    """Which directions of the trained nets are more coherent than all controls, in a sentence."""
    best = WORDS[m][2]
    mean = {key: row[m]["mean"] for key, row in s.rows.items() if row[m]["mean"] is not None}
    control = best((key for key in mean if key[0] not in s.trained), key=mean.get)
    beyond, rest = [], []
    for key in mean:
        if key[0] in s.trained:
            side = beyond if best(mean[key], mean[control]) != mean[control] else rest
            side.append(f"{called(key)} ({page.cell(mean[key])})")
    return (f"- Controls, {m}: the most coherent are {called(control)} "
            f"({page.cell(mean[control])}).  More coherent: {', '.join(beyond) or 'none'}.  "
            f"Not: {', '.join(rest) or 'none'}.")


# ---- In tables -------------------------------------------------------------------------------


def directions_table(s):
    """The groups' numbers, as Markdown."""
    names = next(iter(s.tests.values()))
    rows = [[called(key), row["directions"],
             *(f"{page.cell(row[m]['mean'])} ± {page.cell(row[m]['std'], digits=2)}"
               for m in names), *(row[k] for k in ("different", "left out", "ties"))]
            for key, row in s.rows.items()]
    heads = ("entropy, bits" if m == "entropy" else m for m in names)
    return page.table(["layer and kind", "directions", *heads, "different", "left out", "ties"],
                      rows)


def tests_table(s):
    """The comparisons, as Markdown."""
    def words(test):
        d, share, p = (page.cell(test[k], digits=2) for k in ("d", "superiority", "p"))
        return f"{d}; {share}; {p}"
    return page.table(["layer", "natural against", *next(iter(s.tests.values()))],
                      [[*key, *map(words, row.values())] for key, row in s.tests.items()])


def tables(s):
    """Both tables under their headings, as Markdown, with every number's definition."""
    of_labels = ("  Purity and entropy are two readings of the same labels."
                 if "purity" in next(iter(s.tests.values())) else "")
    tests = round(LEVEL / s.level)
    return f"""\
## The {s.places} images of a direction: mean ± standard deviation over the directions

{directions_table(s)}

different: how many different images the directions of a row pick in all.  left out: units that \
are constant over the images, such as those that never fire.  ties: directions whose last image \
scores the same as the next one; a draw by seed decides.

## Natural against random and non-negative: Cohen's d; share of pairs in which natural is higher; p

{tests_table(s)}

d: difference of the means, natural minus the other, in pooled standard deviations (Cohen calls \
0.2 small, 0.5 medium, 0.8 large).  In the share, equal values count half.  p: two-sided \
permutation test of the means, {measures.RESAMPLES:,} permutations, so at least \
{2 / (measures.RESAMPLES + 1):g}, if both kinds were alike; below {LEVEL} / {tests} tests of the \
trained nets = {s.level:.2g} (Bonferroni) we say that they differ.{of_labels}  p takes the \
directions for independent draws; where they pick few different images they are not, and p is too \
small.  It speaks of these nets, not of others."""
