"""Says what is wrong with a gradient: the rows of the table that nets/gradcheck.py returns."""
from typing import NamedTuple

import numpy as np


class Precision(NamedTuple):
    """How precisely a net computes, and so how precisely it can be checked."""
    step: float         # of the differences, as a share of the array's largest entry
    bound: float        # the largest relative error that counts as right
    rounding: float     # of the loss, as a share


class Row(NamedTuple):
    """One array, at the place where the gradient differs most from the slope."""
    layer: str          # its number in the net and its class, or the class alone
    array: str          # "x", "x, all at once" or "params[0]"; "" where none was compared
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


def make_failed_row(layer, array, problem):
    """A Row without numbers."""
    return Row(layer, array, (), np.nan, np.nan, np.nan, problem)


def compare_slopes(layer, array, a, da, slopes_beside, noise, precision, places, images):
    """The Row of one array: the gradient and the slopes, compared at some of its entries.

    Args:
        layer, array: their names.
        a: the array.
        da: d loss / d a on the host, as the layer gives it.
        slopes_beside: slopes_beside(place, h) gives the slopes to the left and to the right of
            a[place], over a distance h.
        noise: the rounding of the loss.
        precision: of the layer.
        places: how many entries to compare.
        images: how many images the loss is of.
    """
    subject = f"{layer}: gradients gives d {array}" if array.startswith("params") else \
        f"{layer}: backward gives dx"
    problem = describe_wrong_shape(a, da, array) or describe_nan(da)
    if problem:
        return make_failed_row(layer, array, f"{subject} {problem}.")
    if da.size == 0:
        return Row(layer, array, (), 0.0, 0.0, 0.0, "")
    chosen = choose_places(da, places)
    h = precision.step * (float(abs(a).max()) or 1)
    left, right = np.array([slopes_beside(place, h) for place in chosen]).T
    ours, slopes = np.array([da[place] for place in chosen], float), (left + right) / 2
    # At a kink backward may take any slope between the left one and the right one.
    slack = abs(right - left) / 2 + noise / h
    scale = max(abs(ours).max(), abs(slopes).max(), 1e-300)
    bound = precision.bound * scale
    errors = np.maximum(abs(ours - slopes) - np.where(slack > bound, slack, 0), 0) / scale
    worst = errors.argmax()
    numbers = map(float, (ours[worst], slopes[worst], errors[worst]))
    row, allowed = Row(layer, array, chosen[worst], *numbers, ""), bound + slack
    if not (abs(ours - slopes) <= allowed).all():           # NaN is wrong too
        problem = (describe_zeros(ours, slopes, array)
                   or describe_factor(ours, slopes, allowed, images)
                   or describe_transpose(da, chosen, slopes, allowed)
                   or describe_place(row, precision.bound))
        row = row._replace(problem=f"{subject} {problem}.")
    return row


def choose_places(da, count):
    """`count` indices into da, or all: half where it is largest, the others at random."""
    places = np.arange(da.size)
    if da.size > count:
        half = max(1, count // 2)
        largest = abs(da).ravel().argpartition(-half)[-half:]
        places = np.union1d(largest, np.random.default_rng(0).choice(da.size, count - half))
    return [tuple(map(int, np.unravel_index(i, da.shape))) for i in places]


# ---- Ends of a sentence that begins with "backward gives dx", or "" if this is not the problem ---


def describe_wrong_shape(a, da, array):
    """"of shape ...": dx has another shape than x."""
    if da.shape == a.shape:
        return ""
    hint = "; is it transposed?" if da.shape == a.shape[::-1] else ""
    return f"of shape {da.shape}, but {array} has shape {a.shape}{hint}"


def describe_nan(da):
    """"with NaN ...": dx is not finite."""
    return "" if np.isfinite(da).all() else "with NaN or infinity in it"


def describe_zeros(ours, slopes, array):
    """"= 0 ...": dx is 0 and the slopes are not; or the slopes are 0 and d params is not."""
    if not ours.any():
        return f"= 0, but the loss has slopes up to {abs(slopes).max():.3g}"
    if not slopes.any() and array.startswith("params"):
        return (f"although the loss stays the same when {array} changes: does forward read it from "
                "self.params?")
    return ""


def describe_factor(ours, slopes, allowed, images):
    """"with the wrong sign ..." or "2 times ...": dx is the slope times a constant."""
    if (abs(ours + slopes) <= allowed).all():
        return "with the wrong sign: -1 times it fits"
    k = float(ours @ slopes / max(slopes @ slopes, 1e-300))
    if not (abs(ours - k * slopes) <= max(1, abs(k)) * allowed).all():
        return ""
    hint = ""
    if images > 1 and min(abs(k * images - 1), abs(k / images - 1)) < 1e-3:
        hint = f" (there are {images} images: a mean over them belongs to the loss)"
    return f"{k:.6g} times {'too large' if k > 1 else 'what it should be'}{hint}"


def describe_transpose(da, places, slopes, allowed):
    """"transposed": dx fits when transposed; asked where it has as many rows as columns."""
    if da.shape != da.shape[::-1]:
        return ""
    transposed = np.array([da.T[place] for place in places])
    return "transposed" if (abs(transposed - slopes) <= allowed).all() else ""


def describe_place(row, bound):
    """"wrong: at ...": the worst place and its numbers."""
    at = ", ".join(map(str, row.place))
    return (f"wrong: at {row.array}[{at}] it is {row.analytic:.6g}, but the slope is "
            f"{row.numeric:.6g}, a relative error of {row.error:.0e} ({bound:.0e} is allowed)")
