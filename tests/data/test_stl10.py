"""STL-10: its order of pixels and labels; found, verified, unpacked; what is said if not right."""

import errno
import hashlib
import math
import re
import tarfile
import tracemalloc

import numpy as np
import pytest
from toy_archives import fill, known, photograph, serve, tar

import data as datasets
from data import files, stl10

RNG = np.random.default_rng(0)
ARCHIVE = "stl10_binary.tar.gz"
COUNTS = {"train": 4, "test": 3, "unlabeled": 5}
PIXELS = {part: RNG.integers(0, 256, (count, 96, 96, 3), np.uint8)      # row by row, as we see them
          for part, count in COUNTS.items()}
LABELS = {"train": [9, 0, 2, 4], "test": [1, 8, 0]}                     # as we count them


def columns(x):
    """x (N, 96, 96, 3) as STL-10 has it: plane by plane, column by column, by hand."""
    return bytes(x[n, row, column, colour] for n in range(len(x)) for colour in range(3)
                 for column in range(96) for row in range(96))


FILES = {
    "train_X.bin": columns(PIXELS["train"]), "train_y.bin": bytes(1 + t for t in LABELS["train"]),
    "test_X.bin": columns(PIXELS["test"]), "test_y.bin": bytes(1 + t for t in LABELS["test"]),
    "unlabeled_X.bin": columns(PIXELS["unlabeled"])}
WHOLE = {"stl10_binary/class_names.txt": b"airplane", **{
    f"stl10_binary/{name}": FILES[name] for name in reversed(FILES)}}
TAR = tar(WHOLE)


def small(contents):
    """FILES of stl10, for these bytes."""
    return {name: ((COUNTS[name.partition("_")[0]], *shape[1:]),
                   hashlib.md5(contents[name]).hexdigest())
            for name, (shape, _) in stl10.FILES.items()}


@pytest.fixture
def stl(raw, monkeypatch, server):
    """data/raw/stl10, not made yet, for an STL-10 of 12 images, at a local server."""
    address, files, _ = server
    serve(files, "good", {ARCHIVE: TAR})
    monkeypatch.setattr(stl10, "FILES", small(FILES))
    known(monkeypatch, stl10, TAR, f"{address}/good")
    return raw / "stl10"


def assert_stl(labelled, unlabelled):
    """What was loaded is exactly the 12 images."""
    for part, photographs in zip(("train", "test"), labelled, strict=True):
        assert photographs.classes == list(stl10.CLASSES) and len(photographs) == COUNTS[part]
        assert photographs.t.tolist() == LABELS[part] and photographs.t.dtype == np.int64
        assert_pixels(photographs, PIXELS[part])
    assert unlabelled.t.tolist() == [-1] * 5 and unlabelled.t.dtype == np.int64
    assert unlabelled.classes == []
    assert_pixels(unlabelled, PIXELS["unlabeled"])


def assert_pixels(photographs, pixels):
    x, rows = photographs.images()
    assert x.shape == (len(pixels), 3, 96, 96) and x.dtype == np.float32
    assert (x == pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)).all()
    assert rows.tolist() == list(range(len(pixels)))


def load_all():
    assert_stl(stl10.load(96, quiet=True), stl10.load_unlabelled(96, quiet=True))


def test_the_classes_are_counted_as_published():
    assert stl10.CLASSES.index("car") == 2 and len(stl10.CLASSES) == 10
    assert list(stl10.CLASSES) == sorted(stl10.CLASSES)
    sizes = {name: math.prod(shape) for name, (shape, _) in stl10.FILES.items()}
    assert sizes["unlabeled_X.bin"] == 2_764_800_000 and sizes["test_y.bin"] == 8_000
    assert sizes["train_X.bin"] == 5_000 * 27_648
    assert (*stl10.LABELLED, stl10.UNLABELLED) == tuple(sizes)


# On disk


def test_pixels_stand_column_by_column_and_labels_count_from_one(stl, tmp_path, monkeypatch):
    x = np.zeros((5, 96, 96, 3), np.uint8)
    x[3, 7, 60, 1] = 255                     # row 7, column 60, green
    contents = {**FILES, "unlabeled_X.bin": x.transpose(0, 3, 2, 1).tobytes()}
    assert contents["unlabeled_X.bin"].index(255) == 3 * 27_648 + 9_216 + 60 * 96 + 7
    assert contents["unlabeled_X.bin"] == columns(x)
    fill(stl, contents)
    assert np.argwhere(stl10.load_unlabelled(96, quiet=True).images()[0]).tolist() == [[3, 1, 7,
                                                                                        60]]
    assert stl10.load(96, quiet=True)[0].t.tolist() == [b - 1 for b in contents["train_y.bin"]]


@pytest.mark.parametrize("inside", ["", "stl10_binary"])
@pytest.mark.parametrize("place", ["raw", "named"])
def test_unpacked_files_will_do(stl, server, tmp_path, monkeypatch, place, inside):
    (tmp_path / "named").mkdir()
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path / "named"))
    fill(tmp_path / place / "stl10" / inside, FILES)
    load_all()
    assert not server[2]


def test_what_is_wanted_is_all_that_must_be_there(stl, server, tmp_path, monkeypatch):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(tmp_path / "stl10", {name: FILES[name] for name in stl10.LABELLED})
    fill(stl, {"unlabeled_X.bin": FILES["unlabeled_X.bin"]})
    load_all()
    assert not server[2]
    (tmp_path / "stl10" / "test_y.bin").unlink()
    (tmp_path / "stl10" / "test_y.bin").mkdir()         # a folder is no file
    assert files.describe_missing(stl10.ARCHIVE, stl10.UNPACKED, stl10.LABELLED) == (
        f"; {tmp_path}/stl10 lacks test_y.bin")
    load_all()
    assert server[2] == [f"/good/{ARCHIVE}"]


def test_images_without_labels_are_mapped_and_only_those_asked_for_read(stl, monkeypatch):
    count = 10_000                           # 276 MB, none of it on disk
    monkeypatch.setattr(stl10, "FILES", {**stl10.FILES, "unlabeled_X.bin": (
        (count, 3, 96, 96), "not looked at")})
    stl.mkdir(parents=True)
    with open(stl / "unlabeled_X.bin", "wb") as file:
        file.truncate(count * 27_648)
        file.seek(27_648 * 9_000)
        file.write(b"\xff")
    tracemalloc.start()
    photographs = stl10.load_unlabelled(96, quiet=True)
    chosen = photographs.select(np.arange(count - 1, -1, -2))   # a folder is divided like this
    x, _ = photographs.images([9_000])
    (y, _), peak = chosen.images([499, 0]), tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.argwhere(x).tolist() == [[0, 0, 0, 0]] and not y.any() and len(chosen) == count / 2
    assert chosen.name_of(1) == "stl10 without labels 1"
    assert peak < 10e6                       # one copy of the images would be 276


# Damaged


def flipped(contents):
    return contents[:-1] + bytes([contents[-1] ^ 1])


@pytest.mark.parametrize(("name", "contents", "said"), [
    ("train_X.bin", FILES["train_X.bin"][:-1], "110,591 bytes, expected 110,592"),
    ("test_y.bin", FILES["test_y.bin"] + b"\1", "4 bytes, expected 3"),
    ("unlabeled_X.bin", b"", "0 bytes, expected 138,240"),
    ("test_X.bin", flipped(FILES["test_X.bin"]),
     f"MD5 {hashlib.md5(flipped(FILES['test_X.bin'])).hexdigest()}, expected"),
    ("train_y.bin", b"\x0b\1\3\5", "MD5 "), ("test_y.bin", b"\0\2\3", "MD5 "),
    (ARCHIVE, TAR[:-1], f"{len(TAR) - 1:,} bytes, expected {len(TAR):,}"),
    (ARCHIVE, flipped(TAR), f"SHA-256 {hashlib.sha256(flipped(TAR)).hexdigest()}"),
], ids=["short", "long", "empty", "flipped", "label 11", "label 0", "archive", "flipped archive"])
def test_a_damaged_file_is_named_in_one_line_and_never_passed_over(
        stl, server, tmp_path, monkeypatch, name, contents, said):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(tmp_path / "stl10", {name: contents} if name == ARCHIVE else {**FILES, name: contents})
    fill(stl, {ARCHIVE: TAR})                # a sound copy elsewhere
    with pytest.raises(files.Damaged, match=re.escape(said)) as caught:
        load_all()
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "stl10" / name)) and "\n" not in message
    assert "delete it" in message and not server[2]


# Unpacked


def test_the_archive_is_downloaded_and_unpacked_once(stl, server, monkeypatch):
    load_all()
    monkeypatch.setattr(stl10, "unpack", lambda *_: pytest.fail("unpacked again"))
    load_all()
    assert server[2] == [f"/good/{ARCHIVE}"]
    assert {path.name for path in stl.rglob("*")} == {ARCHIVE, "stl10_binary", *FILES}


def test_nothing_but_the_five_files_is_taken_out_of_the_archive(stl, monkeypatch, tmp_path):
    link = tarfile.TarInfo("stl10_binary/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    contents = tar({"../../evil": b"e", str(tmp_path / "evil"): b"e", "link": link,
                    "stl10_binary/link/evil": b"e", "stl10_binary/../../train_X.bin": b"e",
                    **WHOLE, "other/train_X.bin": b"e"})
    known(monkeypatch, stl10, contents, "http://127.0.0.1")
    fill(stl, {ARCHIVE: contents})
    load_all()
    assert {path.name for path in tmp_path.rglob("*")} == {
        "raw", "stl10", ARCHIVE, "stl10_binary", *FILES}


@pytest.mark.parametrize(("error", "raised"), [
    (OSError(errno.ENOSPC, "No space left on device"), files.Unavailable),
    (KeyboardInterrupt(), KeyboardInterrupt)])
def test_what_cannot_be_written_to_the_end_leaves_nothing_behind(stl, monkeypatch, error, raised):
    def half(source, file):
        file.write(source.read(99))
        if "y.bin" not in source.name:
            raise error

    fill(stl, {ARCHIVE: TAR})
    with monkeypatch.context() as context, pytest.raises(raised) as caught:
        context.setattr(stl10.shutil, "copyfileobj", half)
        stl10.load_unlabelled(96, quiet=True)
    if raised is files.Unavailable:
        message = str(caught.value)
        assert "\n" not in message and message.startswith(f"STL-10: {stl / ARCHIVE} cannot be unp")
        assert "(No space left on device); it takes 331,783 bytes" in message
    assert [path.name for path in stl.iterdir()] == [ARCHIVE]
    load_all()


@pytest.mark.parametrize("contents", [
    {**WHOLE, "stl10_binary/test_X.bin": flipped(FILES["test_X.bin"])},
    {**WHOLE, "stl10_binary/test_X.bin": b""},
    {**WHOLE, "stl10_binary/test_X.bin": bytes(2 ** 20)},
    {name: WHOLE[name] for name in WHOLE if not name.endswith("test_X.bin")},
], ids=["other bytes", "fewer bytes", "more bytes", "none"])
def test_files_get_their_names_only_when_all_are_right(stl, monkeypatch, contents):
    contents = tar(contents)
    known(monkeypatch, stl10, contents, "http://127.0.0.1")
    fill(stl, {ARCHIVE: contents})
    with pytest.raises(files.Damaged, match="test_X.bin"):
        stl10.load_unlabelled(96, quiet=True)
    assert [path.name for path in stl.iterdir()] == [ARCHIVE]


# By name


def test_stl10_is_a_set_of_photographs_and_its_frames_are_those_without_labels(stl):
    name, *labelled = datasets.load_photographs("stl10", 96, quiet=True)
    framed, unlabelled = datasets.load_frames("stl10", 96, quiet=True)
    assert name == framed == "stl10"
    assert_stl(labelled, unlabelled)


def test_frames_of_any_other_set_or_folder_are_its_training_part(stl, tmp_path):
    name, cifar = datasets.load_frames("cifar10", 32, quiet=True)
    assert name == "cifar10" and len(cifar) == 15 and cifar.t.max() <= 9
    for i in range(10):
        fill(tmp_path / "frames", {f"{i}.png": photograph()})
    name, mine = datasets.load_frames(str(tmp_path / "frames"), 5, 7, True, True)
    _, train, _ = datasets.load_photographs(str(tmp_path / "frames"), 5)
    assert name == str(tmp_path / "frames") and mine.files == train.files and len(mine) == 8
    assert (mine.size, mine.short, mine.strict, mine.quiet) == (5, 7, True, True)


def test_flags_reach_all_parts_and_sizes_are_cut_from_96(stl):
    for part in (*stl10.load(5, 7, True, True), datasets.load_frames("stl10", 5, 7, True, True)[1]):
        assert (part.size, part.short, part.strict, part.quiet) == (5, 7, True, True)
        assert part.images([1])[0].shape == (1, 3, 5, 5)
    with pytest.raises(ValueError, match="no shorter than the square"):
        stl10.load_unlabelled(8, 7)


def test_a_name_that_is_no_set_is_refused_with_the_choices():
    for door in (datasets.load_photographs, datasets.load_frames):
        with pytest.raises(ValueError, match="choose cifar10, imagenette, stl10 or a folder of"):
            door("stl-10", 96)
