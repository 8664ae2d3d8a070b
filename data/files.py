"""Finds the files of data sets and weights on disk, or downloads them, and verifies them.

It looks in $INTRIGUING_DATA/<folder>, then in data/raw/<folder>, and downloads into the second.
Sources and licences: data/README.md.
"""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pooch

from nets.store import open_regular

RAW = Path(__file__).parent / "raw"
# Seconds to connect and to answer.  A server has up to sixteen addresses, which are tried in turn.
# With more than a second for each, a machine behind a silent firewall would wait for minutes.
TIMEOUT = (1, 10)


class Unavailable(OSError):
    """A file is not on disk and cannot be downloaded."""


class Damaged(ValueError):
    """The bytes of a file are not those that its name promises."""


def damage_error(path, found, expected):
    """The Damaged to raise: the file, what was found, what was expected, and the mend."""
    return Damaged(f"{path}: {found}, expected {expected}; delete it and run again to "
                   "download it anew")


def search_folders(name):
    """[$INTRIGUING_DATA/<name>, data/raw/<name>], where to look for files, in this order.

    Raises ValueError if INTRIGUING_DATA is set and names no folder, since it may be misspelt.
    """
    place = os.environ.get("INTRIGUING_DATA")
    if not place:
        return [RAW / name]
    if not Path(place).is_dir():
        raise ValueError(f"INTRIGUING_DATA names {place}, which is no folder; correct or unset it")
    return [Path(place) / name, RAW / name]


def make_raw(name, why, mend):
    """Make the folder data/raw/<name>, if it is not there, and return it.

    why, mend: the text of Unavailable before and after the reason, if it cannot be made.
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


def make_archive_folder(archive):
    """Make the archive's folder below data/raw, if it is not there, and return it, or Unavailable.
    """
    return make_raw(archive.folder, f"{archive.title}:", "let INTRIGUING_DATA name a folder that "
                    f"holds {archive.name} in {archive.folder}/")


def find_unpacked(archive, inside, names):
    """The first folder that holds all these files, or whose subfolder `inside` does; or None."""
    places = (folder / below for folder in search_folders(archive.folder) for below in ("", inside))
    return next((place for place in places if all((place / n).exists() for n in names)), None)


def find(archive):
    """The path of the archive on disk, verified, or None.  Raises Damaged if it is not whole."""
    paths = (folder / archive.name for folder in search_folders(archive.folder))
    path = next((path for path in paths if path.exists()), None)
    if path:
        verify(archive, path)
    return path


def verify(archive, path):
    """Raise Damaged if the size or the SHA-256 of the file is not the archive's."""
    if (size := path.stat().st_size) != archive.size:
        raise damage_error(path, f"{size:,} bytes", f"{archive.size:,}")
    with open_regular(path) as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != archive.sha256:
        raise damage_error(path, f"SHA-256 {found}", archive.sha256)


def download(archive, quiet):
    """Download the archive, verify it, and then give it its name.  Returns its path.

    Raises Unavailable, an OSError, if this fails.
    """
    target = make_archive_folder(archive) / archive.name
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="download-") as folder:
            path = Path(folder, archive.name)
            fetch(archive.url, path, quiet)
            verify(archive, path)
            os.replace(path, target)
    except (OSError, Damaged) as error:
        places = " or ".join(map(str, search_folders(archive.folder)))
        raise Unavailable(
            f"{archive.title}: no {archive.name} in {places}, nor from "
            f"{urlsplit(archive.url).netloc} ({type(error).__name__}); download {archive.url} "
            f"elsewhere and put it into {target.parent}") from error
    return target
