"""STL-10: 13,000 images with labels and 100,000 without, of 96 x 96 pixels, made for learning
without labels: a public stand-in for frames of videos.

It looks for the files in $INTRIGUING_DATA/stl10, then in data/raw/stl10.  Else it unpacks the
archive into the second, and downloads it first if it is in neither.  The files stay on disk, mapped
into memory.  Sources and licence: data/README.md.
"""

import hashlib
import math
import os
import shutil
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data import files, folder
from data.files import damage_error
from nets.disk import open_regular

ARCHIVE = files.Archive(
    "STL-10", "stl10", "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz", 2_640_397_119,
    "f31fd99273a1acb8609c8db427cebb1de3f71de77758cdc0e22956e1289b9866")
UNPACKED = "stl10_binary"                    # the archive's own folder
FILES = {                                    # their shapes, bytes without a header, and MD5
    "train_X.bin": ((5_000, 3, 96, 96), "918c2871b30a85fa023e0c44e0bee87f"),
    "train_y.bin": ((5_000,), "5a34089d4802c674881badbb80307741"),
    "test_X.bin": ((8_000, 3, 96, 96), "7f263ba9f9e0b06b93213547f721ac82"),
    "test_y.bin": ((8_000,), "36f9794fa4beb8a2c72628de14fa638e"),
    "unlabeled_X.bin": ((100_000, 3, 96, 96), "5242ba1fed5e4be9e1e742405eb56ca4"),
}
*LABELLED, UNLABELLED = FILES
CLASSES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")


def load(size, short=None, strict=False, quiet=False):
    """(train, test): 5,000 and 8,000 images, two folder.Photographs.  It verifies their files.

    Args:
        size, short, strict, quiet: as for folder.load.

    Returns:
        train and test.  Their t are indices into CLASSES.

    Raises:
        files.Damaged: a ValueError; a file is not STL-10's.
        files.Unavailable: an OSError; the files are neither here nor can they be downloaded.
        ValueError: INTRIGUING_DATA names no folder, or short < size.
    """
    place = find_or_unpack(LABELLED, quiet)
    for name in LABELLED:
        verify(place / name)
    return [folder.Photographs(Path("stl10"), map_pixels(place / f"{part}_X.bin"),
                               read_labels(place / f"{part}_y.bin"), list(CLASSES), size, short,
                               strict, quiet) for part in ("train", "test")]


def load_unlabelled(size, short=None, strict=False, quiet=False):
    """100,000 images without labels (t is -1), of these classes and of others: folder.Photographs.

    Images are read from disk when they are decoded.  It checks the size of their file, 2.8 GB, and
    not its bytes.  Args and errors are those of `load`.
    """
    x = map_pixels(find_or_unpack([UNLABELLED], quiet) / UNLABELLED)
    return folder.Photographs(Path("stl10 without labels"), x, np.full(len(x), -1, np.int64), [],
                              size, short, strict, quiet)


def find_or_unpack(names, quiet):
    """The folder that holds these files.  If there is none, it unpacks or downloads the archive."""
    return files.find_unpacked(ARCHIVE, UNPACKED, names) or unpack(
        files.find(ARCHIVE) or files.download(
            ARCHIVE, quiet, files.describe_missing(ARCHIVE, UNPACKED, names)), quiet)


def unpack(path, quiet):
    """Unpack the FILES of a verified archive into data/raw, under their names when all are whole.

    Returns the folder.  Raises files.Unavailable, an OSError, if it cannot write, and files.Damaged
    if a file is not STL-10's.
    """
    target = files.RAW / ARCHIVE.folder / UNPACKED
    sizes = {name: math.prod(shape) for name, (shape, _) in FILES.items()}
    with files.open_temporary_in_raw(
            ARCHIVE.folder, f"{ARCHIVE.title}: {path} cannot be unpacked into {target}, because",
            f"it takes {sum(sizes.values()):,} bytes; let INTRIGUING_DATA name a folder that "
            f"holds, unpacked, {', '.join(FILES)} in {ARCHIVE.folder}/") as temporary:
        with files.open_tar(path) as tar:
            for name, file in files.open_members(tar, path, UNPACKED, sizes):
                write(file, temporary / name, quiet)
        for name in FILES:
            verify(temporary / name)
        target.mkdir(exist_ok=True)
        for name in FILES:
            os.replace(temporary / name, target / name)
    return target


def write(source, path, quiet):
    """Copy an open file to a new one, with a progress bar."""
    shape, _ = FILES[path.name]
    with open(path, "wb") as file, tqdm.wrapattr(
            file, "write", math.prod(shape), desc=f"unpacking {path.name}", leave=False,
            disable=quiet or None) as watched:
        shutil.copyfileobj(source, watched)


def verify(path):
    """Raise files.Damaged if the size or the MD5 of the file is not STL-10's."""
    _, md5 = FILES[path.name]
    check_size(path)
    with open_regular(path) as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != md5:
        raise damage_error(path, f"MD5 {digest}", md5)


def check_size(path):
    """The shape of a file of FILES; files.Damaged if its size is another."""
    shape, _ = FILES[path.name]
    if (size := path.stat().st_size) != math.prod(shape):
        raise damage_error(path, f"{size:,} bytes", f"{math.prod(shape):,}")
    return shape


def map_file(path):
    """A file mapped into memory, uint8, in its shape in FILES; files.Damaged by another size."""
    return np.asarray(np.memmap(path, np.uint8, "r", shape=check_size(path)))


def map_pixels(path):
    """(N, 96, 96, 3) uint8, mapped.  In the file R, G and B are planes, column by column."""
    return map_file(path).transpose(0, 3, 2, 1)


def read_labels(path):
    """(N,) int64, 0 to 9: the file counts from 1."""
    return map_file(path).astype(np.int64) - 1
