"""MNIST, from its four IDX files, on disk or downloaded, and always verified.

It looks for each file, plain or gzipped, in $INTRIGUING_DATA/mnist, then in data/raw/mnist.  It
downloads missing files into the second.  Sources and licence: data/README.md.
"""

import gzip
import hashlib
import math
import os
import zlib

import numpy as np

from data import files
from nets.disk import open_regular

# Name: shape, and SHA-256 of the unpacked file, so that any gzip of the right bytes is accepted.
FILES = {
    "train-images-idx3-ubyte": (
        (60000, 28, 28), "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (
        (60000,), "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (
        (10000, 28, 28), "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (
        (10000,), "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)


def load(quiet=False):
    """((x, t), (x_test, t_test)): 60,000 images to train on and 10,000 to test with.

    Args:
        quiet: no progress bar while downloading.

    Returns:
        x: (N, 1, 28, 28) float32, pixels / 255, in [0, 1].  t: (N,) int64, 0 to 9.

    Raises:
        files.Damaged: a ValueError; the bytes of a file are not MNIST's.
        files.Unavailable: an OSError; a file is missing and cannot be downloaded.
        ValueError: INTRIGUING_DATA names no folder.
    """
    # Read the files on disk first, so that a damaged file is an error even without network.
    arrays = {name: read(path) for name in FILES if (path := find(name))}
    if missing := [name for name in FILES if name not in arrays]:
        arrays |= download(missing, quiet)
    x, t, x_test, t_test = (arrays[name] for name in FILES)
    return to_arrays(x, t), to_arrays(x_test, t_test)


def to_arrays(pixels, labels):
    """x (N, 1, 28, 28) and t (N,) as `load` gives them, from uint8 (N, 28, 28) and (N,)."""
    return np.divide(pixels[:, None], 255, dtype=np.float32), labels.astype(np.int64)


def is_on_disk():
    """Whether all four files are on disk.  It does not read them, and downloads nothing."""
    return all(find(name) for name in FILES)


def find(name):
    """The path of the first file of this name, plain or gzipped, or None.

    Some mirrors and programs that unpack files write train-images.idx3-ubyte.
    """
    paths = (folder / (spelling + suffix) for folder in files.search_folders("mnist")
             for spelling in (name, name.replace("-idx", ".idx")) for suffix in ("", ".gz"))
    return next((path for path in paths if os.path.isfile(path)), None)


def read(path):
    """The bytes of one IDX file as a uint8 array, in its shape in FILES.

    An IDX file holds: 0, 0, 8 (for unsigned bytes), and the number of axes; the length of each axis
    in four bytes, the highest first; the bytes.  Raises files.Damaged if this file does not.
    """
    shape, sha256 = FILES[path.name.removesuffix(".gz").replace(".idx", "-idx")]
    magic = bytes([0, 0, 8, len(shape)])
    size = count_bytes(shape)
    try:
        with open_regular(path) as file:
            unpacked = gzip.GzipFile(fileobj=file) if path.suffix == ".gz" else file
            raw = unpacked.read(size + 1)  # one byte more, to notice a file that is too long
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise files.damage_error(path, f"a broken gzip file ({error})", "a whole one") from error
    if len(raw) != size:
        found = f"more than {size:,}" if len(raw) > size else f"{len(raw):,}"
        raise files.damage_error(path, f"{found} bytes unpacked", f"{size:,}")
    if raw[:4] != magic:
        raise files.damage_error(path, f"magic number {raw[:4].hex()}", magic.hex())
    if (found := hashlib.sha256(raw).hexdigest()) != sha256:
        raise files.damage_error(path, f"SHA-256 {found}", sha256)
    return np.frombuffer(raw, np.uint8, offset=size - math.prod(shape)).reshape(shape)


def count_bytes(shape):
    """The size of an IDX file: its header and its bytes."""
    return 4 + 4 * len(shape) + math.prod(shape)


def download(names, quiet):
    """Download these files into data/raw/mnist.  Returns {name: array}.

    When a mirror fails, in any way, the next one serves.  Raises files.Unavailable if all fail.
    """
    arrays, failures = {}, []
    with files.open_temporary_in_raw(
            "mnist", "MNIST: not here, and not downloaded because",
            "let INTRIGUING_DATA name a folder that holds the four files in mnist/") as temporary:
        for mirror in MIRRORS:
            try:
                for name in names:
                    if name not in arrays:
                        arrays[name] = fetch(mirror, name, temporary, quiet)
                return arrays
            except (files.DownloadFailed, files.Damaged) as error:
                failures.append(files.describe_failure(mirror, error))
    places = " or ".join(map(str, files.search_folders("mnist")))
    raise files.Unavailable(
        f"MNIST: no {', '.join(name for name in names if name not in arrays)} in {places}, nor "
        f"from {', '.join(failures)}; put the four files into {files.RAW / 'mnist'}, or let "
        "INTRIGUING_DATA name a folder that holds them in mnist/")


def fetch(mirror, name, folder, quiet):
    """Download one file from one mirror to `folder`, verify it, and move it up.  Returns its array.
    """
    path = folder / (name + ".gz")
    size = count_bytes(FILES[name][0])
    files.fetch(mirror + path.name, path, size + size // 100 + 1000, quiet)  # gzip adds little
    array = read(path)
    os.replace(path, folder.parent / path.name)
    return array
