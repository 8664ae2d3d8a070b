"""Finds the files of data sets and weights on disk, or downloads them, and verifies them.

It looks in $INTRIGUING_DATA/<folder>, then in data/raw/<folder>, and downloads into the second.
Sources and licences: data/README.md.
"""

import gzip
import hashlib
import os
import tarfile
import tempfile
import time
import zlib
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import requests
import urllib3
from tqdm import tqdm

from nets.disk import clear_unfinished, name_unfinished, open_regular

RAW = Path(__file__).parent / "raw"
# Seconds to connect and to answer.  A server has up to sixteen addresses, which are tried in turn.
# With more than a second for each, a machine behind a silent firewall would wait for minutes.
TIMEOUT = (1, 10)
SLOWEST, PATIENCE = 10_000, 20   # bytes a second, and seconds after which a slower server is left


class Unavailable(OSError):
    """A file is not on disk and cannot be downloaded."""


class Damaged(ValueError):
    """The bytes of a file are not those that its name promises."""


class DownloadFailed(Exception):
    """A server does not send a file.  The text says why, in a few words."""


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


@contextmanager
def open_temporary_in_raw(name, why, mend):
    """A folder in data/raw/<name> where files are made and then moved to it; deleted at the end.

    Raises Unavailable, with the text why before the reason and mend after it, if data/raw/<name>
    cannot be written to.
    """
    folder = RAW / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clear_unfinished(folder)
        with tempfile.TemporaryDirectory(**name_unfinished(folder)) as temporary:
            yield Path(temporary)
    except Unavailable:
        raise
    except OSError as error:                # a full disk, say
        raise Unavailable(f"{why} {folder} cannot be written to ({error.strerror or error}); "
                          f"{mend}") from error


def fetch(url, path, size, quiet):
    """Download the file at `url`, of at most `size` bytes, to `path`.

    Raises DownloadFailed if the server does not send it, sends more bytes, or is too slow; OSError
    if it cannot be written.
    """
    try:
        with (requests.get(url, stream=True, timeout=TIMEOUT,
                           headers={"Accept-Encoding": "identity"}) as response,
              open(path, "wb") as file):
            if not response.ok:
                raise DownloadFailed(f"HTTP {response.status_code}")
            length = response.headers.get("Content-Length", "")
            with tqdm(total=int(length) if length.isdecimal() else None, desc=path.name, unit="B",
                      unit_scale=True, disable=quiet or None) as bar:
                for part in receive(response.raw, size):
                    file.write(part)
                    bar.update(len(part))
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        raise DownloadFailed(type(error).__name__) from error


def receive(raw, size):
    """Yield the bytes of a response; DownloadFailed if there are more, or if they come too slowly.
    """
    begun, total, recent = time.monotonic(), 0, 0
    while part := raw.read1(2 ** 18):       # what is there: `read` waits for all of it
        total, recent = total + len(part), recent + len(part)
        if total > size:
            raise DownloadFailed(f"more than {size:,} bytes")
        if (seconds := time.monotonic() - begun) > PATIENCE:
            if recent < SLOWEST * seconds:
                raise DownloadFailed(f"fewer than {SLOWEST:,} bytes a second")
            begun, recent = time.monotonic(), 0
        yield part


def describe_failure(url, error):
    """A server and why it did not serve, from a DownloadFailed or a Damaged."""
    reason = type(error).__name__ if isinstance(error, Damaged) else error
    return f"{urlsplit(url).netloc} ({reason})"


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


def open_temporary_for(archive):
    """`open_temporary_in_raw` for an archive."""
    return open_temporary_in_raw(
        archive.folder, f"{archive.title}:", "let INTRIGUING_DATA name a folder that holds "
        f"{archive.name} in {archive.folder}/")


def list_places(archive, inside):
    """The folders where unpacked files may be, in the order of the search."""
    return [folder / below for folder in search_folders(archive.folder) for below in ("", inside)]


def find_unpacked(archive, inside, names):
    """The first folder that holds all these files, or whose subfolder `inside` does; or None."""
    return next((place for place in list_places(archive, inside)
                 if all(os.path.isfile(place / name) for name in names)), None)


def describe_missing(archive, inside, names):
    """Text for an error: each folder that holds some of these files, and what it lacks; "" if none.
    """
    missing = {place: [name for name in names if not os.path.isfile(place / name)]
               for place in list_places(archive, inside)}
    return "".join(f"; {place} lacks {', '.join(lacks)}" for place, lacks in missing.items()
                   if 0 < len(lacks) < len(names))


def find(archive):
    """The path of the archive on disk, verified, or None.  Raises Damaged if it is not whole."""
    paths = (folder / archive.name for folder in search_folders(archive.folder))
    path = next((path for path in paths if os.path.isfile(path)), None)
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


def download(archive, quiet, missing=""):
    """Download the archive, verify it, and then give it its name.  Returns its path.

    missing: from describe_missing.  Raises Unavailable, an OSError, if this fails.
    """
    target = RAW / archive.folder / archive.name
    with open_temporary_for(archive) as folder:
        path = folder / archive.name
        try:
            fetch(archive.url, path, archive.size, quiet)
            verify(archive, path)
        except (DownloadFailed, Damaged) as error:
            places = " or ".join(map(str, search_folders(archive.folder)))
            raise Unavailable(
                f"{archive.title}: no {archive.name} in {places}, nor from "
                f"{describe_failure(archive.url, error)}{missing}; download {archive.url} "
                f"elsewhere and put it into {target.parent}") from error
        os.replace(path, target)
    return target


@contextmanager
def open_tar(path):
    """An open .tar.gz.  Raises Damaged, here and while it is read, if it is not whole."""
    try:
        with open_regular(path) as file, tarfile.open(fileobj=file, mode="r:gz") as tar:
            yield tar
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise damage_error(path, f"an archive that cannot be unpacked ({error})",
                           "a whole .tar.gz of files and folders below its own") from error


def open_members(tar, path, inside, sizes):
    """Yield the name and the open file of the members `inside`/name, in the archive's order.

    path: of the archive, for errors.  sizes: {name: bytes}.  Raises Damaged if one is missing, is
    no file or has another size.
    """
    missing = dict(sizes)
    for member in tar:
        name = member.name.removeprefix(f"{inside}/")
        if name in missing:
            if not member.isreg() or member.size != missing[name]:
                kind = "a file" if member.isreg() else "a link, folder or device"
                raise damage_error(path, f"{name} as {kind} of {member.size:,} bytes",
                                   f"a file of {missing[name]:,}")
            del missing[name]
            yield name, tar.extractfile(member)
    if missing:
        raise damage_error(path, f"no {', '.join(missing)} in it", f"{len(sizes)} files")
