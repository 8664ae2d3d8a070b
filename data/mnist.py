"""MNIST, from its four IDX files: found on disk or downloaded, and always verified.

Looked for in $INTRIGUING_DATA/mnist, then in data/raw/mnist, each file as itself or gzipped;
what is in neither is downloaded into the latter.  Sources and licence: data/README.md.
"""

import gzip
import hashlib
import math
import os
import tempfile
import zlib
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from data import files

# Name: shape and SHA-256 of the unpacked file, so that any gzip of the right bytes will do.
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

    x: (N, 1, 28, 28) float32, pixels / 255, in [0, 1].  t: (N,) int64, 0 to 9.
    quiet: no progress bar while downloading.
    Raises files.Damaged, a ValueError, if a file is not MNIST's, files.Unavailable, an OSError,
    if one is missing and no mirror has it, ValueError if INTRIGUING_DATA names no folder.
    """
    # What is here is read first: a damaged file is told of, network or no network.
    arrays = {name: read(path) for name in FILES if (path := find(name))}
    if missing := [name for name in FILES if name not in arrays]:
        arrays |= download(missing, quiet)
    x, t, x_test, t_test = (arrays[name] for name in FILES)
    return pair(x, t), pair(x_test, t_test)


def pair(pixels, labels):
    """x (N, 1, 28, 28) and t (N,) of load, from the bytes (N, 28, 28) and (N,)."""
    return np.divide(pixels[:, None], 255, dtype=np.float32), labels.astype(np.int64)


def here():
    """Whether all four files are on disk, whatever is in them; nothing is downloaded."""
    return all(find(name) for name in FILES)


def find(name):
    """The first file of that name, plain or gzipped, or None."""
    paths = (folder / (name + suffix) for folder in files.folders("mnist")
             for suffix in ("", ".gz"))
    return next((path for path in paths if path.exists()), None)


def read(path):
    """The bytes of one IDX file as an array of its shape in FILES, uint8.

    An IDX file is 0, 0, 8 (unsigned bytes), the number of axes; the length of each axis in
    four bytes, the high one first; the bytes.  Raises files.Damaged if it is anything else.
    """
    shape, sha256 = FILES[path.name.removesuffix(".gz")]
    magic = bytes([0, 0, 8, len(shape)])
    start = len(magic) + 4 * len(shape)
    size = start + math.prod(shape)
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rb") as file:
            raw = file.read(size + 1)  # one byte too many shows as well as all of them would
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise files.damaged(path, f"a broken gzip file ({error})", "a whole one") from error
    if len(raw) != size:
        found = f"more than {size:,}" if len(raw) > size else f"{len(raw):,}"
        raise files.damaged(path, f"{found} bytes unpacked", f"{size:,}")
    if raw[:4] != magic:
        raise files.damaged(path, f"magic number {raw[:4].hex()}", magic.hex())
    if (found := hashlib.sha256(raw).hexdigest()) != sha256:
        raise files.damaged(path, f"SHA-256 {found}", sha256)
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def download(names, quiet):
    """The arrays of these files by name, {name: array}, kept in data/raw/mnist for next time.

    A mirror that fails once, in whatever way, is not asked again.  Raises files.Unavailable.
    """
    arrays, failures = {}, []
    raw = files.make_raw("mnist", "MNIST: not here, and not downloaded because",
                         "let INTRIGUING_DATA name a folder that holds the four files in mnist/")
    for mirror in MIRRORS:
        try:
            for name in names:
                if name not in arrays:
                    arrays[name] = fetch(mirror, name, raw, quiet)
            return arrays
        except (OSError, files.Damaged) as error:
            failures.append(f"{urlsplit(mirror).netloc} ({type(error).__name__})")
    looked = " or ".join(map(str, files.folders("mnist")))
    raise files.Unavailable(
        f"MNIST: no {', '.join(name for name in names if name not in arrays)} in {looked}, nor "
        f"from {', '.join(failures)}; put the four files into {raw}, or let INTRIGUING_DATA "
        "name a folder that holds them in mnist/")


def fetch(mirror, name, raw, quiet):
    """The array of one file from one mirror; it gets its name in `raw` only once it is verified."""
    with tempfile.TemporaryDirectory(dir=raw, prefix="download-") as folder:
        path = Path(folder) / (name + ".gz")
        files.fetch(mirror + path.name, path, quiet)
        array = read(path)
        os.replace(path, raw / path.name)
    return array
