"""The files of data sets and weights: found on disk or downloaded, and verified before they are
read.

Looked for in $INTRIGUING_DATA/<folder>, then in data/raw/<folder>, and downloaded into the latter.
Sources and licences: data/README.md.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pooch

RAW = Path(__file__).parent / "raw"
# Seconds to connect and to answer.  A server has up to sixteen addresses, tried in turn, so
# one second for each keeps a machine behind a silent firewall from waiting for minutes.
TIMEOUT = (1, 10)


class Unavailable(OSError):
    """A file is neither on disk nor to be downloaded."""


class Damaged(ValueError):
    """A file that is not, byte for byte, what it is named."""


def damaged(path, found, expected):
    """The exception to raise: the file, what is wrong with it, and the mend."""
    return Damaged(f"{path}: {found}, expected {expected}; delete it and run again to "
                   "download it anew")


def folders(name):
    """Where the files of the folder `name` are looked for, in this order.

    Raises ValueError if INTRIGUING_DATA names no folder: a typing error must not go unseen.
    """
    place = os.environ.get("INTRIGUING_DATA")
    if not place:
        return [RAW / name]
    if not Path(place).is_dir():
        raise ValueError(f"INTRIGUING_DATA names {place}, which is no folder; correct or unset it")
    return [Path(place) / name, RAW / name]


def make_raw(name, why, mend):
    """The folder data/raw/<name>, made if need be.

    why, mend: what Unavailable says, before and after the reason, if it cannot be made.
    """
    folder = RAW / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"{why} {folder} cannot be made ({error.strerror}); {mend}") from error
    return folder


def fetch(url, path, quiet):
    """Download the file at `url` to `path`.  Raises OSError, as all exceptions of requests are."""
    get = pooch.HTTPDownloader(progressbar=not quiet, timeout=TIMEOUT)
    get(url, str(path), None)


# ---- Archives --------------------------------------------------------------------------------


class Archive(NamedTuple):
    title: str       # for people: CIFAR-10
    folder: str      # below $INTRIGUING_DATA or data/raw: cifar10
    url: str         # its end is the file's name
    size: int        # bytes
    sha256: str

    @property
    def name(self):
        return self.url.rpartition("/")[2]


def raw(archive):
    """Its folder below data/raw, made if need be.  Raises Unavailable if it cannot be made."""
    return make_raw(archive.folder, f"{archive.title}:", "let INTRIGUING_DATA name a folder that "
                    f"holds it, unpacked, in {archive.folder}/")


def find_unpacked(archive, inside, names):
    """The first folder that holds all files of these names, itself or in `inside`, or None."""
    places = (place for folder in folders(archive.folder) for place in (folder, folder / inside))
    return next((place for place in places if all((place / n).exists() for n in names)), None)


def find(archive):
    """The first file of that name, verified, or None.  Raises Damaged as verify does."""
    paths = (folder / archive.name for folder in folders(archive.folder))
    path = next((path for path in paths if path.exists()), None)
    if path:
        verify(archive, path)
    return path


def verify(archive, path):
    """Raise Damaged unless the file is, byte for byte, the archive."""
    if (size := path.stat().st_size) != archive.size:
        raise damaged(path, f"{size:,} bytes", f"{archive.size:,}")
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != archive.sha256:
        raise damaged(path, f"SHA-256 {found}", archive.sha256)


def download(archive, quiet):
    """The path of the archive, downloaded; it gets its name only once it is verified.

    Raises Unavailable, an OSError, if it is not to be had, whole, from where it should be.
    """
    target = raw(archive) / archive.name
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="download-") as folder:
            path = Path(folder, archive.name)
            fetch(archive.url, path, quiet)
            verify(archive, path)
            os.replace(path, target)
    except (OSError, Damaged) as error:
        looked = " or ".join(map(str, folders(archive.folder)))
        raise Unavailable(
            f"{archive.title}: no {archive.name} in {looked}, nor from "
            f"{urlsplit(archive.url).netloc} ({type(error).__name__}); download {archive.url} "
            f"elsewhere and put it into {target.parent}") from error
    return target
