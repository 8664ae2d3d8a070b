"""NumPy or CuPy, chosen once per process: the only file that knows there are two libraries.

CuPy if a GPU answers, else NumPy.  The environment variable INTRIGUING_DEVICE (auto, cpu or gpu)
forces either.  Take functions from `xp`.  Most lines need none, because operators and methods
(x @ W, dy.sum(0), abs(z)) work on both kinds of array.
"""
import os

import numpy as np


def choose_library(device):
    """numpy or cupy, for a device "cpu", "gpu", or "auto": a GPU if one answers.

    Raises:
        ValueError: another name.
        RuntimeError: "gpu", but no GPU answers.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise ValueError(f"INTRIGUING_DEVICE is {device!r}; expected auto, cpu or gpu")
    if device == "cpu":
        return np
    try:
        import cupy
        if cupy.is_available():
            return cupy
        why = "CuPy is installed, but no GPU answers"
    except ImportError:
        why = "CuPy is not installed (pip install -r requirements-gpu.txt)"
    except Exception as error:              # a driver too old for this CuPy, say
        why = f"CuPy finds no GPU that answers ({error})"
    if device == "gpu":
        raise RuntimeError(f"INTRIGUING_DEVICE=gpu, but {why}; set it to auto or cpu")
    return np


DEVICE = os.environ.get("INTRIGUING_DEVICE") or "auto"
xp = choose_library(DEVICE)


def to_device(a):
    """The array, of any shape, where the networks compute."""
    return xp.asarray(a)


def fuse(function):
    """The same function of arrays, element by element, as one kernel on a GPU."""
    return function if xp is np else xp.fuse(function)


def name_device():
    """The name of the device: "CPU", or the GPU's own name."""
    if xp is np:
        return "CPU"
    return xp.cuda.runtime.getDeviceProperties(0)["name"].decode()


def to_host(a):
    """The array, of any shape, as a NumPy array: for SciPy, files and pictures."""
    return a.get() if hasattr(a, "get") else np.asarray(a)
