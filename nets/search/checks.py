"""Checks of the arguments of D: errors before the first search.  See nets/checks.py too."""
import numpy as np

from nets.backend import to_host
from nets.checks import check_images, check_integers, check_labels, check_real, find_shape


def check_pixels(x, box):
    """x and its box as float32 arrays (N, ...) on the host, or ValueError."""
    x = to_host(check_images("D", x)).astype(np.float32)
    if not hasattr(box, "__len__") or len(box) != 2:
        raise ValueError(f"D: box {box}; expected the smallest and the largest values")
    ends = [to_host(check_real("D", "box", end)).astype(np.float32) for end in box]
    try:
        lower, upper = (np.broadcast_to(end, x.shape) for end in ends)
    except ValueError:
        raise ValueError(f"D: a box of shapes {ends[0].shape} and {ends[1].shape} for images of "
                         f"shape {x.shape}; expected numbers, or arrays that broadcast to them"
                         ) from None
    if (lower > upper).any():
        raise ValueError("D: in this box some smallest values are above the largest")
    inside = (lower <= x) & (x <= upper)            # NaN fails this too
    if not inside.all():
        row = int(np.flatnonzero(~inside.reshape(len(x), -1).all(1))[0])
        raise ValueError(f"D: image {row} has pixels from {x[row].min()} to {x[row].max()}; "
                         f"expected all within the box, {lower[row].min()} to {upper[row].max()}")
    return x, lower, upper


def check_targets(target, logits, label, among):
    """The labels l to search for, L of each image (N, L), or ValueError.

    logits: (N, K).  label: f(x) (N,).  target, among: as for D.
    """
    N, K = logits.shape
    if target is None:
        others = logits.copy()
        others[np.arange(N), label] = -np.inf
        check_integers("D", 1, among=among)
        if K < 2:
            raise ValueError(f"D: the net has {K} label; expected one other at least")
        return np.argsort(-others, 1, kind="stable")[:, :min(among, K - 1)]
    if -1 in find_shape(target):
        raise ValueError("D: target with rows of different lengths; expected integers (N,)")
    target = to_host(target)
    target = np.broadcast_to(target, N) if target.ndim == 0 else target     # one for all
    return check_labels("D", target, N, K, "target")[:, None].astype(int)


def cast(net, dtype):
    """The net in the precision of the search, or ValueError."""
    if dtype is None:
        return net
    if dtype not in ("float32", "float64", np.float32, np.float64) or not hasattr(net, "astype"):
        raise ValueError(f"D: dtype {dtype} for a {type(net).__name__}; expected float32 or "
                         "float64, and a net with astype(dtype), as nets.Net has it")
    return net.astype(dtype)
