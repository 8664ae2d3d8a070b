"""What is wrong with a gradient, in a sentence: the rows of the table of nets/gradcheck.py."""
from typing import NamedTuple

import numpy as np


class Precision(NamedTuple):
    """How finely a net computes, and so how finely it can be checked."""
    step: float         # of the differences, as a share of the array's largest entry
    bound: float        # on the relative error
    rounding: float     # of the loss, as a share


class Row(NamedTuple):
    """One array, at the place where what the code says differs most from the slope."""
    layer: str          # its number in the net and its class, or the class alone
    array: str          # "x" or "params[0]"; "forward" or "backward" if these are at fault
    place: tuple        # the index in the array
    analytic: float     # d loss / d array there, as backward or gradients returns it
    numeric: float      # the slope of the loss there, by central differences
    error: float        # |analytic - numeric|, as a share of the largest of either
    problem: str        # a sentence that says what is wrong, or ""

    def __str__(self):
        place = "[" + ", ".join(map(str, self.place)) + "]" if self.place else ""
        return (f"{self.layer:<18}{self.array + place:<26}{self.analytic:>+16.9f}"
                f"{self.numeric:>+16.9f}{self.error:>10.0e}{'   WRONG' if self.problem else ''}")


class Table(list):
    """The rows of check_gradients.  print(table) shows them."""

    @property
    def problem(self):
        """The sentence of the first row that is wrong, or "" where all are right."""
        return next((row.problem for row in self if row.problem), "")

    def __str__(self):
        head = f"{'layer':<18}{'d loss / d':<26}{'analytic':>16}{'numeric':>16}{'error':>10}"
        return "\n".join([head, *map(str, self)])


def failed(layer, array, problem):
    """A Row without numbers."""
    return Row(layer, array, (), np.nan, np.nan, np.nan, problem)


def compare(layer, array, a, da, sides, noise, precision, places):
    """The Row of one array.

    Args:
        layer, array: their names.
        a: the array.
        da: d loss / d a on the host, as the layer has it.
        sides: sides(place, h) gives the slopes to the left and to the right of a[place].
        noise: the rounding of the loss.
        precision: of the layer.
        places: how many entries are compared.
    """
    said = f"{layer}: backward gives dx" if array == "x" else f"{layer}: gradients gives d {array}"
    problem = of_shape(a, da, array) or of_nan(da)
    if problem:
        return failed(layer, array, f"{said} {problem}.")
    if da.size == 0:
        return Row(layer, array, (), 0.0, 0.0, 0.0, "")
    some = choose_places(da, places)
    h = precision.step * (float(abs(a).max()) or 1)
    left, right = np.array([sides(place, h) for place in some]).T
    ours, slopes = np.array([da[place] for place in some], float), (left + right) / 2
    scale = max(abs(ours).max(), abs(slopes).max(), 1e-300)
    # At a kink backward may take any slope between the left one and the right one.
    slack = abs(right - left) / 2 + noise / h
    slack[slack <= precision.bound * scale] = 0
    errors = np.maximum(abs(ours - slopes) - slack, 0) / scale
    worst = errors.argmax()
    row = Row(layer, array, some[worst], *map(float, (ours[worst], slopes[worst], errors[worst])),
              "")
    if (slack > scale / 10).all() and slopes.any():
        return row._replace(problem=(
            f"{layer}: forward is too rough to check {array}: the slopes to the left and to the "
            "right differ everywhere.  Does it round, or compute in float16?"))
    if (errors <= precision.bound).all():                   # NaN is wrong too
        return row
    allowed = slack + precision.bound * scale
    turned = np.array([da.T[place] for place in some]) if a.shape == a.shape[::-1] else slopes * 0
    problem = (of_nothing(ours, slopes, array) or of_factor(ours, slopes, allowed, len(a))
               or of_transpose(turned, slopes, allowed) or of_place(row, precision.bound))
    return row._replace(problem=f"{said} {problem}.")


def choose_places(da, count):
    """Indices into da: half where it is largest, the others at random, `count` or all in all."""
    order = abs(da).ravel().argsort()[::-1]
    largest, rest = order[:count // 2], order[count // 2:]
    others = np.random.default_rng(0).permutation(rest)[:count - len(largest)]
    return [tuple(map(int, np.unravel_index(i, da.shape))) for i in [*largest, *others]]


# ---- The ends of sentences that begin with "backward gives dx"; "" where one does not fit --------


def of_shape(a, da, array):
    """of shape ..."""
    if da.shape == a.shape:
        return ""
    hint = "; is it transposed?" if da.shape == a.shape[::-1] else ""
    return f"of shape {da.shape}, but {array} has shape {a.shape}{hint}"


def of_nan(da):
    """with NaN ..."""
    return "" if np.isfinite(da).all() else "with NaN or infinity in it"


def of_nothing(ours, slopes, array):
    """0 where there are slopes, or slopes where there are none."""
    if not ours.any():
        return f"= 0, but the loss has slopes up to {abs(slopes).max():.3g}"
    if not slopes.any() and array != "x":
        return (f", but the loss stays the same when {array} changes: does forward read it from "
                "self.params?")
    return ""


def of_factor(ours, slopes, allowed, count):
    """with the wrong sign, or times a constant.  count: of images, if the first axis is theirs."""
    k = float(ours @ slopes / max(slopes @ slopes, 1e-300))
    if not (abs(ours - k * slopes) <= max(1, abs(k)) * allowed).all():
        return ""
    if abs(k + 1) < 1e-3:
        return "with the wrong sign: -1 times it fits"
    hint = ""
    if count > 1 and min(abs(k - 1 / count), abs(k / count - 1)) < 1e-3:
        hint = f"; x has {count} images: a mean over them belongs to the loss, not to the layer"
    return f"{k:.6g} times too large{hint}" if k > 1 else f"{k:.6g} times as large as it is{hint}"


def of_transpose(turned, slopes, allowed):
    """transposed.  turned: what d a's transpose has at the places."""
    return "transposed" if (abs(turned - slopes) <= allowed).all() else ""


def of_place(row, bound):
    """wrong, and where."""
    at = ", ".join(map(str, row.place))
    return (f"wrong: at {row.array}[{at}] it is {row.analytic:.6g}, but the slope is "
            f"{row.numeric:.6g}, a relative error of {row.error:.0e} ({bound:.0e} is allowed)")
