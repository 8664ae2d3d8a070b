"""Archives of data sets: found on disk or downloaded, and verified before anything is read.

Looked for in $INTRIGUING_DATA/<folder>, then in data/raw/<folder>, as MNIST is, and downloaded
into the latter.  Sources and licences: data/README.md.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pooch

from data import mnist
from data.mnist import Damaged, Unavailable, damaged


class Archive(NamedTuple):
    title: str       # for people: CIFAR-10
    folder: str      # below $INTRIGUING_DATA or data/raw: cifar10
    url: str         # its end is the file's name
    size: int        # bytes
    sha256: str

    @property
    def name(self):
        return self.url.rpartition("/")[2]


def folders(archive):
    """Where it is looked for, in this order; ValueError if INTRIGUING_DATA names no folder."""
    return [folder.with_name(archive.folder) for folder in mnist.folders()]


def raw(archive):
    """The folder below data/raw, made if need be.  Raises Unavailable if it cannot be made."""
    folder = folders(archive)[-1]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{archive.title}: {folder} cannot be made ({error.strerror}); let "
                          "INTRIGUING_DATA name a folder that holds it, unpacked, in "
                          f"{archive.folder}/") from error
    return folder


def find_unpacked(archive, inside, names):
    """The first folder that holds all files of these names, itself or in `inside`, or None."""
    places = (place for folder in folders(archive) for place in (folder, folder / inside))
    return next((place for place in places if all((place / n).exists() for n in names)), None)


def find(archive):
    """The first file of that name, verified, or None.  Raises mnist.Damaged as verify does."""
    paths = (folder / archive.name for folder in folders(archive))
    path = next((path for path in paths if path.exists()), None)
    if path:
        verify(archive, path)
    return path


def verify(archive, path):
    """Raise mnist.Damaged unless the file is, byte for byte, the archive."""
    if (size := path.stat().st_size) != archive.size:
        raise damaged(path, f"{size:,} bytes", f"{archive.size:,}")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != archive.sha256:
        raise damaged(path, f"SHA-256 {found}", archive.sha256)


def download(archive, quiet):
    """The path of the archive, downloaded; it gets its name only once it is verified.

    Raises mnist.Unavailable, an OSError, if it is not to be had, whole, from where it should be.
    """
    target = raw(archive) / archive.name
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="download-") as folder:
            path = Path(folder, archive.name)
            get = pooch.HTTPDownloader(progressbar=not quiet, timeout=mnist.TIMEOUT)
            get(archive.url, str(path), None)
            verify(archive, path)
            os.replace(path, target)
    except (OSError, Damaged) as error:      # requests' exceptions are OSErrors
        looked = " or ".join(map(str, folders(archive)))
        raise Unavailable(
            f"{archive.title}: no {archive.name} in {looked}, nor from "
            f"{urlsplit(archive.url).netloc} ({type(error).__name__}); download {archive.url} "
            f"elsewhere and put it into {target.parent}") from error
    return target
