"""STL-10: 13,000 images with labels and 100,000 without, 96 x 96 pixels, made for learning from
the latter: a public stand-in for frames of videos.

Its files are looked for in $INTRIGUING_DATA/stl10, then in data/raw/stl10; else its archive is
unpacked into the latter, and downloaded first if it is in neither.  They stay on disk, mapped into
memory.  Sources and licence: data/README.md.
"""

import hashlib
import math
import os
import shutil
import tarfile
import tempfile
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data import files, folder
from data.files import Unavailable, damaged

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
    """(train, test): 5,000 and 8,000 folder.Photographs, cut as folder.load says.

    t: index into CLASSES.  Each file is verified each time.
    Raises files.Damaged, a ValueError, if a file is not STL-10's, files.Unavailable, an OSError,
    if it is neither here nor to be had, ValueError if INTRIGUING_DATA names no folder or
    short < size.
    """
    place = found(LABELLED, quiet)
    for name in LABELLED:
        verify(place / name)
    return [folder.Photographs(Path("stl10"), pixels(place / f"{part}_X.bin"),
                               labels(place / f"{part}_y.bin"), list(CLASSES), size, short, strict,
                               quiet) for part in ("train", "test")]


def unlabelled(size, short=None, strict=False, quiet=False):
    """100,000 folder.Photographs without labels (t is -1): of these classes, and of others.

    They are read from disk when asked for; of their file, 2.8 GB, the size alone is checked.
    Raises as load does.
    """
    x = pixels(found([UNLABELLED], quiet) / UNLABELLED)
    return folder.Photographs(Path("stl10 without labels"), x, np.full(len(x), -1, np.int64), [],
                              size, short, strict, quiet)


def found(names, quiet):
    """The folder that holds these files, unpacked and downloaded first if there is none."""
    return (files.find_unpacked(ARCHIVE, UNPACKED, names)
            or unpack(files.find(ARCHIVE) or files.download(ARCHIVE, quiet), quiet))


def unpack(path, quiet):
    """The folder in data/raw with the FILES of a verified archive, named once all are whole.

    Nothing else of the archive is written.  Raises files.Unavailable, an OSError, if they cannot
    be written, files.Damaged if they are not STL-10's.
    """
    target = files.raw(ARCHIVE) / UNPACKED
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="unpacking-") as temporary:
            with tarfile.open(path) as tar:
                for member in tar:
                    if (name := member.name.removeprefix(f"{UNPACKED}/")) in FILES:
                        write(tar.extractfile(member), Path(temporary, name), quiet)
            for name in FILES:
                verify(Path(temporary, name))
            target.mkdir(exist_ok=True)
            for name in FILES:
                os.replace(Path(temporary, name), target / name)
    except OSError as error:
        size = sum(math.prod(shape) for shape, _ in FILES.values())
        raise Unavailable(
            f"{ARCHIVE.title}: {path} cannot be unpacked into {target} ({error.strerror}), which "
            f"takes {size:,} bytes; let INTRIGUING_DATA name a folder that holds, unpacked, "
            f"{', '.join(FILES)} in {ARCHIVE.folder}/") from error
    return target


def write(source, path, quiet):
    """The bytes of an open file to a new one, with a progress bar."""
    shape, _ = FILES[path.name]
    with open(path, "wb") as file, tqdm.wrapattr(
            file, "write", math.prod(shape), desc=f"unpacking {path.name}", leave=False,
            disable=quiet or None) as watched:
        shutil.copyfileobj(source, watched)


def verify(path):
    """Raise files.Damaged unless the file is, byte for byte, STL-10's."""
    _, md5 = FILES[path.name]
    mapped(path)                             # its size
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "md5").hexdigest()
    if digest != md5:
        raise damaged(path, f"MD5 {digest}", md5)


def mapped(path):
    """A file as an array of its shape, uint8, not read yet.  Raises files.Damaged by its size."""
    shape, _ = FILES[path.name]
    if (size := path.stat().st_size) != math.prod(shape):
        raise damaged(path, f"{size:,} bytes", f"{math.prod(shape):,}")
    return np.asarray(np.memmap(path, np.uint8, "r", shape=shape))


def pixels(path):
    """(N, 96, 96, 3) uint8, still on disk, where R, G and B are planes, column by column."""
    return mapped(path).transpose(0, 3, 2, 1)


def labels(path):
    """(N,) int64, 0 to 9: the file counts from 1."""
    return mapped(path).astype(np.int64) - 1
