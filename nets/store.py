"""Saves and loads arrays, such as weights, as NumPy's .npz.  Nothing is ever unpickled.

A file is believed only if it holds exactly what its reader expects: see `load_arrays`.
"""
import hashlib
import math
import os
import textwrap
import warnings
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nets.backend import to_device, to_host
from nets.disk import open_regular, write_whole

LARGEST = float(np.finfo(np.float32).max)


# ---- Arrays ----------------------------------------------------------------------------------


class Expected(NamedTuple):
    """What an array in a file must be.  By default numbers that are finite in float32."""
    shape: tuple                            # None for an axis of any length
    types: tuple = (np.float32, np.float64)
    low: float = -LARGEST
    high: float = LARGEST
    nan: bool = False                       # whether a row may be NaN, as a whole

    def __str__(self):
        types = " or ".join(kind.__name__ for kind in self.types)
        return f"{types} {self.shape}".replace("None", "any")


TEXT = Expected((), (np.str_,))
INTEGER = Expected((), (np.int64,))


def save_arrays(path, **arrays):
    """Save named arrays of the host, of any shapes, to the .npz file at `path`."""
    for name, a in arrays.items():
        if np.asarray(a).dtype.hasobject:   # NumPy would pickle it
            raise ValueError(f"{path}: {name} holds Python objects; expected numbers or text")
    write_whole(path, lambda file: _write_npz(file, arrays))


def _write_npz(file, arrays):
    """What np.savez writes.  NumPy 2.1's leaves its zip file open when the disk is full."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, a in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(a), allow_pickle=False)


def load_arrays(path, expected, more=False):
    """The arrays of the .npz file at `path`, if they are what is expected.

    It compares names, types, shapes and sizes before it takes memory for an array.

    Args:
        path: the file, made by `save_arrays`.
        expected: {name: Expected}.
        more: whether the file may hold other arrays too.  They are not read.

    Returns:
        {name: array}, in the order of `expected`.

    Raises:
        OSError: there is no such file.
        ValueError: the file is damaged, or holds anything else.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                names = sorted(name.removesuffix(".npy") for name in archive.namelist())
                wanted = [name for name in names if name in expected] if more else names
                if wanted != sorted(expected):      # a name twice is wrong too
                    raise ValueError(f"it holds {names}, expected {sorted(expected)}")
                return {name: _read_array(archive, name, want) for name, want in expected.items()}
        except MemoryError:
            raise
        except Exception as error:          # damaged zip files raise half a dozen kinds
            reason = textwrap.shorten(str(error) or type(error).__name__, 300)
            raise ValueError(f"{path}: not the .npz file that was expected ({reason}); delete it "
                             "and run again") from error


def _read_array(archive, name, want):
    """One array of an open zip file; ValueError if it is not what is wanted."""
    member = archive.getinfo(f"{name}.npy")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} has a header of version {version}, expected 1 or 2")
        read_header = getattr(np.lib.format, f"read_array_header_{version[0]}_0")
        with warnings.catch_warnings():     # it warns of headers that Python 2 wrote
            warnings.simplefilter("error")
            shape, is_fortran, dtype = read_header(file)
        fits = len(shape) == len(want.shape) and all(
            n == length or length is None for n, length in zip(shape, want.shape, strict=True))
        if not (fits and dtype.isnative and issubclass(dtype.type, want.types)):
            raise ValueError(f"{name} is {dtype} {shape}, expected {want}")
        size = dtype.itemsize * math.prod(shape)
        # A compressed array may need a thousand times the memory of its file.
        if member.compress_type != zipfile.ZIP_STORED or member.file_size != file.tell() + size:
            raise ValueError(f"{name} is compressed or not of its {size:,} bytes, expected them "
                             "as numpy.savez writes them")
        a = np.frombuffer(bytearray(file.read()), dtype)
    _check_values(a := a.reshape(shape, order="F" if is_fortran else "C"), name, want)
    return a


def _check_values(a, name, want):
    """ValueError if values are out of their range, not finite, or no characters."""
    if a.dtype.kind == "U":
        a.tolist()              # raises ValueError for numbers that are no characters
        return
    if want.nan:
        a = a[~np.isnan(a).all(tuple(range(1, a.ndim)))]
    low, high = (float(a.min()), float(a.max())) if a.size else (want.low, want.high)
    if not want.low <= low <= high <= want.high:        # NaN fails too
        raise ValueError(f"{name} has values from {low:g} to {high:g}, expected {want.low:g} to "
                         f"{want.high:g}")


# A file in a cache is found by its name, which says what its arrays depend on.  It is sealed, so
# that a file under another's name, or one with other arrays, is not believed.


def save_sealed(path, **arrays):
    """Save arrays as `save_arrays` does, with the seal of the file."""
    save_arrays(path, seal=np.array(compute_seal(path, arrays)), **arrays)


def load_sealed(path, expected):
    """The arrays that `save_sealed` saved under this name: arguments and errors of `load_arrays`.
    """
    arrays = load_arrays(path, {**expected, "seal": TEXT})
    if arrays.pop("seal") != compute_seal(path, arrays):
        raise ValueError(f"{path}: its seal is not that of its name and arrays: it was copied from "
                         "another file or changed; delete it and run again")
    return arrays


def compute_seal(path, arrays):
    """The SHA-256 of a file's name, without its folder, and of its arrays."""
    sha = hashlib.sha256(os.fsencode(Path(path).name))
    for name in sorted(arrays):
        a = np.asarray(arrays[name])
        sha.update(f"{name} {a.dtype} {a.shape}".encode())
        sha.update(np.ascontiguousarray(a))
    return sha.hexdigest()


# ---- Nets ------------------------------------------------------------------------------------


def save(path, net, save_as=save_arrays):
    """Save a net's parameters, of any shapes, in the order of net.params, to an .npz file.

    save_as: save_arrays or save_sealed.
    """
    save_as(path, **name_parameters(net))


def name_parameters(net):
    """The parameters of a net on the host, {"p0": ..., "p1": ...}."""
    return {f"p{i}": to_host(p) for i, p in enumerate(net.params)}


def load(path, net, load_as=load_arrays):
    """Load the parameters at `path` into `net`, in place; ValueError if they do not fit.

    load_as: load_arrays or load_sealed.
    """
    fill(net, load_as(path, expect_shapes([p.shape for p in net.params])))


def expect_shapes(shapes):
    """What `load_arrays` expects of the parameters of a net, from their shapes."""
    return {f"p{i}": Expected(shape) for i, shape in enumerate(shapes)}


def fill(net, arrays):
    """Copy arrays {"p0": ..., "p1": ...} of the right shapes into the parameters of `net`."""
    for i, p in enumerate(net.params):
        p[...] = to_device(arrays[f"p{i}"].astype(p.dtype))
