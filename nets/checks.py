"""Checks of arguments at each public door: a slip is an error of one line, not a wrong number.

Shapes and types cost nothing to look at.  Functions that look at values say so: on a GPU they wait
for the device, so no loop calls them.
"""
import numbers
import textwrap

import numpy as np

from nets.backend import to_device, to_host


def show(value):
    """A value in an error: one line, not too long."""
    return textwrap.shorten(repr(value), 80, placeholder=" ...")


def check_real(where, name, a, ndim=None, kinds="fiub"):
    """The array a, of the host or the device, of real numbers or bool; a list becomes an array.

    ndim: how many axes it must have; None: any number.  kinds: of the types that are allowed.
    """
    try:
        a = a if hasattr(getattr(a, "dtype", None), "kind") else np.asarray(a)
    except ValueError:
        raise ValueError(f"{where}: {name} with rows of different lengths; expected an array"
                         ) from None
    if a.dtype.kind not in kinds:
        raise ValueError(f"{where}: {name} of type {a.dtype}; expected real numbers")
    if ndim not in (None, a.ndim):
        raise ValueError(f"{where}: {name} of shape {a.shape}; expected {ndim} axes")
    return a


def check_images(where, x, name="x"):
    """Images (N, ...) of the host or the device, as an array of real numbers."""
    x = check_real(where, name, x)
    if x.ndim < 2:
        raise ValueError(f"{where}: {name} of shape {x.shape}; expected images (N, ...), one row "
                         "an image; x[None] makes a batch of one image")
    return x


def find_shape(a):
    """The shape of an array, or of lists; -1 for an axis of different lengths."""
    try:
        return np.shape(a)
    except ValueError:
        return len(a), -1


def check_shape(where, name, a, expected):
    """Raise ValueError unless a has the expected shape, a tuple."""
    if find_shape(a) != tuple(expected):
        raise ValueError(f"{where}: {name} of shape {find_shape(a)}; expected {tuple(expected)}")


def check_sizes(where, shape, ndim=None):
    """Raise ValueError unless `shape`, of one image, holds integers from 1 on, `ndim` if given."""
    if len(find_shape(shape)) != 1 or ndim not in (None, len(shape)):
        expected = "(C, H, W), of one image" if ndim else "such as (C, H, W)"
        raise ValueError(f"{where}: shape {show(shape)}; expected {expected}")
    for length in shape:
        check_integers(where, 1, length=length)


def check_labels(where, t, N, K=None, name="label"):
    """The labels (N,), integers from 0 to K - 1, on the host.  Looks at values.

    K: None if it is not known.
    """
    t = to_host(t)
    check_label_array(where, t, N, name)
    if (wrong := np.flatnonzero((t < 0) | (K is not None and t >= K))).size:
        expected = "expected 0 or more" if K is None else f"the net has labels 0 to {K - 1}"
        raise ValueError(f"{where}: {name} {t[wrong[0]]} of image {wrong[0]}; {expected}")
    return t


def check_label_array(where, t, N, name="label"):
    """Raise ValueError unless t is an array of integers (N,); does not look at their values."""
    found = t.dtype if hasattr(t, "dtype") else type(t).__name__
    if getattr(found, "kind", "?") not in "iu" or t.shape != (N,):
        shape = find_shape(t)
        hint = "; of one-hot rows, t.argmax(1)" if len(shape) == 2 and shape[1] > 1 else ""
        raise ValueError(f"{where}: {name}s of type {found} and shape {shape}; expected an "
                         f"array of integers, ({N},){hint}")


def check_integers(where, least, **given):
    """Raise ValueError unless each number, by its name, is an integer and at least `least`."""
    for name, number in given.items():
        if not is_integer(number, least):
            end = " and below 2^31" * is_integer(number, least, np.inf)
            raise ValueError(f"{where}: {name} = {show(number)}; expected an integer, at least "
                             f"{least}{end}")


def is_integer(number, least, largest=2**31 - 1):
    """Whether it is an integer, from `least` to `largest`."""
    is_whole = isinstance(number, numbers.Integral) and not isinstance(number, bool)
    return is_whole and bool(least <= number <= largest)


def check_axes(where, least, **given):
    """As check_integers, of one number for both axes of an image, or of a pair."""
    for name, pair in given.items():
        if find_shape(pair) not in ((), (2,)):
            raise ValueError(f"{where}: {name} = {show(pair)}; expected an integer, or one for "
                             "each axis")
        for number in np.ravel(pair).tolist():
            check_integers(where, least, **{name: number})


def check_sides(where, padding):
    """Raise ValueError unless padding is an integer from 0 on, or ((top, bottom), (left, right)).
    """
    if find_shape(padding) not in ((), (2, 2)):
        raise ValueError(f"{where}: padding = {show(padding)}; expected an integer, or ((top, "
                         "bottom), (left, right))")
    for number in np.ravel(padding).tolist():
        check_integers(where, 0, padding=number)


def check_number(where, name, number, least=-np.inf, below=np.inf):
    """Raise ValueError unless it is a real number from `least` on, and below `below`."""
    real = isinstance(number, numbers.Real) and not isinstance(number, bool)
    if not (real and least <= number < below):          # NaN fails this too
        ends = f", {least} or more" * (least > -np.inf) + f", below {below}" * (below < np.inf)
        raise ValueError(f"{where}: {name} = {show(number)}; expected a number{ends}")


def check_rng(where, rng):
    """Raise ValueError unless rng is a generator of random numbers; a seed is none."""
    if not hasattr(rng, "normal"):
        raise ValueError(f"{where}: rng = {show(rng)}; expected a generator, such as "
                         "numpy.random.default_rng(0)")


def make_rng(where, seed):
    """The generator of random numbers of a seed."""
    try:
        return np.random.default_rng(seed)
    except (TypeError, ValueError):
        raise ValueError(f"{where}: seed = {show(seed)}; expected an integer, at least 0") from None


def check_choice(where, name, key, choices):
    """Raise ValueError unless the key is one of the choices."""
    if not isinstance(key, str) or key not in choices:
        raise ValueError(f"{where}: no {name} is called {show(key)}; choose one of "
                         f"{', '.join(choices)}")


def check_list(where, name, things):
    """The things as a list."""
    try:
        return list(things)
    except TypeError:
        raise ValueError(f"{where}: {show(things)} for {name}; expected a list") from None


def check_methods(where, thing, *methods):
    """Raise ValueError unless a net or a layer has these methods."""
    missing = [name for name in methods if not callable(getattr(thing, name, None))]
    if missing or isinstance(thing, type):
        name = f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__
        raise ValueError(f"{where}: {name} given; expected an object with {', '.join(methods)}")


def count_labels(net, x):
    """K: how many logits the net gives for the first of the images x (N, ...).

    None for a net without forward, and where there is no image.
    """
    if len(x) == 0 or not hasattr(net, "forward"):
        return None
    return net.forward(to_device(to_host(x[:1]).astype(float)))[0].shape[1]
