"""Saves and loads weights: arrays alone, as NumPy's .npz.  Nothing is ever unpickled."""
import os
import stat
import tempfile
from pathlib import Path

import numpy as np

from nets.backend import to_device, to_host


def open_regular(path):
    """Open a regular file to read its bytes.

    Raises OSError, with the path, if there is none, or if it is a folder, or a pipe or a device,
    from which one could read for ever.
    """
    file = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))    # a pipe would wait
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise OSError(f"{path}: a folder, a pipe or a device; expected a regular file")
    return os.fdopen(file, "rb")


def write_whole(path, write_to):
    """Write a file as a whole or not at all: `write_to(file)` to a temporary one, then rename it.

    Raises OSError, with the path, if the file cannot be written.
    """
    write_together({path: write_to})


def write_together(files):
    """Write files {path: write_to} as `write_whole` does: none gets its name before all are whole.

    Raises OSError, with the path, if a file cannot be written.
    """
    temporary = {}
    try:
        for path, write_to in files.items():
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary[path] = tempfile.mkstemp(dir=path.parent, prefix=path.name,
                                                       suffix=".part")
            with os.fdopen(handle, "wb") as file:
                write_to(file)
            os.chmod(temporary[path], 0o644)        # mkstemp keeps its files private
        for path in list(temporary):
            os.replace(temporary[path], path)
            del temporary[path]
    except OSError as error:                # a full disk, say
        raise OSError(error.errno, f"not written ({error.strerror}); make room or choose another "
                      "folder", str(path)) from error
    finally:                                # after Ctrl-C too: no half-written file remains
        for left in temporary.values():
            os.unlink(left)


def save_arrays(path, **arrays):
    """Save named arrays of the host, of any shapes, to the .npz file at `path`."""
    write_whole(path, lambda file: np.savez(file, allow_pickle=False, **arrays))


def load_arrays(path):
    """The named arrays of the .npz file at `path`, or ValueError if it is damaged."""
    with open_regular(path) as file:
        try:
            return dict(np.load(file, allow_pickle=False).items())
        except Exception as error:          # damaged zip files raise half a dozen kinds
            raise ValueError(f"{path}: not a whole .npz file of arrays ({error}); delete it and "
                             "run again") from error


def save(path, net):
    """Save a net's parameters, of any shapes, in the order of net.params, to an .npz file."""
    save_arrays(path, **{f"p{i}": to_host(p) for i, p in enumerate(net.params)})


def load(path, net):
    """Load the parameters at `path` into `net`, in place; ValueError if they do not fit."""
    fill(net, load_arrays(path), path)


def fill(net, arrays, path):
    """Copy arrays {"p0": ..., "p1": ...} into the parameters of `net`, in place.

    path: of their file, for the error.  Raises ValueError if shapes differ, or a number is not
    finite.
    """
    expected = {f"p{i}": p.shape for i, p in enumerate(net.params)}
    found = {name: a.shape for name, a in arrays.items()}
    if found != expected:
        raise ValueError(f"{path}: holds arrays {found}; this net has {expected}; delete it and "
                         "train again")
    for a in arrays.values():
        if a.dtype.kind != "f" or not np.isfinite(a).all():
            raise ValueError(f"{path}: weights of type {a.dtype} that are not all finite; delete "
                             "it and train again")
    for i, p in enumerate(net.params):
        p[...] = to_device(arrays[f"p{i}"].astype(p.dtype))
