"""CIFAR-10 and Imagenette: found, verified, downloaded, unpacked; and what is said if not right."""

import gzip
import hashlib
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from toy_archives import (
    BATCHES,
    CIFAR,
    IMAGENETTE,
    PHOTOGRAPHS,
    assert_cifar,
    assert_imagenette,
    fill,
    known,
    serve,
    tar,
)

from data import cifar10, imagenet, imagenette
from data import files as data_files
from data.files import Damaged, Unavailable, download


def load_both():
    assert_cifar(cifar10.load(32, quiet=True))
    assert_imagenette(imagenette.load(8, quiet=True))


# On disk


def test_imagenettes_classes_are_ten_of_imagenets_in_its_order():
    rows = [imagenet.ROW[folder] for folder in imagenette.CLASSES]
    assert rows == [0, 217, 482, 491, 497, 566, 569, 571, 574, 701]
    assert [imagenet.NAMES[row] for row in rows] == [
        "tench", "English springer", "cassette player", "chain saw", "church", "French horn",
        "garbage truck", "gas pump", "golf ball", "parachute"]


@pytest.mark.parametrize("place", ["raw", "named"])
def test_archives_are_found_in_the_named_folder_and_in_raw(
        raw, server, tmp_path, monkeypatch, place):
    if place == "named":
        monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path / "named"))
    assert not (tmp_path / place).exists()
    fill(tmp_path / place / "cifar10", {"cifar-10-binary.tar.gz": CIFAR})
    fill(tmp_path / place / "imagenette", {"imagenette2-320.tgz": IMAGENETTE})
    load_both()
    assert not server[2]


@pytest.mark.parametrize("inside", ["", "cifar-10-batches-bin"])
@pytest.mark.parametrize("place", ["raw", "named"])
def test_unpacked_files_of_cifar10_will_do(raw, server, tmp_path, monkeypatch, place, inside):
    (tmp_path / "named").mkdir()
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path / "named"))
    fill(tmp_path / place / "cifar10" / inside, BATCHES)
    assert_cifar(cifar10.load(32, quiet=True))
    assert not server[2]


def test_five_files_of_the_six_are_not_cifar10(raw, server):
    fill(raw / "cifar10", {name: BATCHES[name] for name in cifar10.FILES[1:]})
    assert_cifar(cifar10.load(32, quiet=True))
    assert server[2] == ["/good/cifar-10-binary.tar.gz"]


def test_the_files_that_are_missing_are_named(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(tmp_path / "cifar10", {name: BATCHES[name] for name in cifar10.FILES[:5]})
    monkeypatch.setattr(cifar10, "ARCHIVE", cifar10.ARCHIVE._replace(url="http://127.0.0.1:1/x"))
    with pytest.raises(Unavailable, match=rf"; {tmp_path}/cifar10 lacks test_batch.bin; download"):
        cifar10.load(32, quiet=True)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_passed_over(raw, server, tmp_path, monkeypatch, make):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(tmp_path / "cifar10", {name: BATCHES[name] for name in cifar10.FILES[1:]})
    make(tmp_path / "cifar10" / cifar10.FILES[0])
    make(tmp_path / "cifar10" / "cifar-10-binary.tar.gz")
    (tmp_path / "imagenette").mkdir()
    make(tmp_path / "imagenette" / "imagenette2-320.tgz")
    load_both()
    assert server[2] == ["/good/cifar-10-binary.tar.gz", "/good/imagenette2-320.tgz"]


def test_an_unpacked_imagenette_will_do(raw, server, tmp_path, monkeypatch):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path / "named"))
    for path, contents in PHOTOGRAPHS.items():
        fill((tmp_path / "named" / "imagenette" / path).parent, {Path(path).name: contents})
    assert_imagenette(imagenette.load(8, quiet=True))
    assert not server[2] and not raw.exists()


# Damaged

FLIPPED = CIFAR[:99] + bytes([CIFAR[99] ^ 1]) + CIFAR[100:]
LABELLED = b"\x0a" + BATCHES["test_batch.bin"][1:]


@pytest.mark.parametrize(("name", "contents", "said"), [
    ("cifar-10-binary.tar.gz", CIFAR[:-1], f"{len(CIFAR) - 1:,} bytes, expected {len(CIFAR):,}"),
    ("cifar-10-binary.tar.gz", FLIPPED, f"SHA-256 {hashlib.sha256(FLIPPED).hexdigest()}"),
    ("test_batch.bin", LABELLED[:-1], "9,218 bytes, expected 9,219"),
    ("test_batch.bin", LABELLED + b"\0", "more than 9,219 bytes, expected 9,219"),
    ("test_batch.bin", LABELLED, "a label 10, expected 0 to 9"),
], ids=["cut", "flipped", "short", "long", "label"])
def test_a_damaged_file_is_named_in_one_line_and_never_passed_over(
        raw, server, tmp_path, monkeypatch, name, contents, said):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(tmp_path / "cifar10", {name: contents} if name.endswith("gz") else
         {**BATCHES, name: contents})
    fill(raw / "cifar10", {"cifar-10-binary.tar.gz": CIFAR})   # a sound copy elsewhere
    with pytest.raises(Damaged, match=re.escape(said)) as caught:
        cifar10.load(32, quiet=True)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "cifar10" / name))
    assert "delete it" in message and "\n" not in message and not server[2]


def test_an_imagenette_with_other_images_or_classes_is_damaged(raw, server):
    imagenette.load(8, quiet=True)
    root = raw / "imagenette" / "imagenette2-320"
    last = root / "val" / "n03888257" / "n03888257_0.JPEG"
    last.rename(last.with_suffix(".part"))
    with pytest.raises(Damaged, match="val: 9 images in 10 classes, expected 10 in Image"):
        imagenette.load(8, quiet=True)
    last.with_suffix(".part").rename(last)
    fill(root / "val", {"notes.txt": b"no class", ".DS_Store": b""})
    imagenette.load(8, quiet=True)
    (root / "val" / "mine").mkdir()
    with pytest.raises(Damaged, match="val: 10 images in 11 classes, expected 10 in Image"):
        imagenette.load(8, quiet=True)
    (root / "train").rename(root / "trian")
    with pytest.raises(Damaged, match="train: 0 images in 0 classes, expected 20 in Image"):
        imagenette.load(8, quiet=True)
    assert len(server[2]) == 1


# Unpacked


def link(kind, target):
    member = tarfile.TarInfo("imagenette2-320/link")
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("files", [
    {"../../evil": b"e"}, {"imagenette2-320/../../../evil": b"e"},
    {"link": link(tarfile.SYMTYPE, "train")}, {"link": link(tarfile.SYMTYPE, "/etc")},
    {"link": link(tarfile.SYMTYPE, "../../../.."), "imagenette2-320/link/evil": b"e"},
    {"link": link(tarfile.LNKTYPE, "/etc/hostname")}, {"link": link(tarfile.FIFOTYPE, "")},
], ids=["up", "down and up", "link", "link out", "through a link", "hard link", "pipe"])
def test_an_archive_with_more_than_files_below_its_folder_is_refused(
        raw, monkeypatch, tmp_path, files):
    contents = tar({**files, **PHOTOGRAPHS})
    known(monkeypatch, imagenette, contents, "http://127.0.0.1")
    fill(raw / "imagenette", {"imagenette2-320.tgz": contents})
    with pytest.raises(Damaged, match="tgz: an archive that cannot be unpacked") as caught:
        imagenette.load(8, quiet=True)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.rglob("*")] == [
        "raw", "imagenette", "imagenette2-320.tgz"]


def member(kind, target=""):
    """The first file of CIFAR-10 as a link, a folder, a pipe."""
    info = tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin")
    info.type, info.linkname, info.size = kind, target, 9219
    return info


TAR = gzip.decompress(CIFAR)
OTHERS = {f"cifar-10-batches-bin/{name}": BATCHES[name] for name in cifar10.FILES[1:]}


@pytest.mark.parametrize(("contents", "said"), [
    (CIFAR[:9000], "an archive that cannot be unpacked"),
    (CIFAR[:5], "an archive that cannot be unpacked"),
    (b"", "an archive that cannot be unpacked"),
    (gzip.compress(TAR[:2000]), "an archive that cannot be unpacked"),
    (TAR, "an archive that cannot be unpacked (not a gzip file"),
    (tar(OTHERS), "no data_batch_1.bin in it, expected 6 files"),
    *((tar({"x": member(kind, target), **OTHERS}),
       "data_batch_1.bin as a link, folder or device of 9,219 bytes, expected a file of 9,219")
      for kind, target in ((tarfile.SYMTYPE, "/etc/hostname"), (tarfile.SYMTYPE, "test_batch.bin"),
                           (tarfile.LNKTYPE, "nowhere"), (tarfile.DIRTYPE, ""),
                           (tarfile.FIFOTYPE, ""), (tarfile.CHRTYPE, ""))),
    (tar({"cifar-10-batches-bin/data_batch_1.bin": bytes(2 ** 20), **OTHERS}),
     "data_batch_1.bin as a file of 1,048,576 bytes, expected a file of 9,219"),
], ids=["cut", "cut at once", "empty", "tar cut", "no gzip", "missing", "link out", "link",
        "hard link", "folder", "pipe", "device", "long"])
def test_an_archive_that_cannot_be_read_is_named_in_one_line(raw, monkeypatch, contents, said):
    known(monkeypatch, cifar10, contents, "http://127.0.0.1")
    fill(raw / "cifar10", {"cifar-10-binary.tar.gz": contents})
    with pytest.raises(Damaged, match=re.escape(said)) as caught:
        cifar10.load(32, quiet=True)
    message = str(caught.value)
    assert message.startswith(f"{raw / 'cifar10' / 'cifar-10-binary.tar.gz'}: ")
    assert "delete it" in message and "\n" not in message


@pytest.mark.parametrize(("contents", "said"), [
    (IMAGENETTE[:2000], "an archive that cannot be unpacked"),
    (IMAGENETTE[:99], "an archive that cannot be unpacked"),
    (IMAGENETTE[:9] + bytes(99) + IMAGENETTE[108:], "an archive that cannot be unpacked"),
    (tar({"x": b""}), "no folder imagenette2-320 in it"),
    (tar({"imagenette2-320": b""}), "no folder imagenette2-320 in it"),
], ids=["cut", "cut at once", "overwritten", "another", "file"])
def test_an_imagenette_that_cannot_be_unpacked_is_named_in_one_line(
        raw, monkeypatch, contents, said):
    known(monkeypatch, imagenette, contents, "http://127.0.0.1")
    fill(raw / "imagenette", {"imagenette2-320.tgz": contents})
    with pytest.raises(Damaged, match=f"imagenette2-320.tgz: {said}.*delete it"):
        imagenette.load(8, quiet=True)
    assert os.listdir(raw / "imagenette") == ["imagenette2-320.tgz"]


def test_an_absolute_path_is_unpacked_below_the_folder(raw, monkeypatch, tmp_path):
    contents = tar({str(tmp_path / "evil"): b"e", **PHOTOGRAPHS})
    known(monkeypatch, imagenette, contents, "http://127.0.0.1")
    fill(raw / "imagenette", {"imagenette2-320.tgz": contents})
    assert_imagenette(imagenette.load(8, quiet=True))
    assert not (tmp_path / "evil").exists()


def test_an_interrupted_unpacking_leaves_nothing_to_be_taken_for_the_whole(raw, monkeypatch):
    unpacked = []

    def interrupted(member, path):
        unpacked.append(member)
        if len(unpacked) == 5:
            raise KeyboardInterrupt
        return member

    fill(raw / "imagenette", {"imagenette2-320.tgz": IMAGENETTE})
    with monkeypatch.context() as context, pytest.raises(KeyboardInterrupt):
        context.setattr(imagenette, "allow_files_only", interrupted)
        imagenette.load(8, quiet=True)
    assert [path.name for path in (raw / "imagenette").iterdir()] == ["imagenette2-320.tgz"]
    assert_imagenette(imagenette.load(8, quiet=True))


def test_an_imagenette_that_another_process_unpacked_meanwhile_is_taken(raw, monkeypatch):
    def extract(tar, folder, filter):
        for place in (folder, raw / "imagenette"):
            with tarfile.open(raw / "imagenette" / "imagenette2-320.tgz") as again:
                extract_all(again, place, filter=filter)

    fill(raw / "imagenette", {"imagenette2-320.tgz": IMAGENETTE})
    extract_all = tarfile.TarFile.extractall
    monkeypatch.setattr(tarfile.TarFile, "extractall", extract)
    assert_imagenette(imagenette.load(8, quiet=True))
    assert len(os.listdir(raw / "imagenette")) == 2


# Downloaded


def test_archives_are_downloaded_once_and_imagenette_unpacked_once(raw, server, monkeypatch):
    load_both()
    monkeypatch.setattr(imagenette, "unpack", lambda path: pytest.fail("unpacked again"))
    load_both()
    assert server[2] == ["/good/cifar-10-binary.tar.gz", "/good/imagenette2-320.tgz"]
    assert {str(path.relative_to(raw)) for path in raw.glob("*/*")} == {
        "cifar10/cifar-10-binary.tar.gz", "imagenette/imagenette2-320.tgz",
        "imagenette/imagenette2-320"}


@pytest.mark.parametrize(("first", "why"), [
    ("gone", "HTTP 404"), ("wrong", "Damaged"), ("cut", "ProtocolError"),
    ("slow", "fewer than 10,000 bytes a second"), ("lengths", "InvalidHeader"),
    ("endless", f"more than {len(CIFAR):,} bytes")])
def test_without_a_whole_download_nothing_is_left_behind(raw, server, monkeypatch, first, why):
    address, files, asked = server
    serve(files, "wrong", {"cifar-10-binary.tar.gz": FLIPPED})
    for kind in ("cut", "slow", "lengths", "endless"):
        serve(files, kind, {"cifar-10-binary.tar.gz": CIFAR})
    monkeypatch.setattr(data_files, "PATIENCE", 0.2)
    known(monkeypatch, cifar10, CIFAR, f"{address}/{first}")
    with pytest.raises(Unavailable) as caught:
        cifar10.load(32, quiet=True)
    message = str(caught.value)
    for part in ("CIFAR-10: no cifar-10-binary.tar.gz", str(raw / "cifar10"), f"({why})",
                 f"download {address}/{first}/cifar-10-binary.tar.gz elsewhere"):
        assert part in message
    assert "\n" not in message and not list((raw / "cifar10").iterdir()) and len(asked) == 1


def test_an_interrupted_download_leaves_nothing_behind(raw, monkeypatch):
    def interrupted(raw, size):
        yield b"half of it"
        raise KeyboardInterrupt

    monkeypatch.setattr(data_files, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        imagenette.load(8, quiet=True)
    assert not list((raw / "imagenette").iterdir())


def test_no_more_is_written_than_was_promised(server, tmp_path):
    address, files, _ = server
    serve(files, "endless", {"x": bytes(100_000)})
    with pytest.raises(data_files.DownloadFailed, match="more than 1,000,000 bytes"):
        data_files.fetch(f"{address}/endless/x", tmp_path / "x", 1_000_000, quiet=True)
    assert (tmp_path / "x").stat().st_size <= 1_000_000


KILLED = """
import os, signal, sys
from pathlib import Path
from data import files
files.RAW = Path(sys.argv[1])
with files.open_temporary_in_raw("cifar10", "", "") as folder:
    (folder / "half").write_bytes(b"half of it")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_download_is_cleared_away_by_the_next(raw):
    subprocess.run([sys.executable, "-c", KILLED, raw], cwd=Path(__file__).parents[2])
    assert len(list(raw.rglob("half"))) == 1
    assert_cifar(cifar10.load(32, quiet=True))
    assert os.listdir(raw / "cifar10") == ["cifar-10-binary.tar.gz"]


@pytest.mark.parametrize("module", [cifar10, imagenette])
def test_a_folder_that_cannot_be_made_is_told_of(raw, module):
    fill(raw.parent, {"raw": b"a file where the folder should be"})
    with pytest.raises(Unavailable, match="cannot be written to .Not a directory"):
        download(module.ARCHIVE, quiet=True)


def test_a_progress_bar_is_shown_on_a_terminal_unless_quiet(raw, capsys, monkeypatch):
    cifar10.load(32)
    assert capsys.readouterr() == ("", "")
    (raw / "cifar10" / "cifar-10-binary.tar.gz").unlink()
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    cifar10.load(32)
    assert "100%" in capsys.readouterr().err
    (raw / "cifar10" / "cifar-10-binary.tar.gz").unlink()
    cifar10.load(32, quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("module", [cifar10, imagenette])
def test_a_named_folder_that_is_not_there_is_an_error(raw, tmp_path, monkeypatch, module):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path / "tpyo"))
    with pytest.raises(ValueError, match="^INTRIGUING_DATA names .*tpyo, which is no folder"):
        module.load(8)
