"""Checks of the arguments of D: errors before the first search."""
import numpy as np

from nets.backend import to_host


def check_images(x, box):
    """x and its box as float32 arrays (N, ...) on the host, or ValueError."""
    x = np.asarray(to_host(x), np.float32)
    if x.ndim < 2:
        raise ValueError(f"D: x of shape {x.shape}; expected images (N, ...), one row an image")
    if not hasattr(box, "__len__") or len(box) != 2:
        raise ValueError(f"D: box {box}; expected the smallest and the largest values")
    ends = [np.asarray(to_host(end), np.float32) for end in box]
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
        if K < 2 or among < 1:
            raise ValueError(f"D: among {among} of {K} labels; expected one other at least")
        return np.argsort(-others, 1, kind="stable")[:, :min(among, K - 1)]
    target = np.asarray(to_host(target))
    if target.dtype.kind not in "iu":
        raise ValueError(f"D: targets of type {target.dtype}; expected integers, or None")
    if target.shape not in ((), (N,)):
        raise ValueError(f"D: targets of shape {target.shape} for {N} images; expected one for "
                         f"all, or shape ({N},)")
    target = np.broadcast_to(target, N)
    if (wrong := np.flatnonzero((target < 0) | (target >= K))).size:
        raise ValueError(f"D: target {target[wrong[0]]} of image {wrong[0]}; the net has labels "
                         f"0 to {K - 1}")
    return target[:, None].astype(int)


def cast(net, dtype):
    """The net in the precision of the search, or ValueError."""
    if dtype is None:
        return net
    if np.dtype(dtype).kind != "f" or not hasattr(net, "astype"):
        raise ValueError(f"D: dtype {dtype} for a {type(net).__name__}; expected float32 or "
                         "float64, and a net with astype(dtype), as nets.Net has it")
    return net.astype(dtype)
