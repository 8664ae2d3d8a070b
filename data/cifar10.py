"""CIFAR-10, from its binary archive (nothing is unpickled) or the six files unpacked from it.

It looks in $INTRIGUING_DATA/cifar10, then in data/raw/cifar10, and else downloads the archive.  It
verifies the archive each time.  Sources and licence: data/README.md.
"""

from pathlib import Path

import numpy as np

from data import files, folder
from data.files import damage_error
from nets.disk import open_regular

ARCHIVE = files.Archive(
    "CIFAR-10", "cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz", 170_052_171,
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd")
UNPACKED = "cifar-10-batches-bin"            # the archive's own folder
FILES = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
IMAGES = 10_000                              # in each file
RECORD = 1 + 3 * 32 * 32                     # bytes: the label, then the planes R, G, B


def load(size, short=None, strict=False, quiet=False):
    """(train, test): 50,000 and 10,000 images, two folder.Photographs.

    Images stay in memory as in the file, 32 x 32 bytes, and are scaled when they are decoded.

    Args:
        size, short, strict, quiet: as for folder.load.

    Returns:
        train and test.  Their t are indices into CLASSES.

    Raises:
        files.Damaged: a ValueError; a file is not CIFAR-10's.
        files.Unavailable: an OSError; the archive is neither here nor can it be downloaded.
        ValueError: INTRIGUING_DATA names no folder, or short < size.
    """
    if place := files.find_unpacked(ARCHIVE, UNPACKED, FILES):
        batches = {name: read(place / name) for name in FILES}
    else:
        batches = read_archive(files.find(ARCHIVE) or files.download(
            ARCHIVE, quiet, files.describe_missing(ARCHIVE, UNPACKED, FILES)))
    *train, test = (batches[name] for name in FILES)
    return [folder.Photographs(Path("cifar10"), *split_records(rows), list(CLASSES), size, short,
                               strict, quiet) for rows in (np.concatenate(train), test)]


def read_archive(path):
    """The six files of the archive, {name: (IMAGES, RECORD) uint8}.  It writes no file."""
    sizes = dict.fromkeys(FILES, IMAGES * RECORD)
    with files.open_tar(path) as tar:        # in the archive's order, so that it is read once
        return {name: parse_records(file.read(), path)
                for name, file in files.open_members(tar, path, UNPACKED, sizes)}


def read(path):
    """One file of records on disk: (IMAGES, RECORD) uint8."""
    with open_regular(path) as file:
        return parse_records(file.read(IMAGES * RECORD + 1), path)  # a byte more: is it too long?


def parse_records(raw, path):
    """The bytes of one file as (IMAGES, RECORD) uint8.  Raises files.Damaged if they do not fit."""
    if len(raw) != IMAGES * RECORD:
        more = "more than " if len(raw) > IMAGES * RECORD else ""
        raise damage_error(path, f"{more}{min(len(raw), IMAGES * RECORD):,} bytes",
                           f"{IMAGES * RECORD:,}, {IMAGES:,} records of {RECORD:,}")
    rows = np.frombuffer(raw, np.uint8).reshape(IMAGES, RECORD)
    if (label := rows[:, 0].max()) >= len(CLASSES):
        raise damage_error(path, f"a label {label}", f"0 to {len(CLASSES) - 1}")
    return rows


def split_records(rows):
    """Pixels (N, 32, 32, 3) uint8 and labels (N,) int64, from records (N, RECORD)."""
    x = rows[:, 1:].reshape(-1, 3, 32, 32)
    return x.transpose(0, 2, 3, 1), rows[:, 0].astype(np.int64)
