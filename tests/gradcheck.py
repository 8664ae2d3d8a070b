"""Gradients by central differences: what every gradient written by hand here is held to."""
import numpy as np

from experiments.gradients import slope
from nets.backend import to_device, to_host

BOUND = 1e-7    # on `relative_error`: some ten times what a right gradient shows


def numeric(fun, a, places=None):
    """d fun() / d a by central differences, entry by entry: `experiments.gradients.slope`.

    fun: takes nothing, reads `a` and returns a number.
    a: float64 array of the host or the device, moved in place and put back.
    places: the indices (tuples) to differentiate at, all by default.
    Returns the slopes on the host, in a's shape, or (n,) for n places.
    """
    if a.dtype != "float64":
        raise ValueError(f"differences in {a.dtype} are mostly rounding; use float64")
    slopes = []
    for place in np.ndindex(a.shape) if places is None else places:
        slopes.append(slope(lambda: float(fun()), a, place))
    return np.array(slopes).reshape(a.shape if places is None else -1)


def layer_case(make, shape):
    """The layer make(rng), an input x of `shape`, a random dy of its output's, in float64."""
    rng = np.random.default_rng(0)
    layer = make(rng)
    x = to_device(rng.normal(size=shape))
    return layer, x, to_device(rng.normal(size=layer.forward(x)[0].shape))


def relative_error(ours, slopes):
    """The largest |ours - slopes|, relative to the largest |slope|; arrays of one shape."""
    ours = to_host(ours)
    assert ours.shape == slopes.shape, f"gradient of shape {ours.shape}, not {slopes.shape}"
    return abs(ours - slopes).max() / max(abs(slopes).max(), 1e-300)
