"""The four IDX files: found, verified, downloaded; and what is said when they are not right."""

import errno
import gzip
import hashlib
import os
import re
import socket
import sys
import tracemalloc

import numpy as np
import pytest
from toy_archives import fill, serve

import data as datasets
from data import files as data_files
from data import mnist, strokes

SHAPES = dict(zip(mnist.FILES, [(6, 28, 28), (6,), (4, 28, 28), (4,)], strict=True))
IMAGES, LABELS, *_ = SHAPES


def idx(shape, rng):
    """An IDX file with random bytes of that shape."""
    header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">i4").tobytes()
    return header + rng.integers(0, 10, shape, np.uint8).tobytes()


RNG = np.random.default_rng(0)
SMALL = {name: idx(shape, RNG) for name, shape in SHAPES.items()}


def zipped(files):
    return {f"{name}.gz": gzip.compress(raw) for name, raw in files.items()}


@pytest.fixture
def raw(tmp_path, monkeypatch):
    """An empty data/raw/mnist, not made yet, for an MNIST of ten images and no mirrors."""
    small = {name: (SHAPES[name], hashlib.sha256(SMALL[name]).hexdigest()) for name in SMALL}
    monkeypatch.setattr(mnist, "FILES", small)
    monkeypatch.setattr(data_files, "RAW", tmp_path / "raw")
    monkeypatch.setattr(mnist, "MIRRORS", ())
    monkeypatch.delenv("INTRIGUING_DATA", raising=False)
    return data_files.RAW / "mnist"


def assert_small(loaded):
    """What was loaded is exactly the ten images."""
    for (x, t), (images, labels) in zip(loaded, [list(SHAPES)[:2], list(SHAPES)[2:]], strict=True):
        pixels = np.frombuffer(SMALL[images][16:], np.uint8).reshape(-1, 1, 28, 28)
        assert (x == pixels.astype(np.float32) / np.float32(255)).all() and x.dtype == np.float32
        assert t.tolist() == list(SMALL[labels][8:]) and t.dtype == np.int64


# On disk


@pytest.mark.parametrize("files", [
    SMALL, zipped(SMALL), {f"{n}.gz": gzip.compress(r, 1, mtime=7) for n, r in SMALL.items()},
    {IMAGES: SMALL[IMAGES], **zipped({n: r for n, r in SMALL.items() if n != IMAGES})},
], ids=["plain", "gzipped", "gzipped otherwise", "mixed"])
def test_plain_files_and_any_gzip_of_the_right_bytes_are_read(raw, files):
    fill(raw, files)
    assert mnist.is_on_disk()
    assert_small(mnist.load(quiet=True))


@pytest.mark.parametrize("files", [SMALL, zipped(SMALL)], ids=["plain", "gzipped"])
def test_names_with_dots_are_accepted(raw, files):
    fill(raw, {name.replace("-idx", ".idx"): contents for name, contents in files.items()})
    assert (raw / list(files)[0].replace("s-idx3", "s.idx3")).exists() and mnist.is_on_disk()
    assert_small(mnist.load(quiet=True))


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_passed_over(raw, make):
    fill(raw, zipped(SMALL))
    for name in SMALL:
        make(raw / name)
    assert mnist.is_on_disk()
    assert_small(mnist.load(quiet=True))


def test_the_named_folder_comes_before_raw_and_raw_fills_its_gaps(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(tmp_path / "mnist", zipped({IMAGES: SMALL[IMAGES]}))
    fill(raw, {**SMALL, IMAGES: b"not looked at"})
    assert_small(mnist.load(quiet=True))


def test_a_named_folder_without_mnist_in_it_leaves_the_word_to_raw(raw, tmp_path, monkeypatch):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(raw, SMALL)
    assert_small(mnist.load(quiet=True))


def test_a_named_folder_that_is_not_there_is_an_error(raw, tmp_path, monkeypatch):
    fill(raw, SMALL)
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path / "tpyo"))
    with pytest.raises(ValueError, match=r"^INTRIGUING_DATA names .*tpyo, which is no folder.*$"):
        mnist.load(quiet=True)


def test_here_is_false_when_one_file_of_the_four_is_missing(raw):
    fill(raw, {name: SMALL[name] for name in SMALL if name != LABELS})
    assert not mnist.is_on_disk()


# Damaged

WHOLE = SMALL[IMAGES]
ZIPPED = gzip.compress(WHOLE)
FLIPPED = WHOLE[:99] + bytes([WHOLE[99] ^ 1]) + WHOLE[100:]
SIZE = f"{len(WHOLE):,}"


@pytest.mark.parametrize(("name", "contents", "said"), [
    (f"{IMAGES}.gz", ZIPPED[:-20], "a broken gzip file (Compressed file ended"),
    (f"{IMAGES}.gz", ZIPPED[:-3], "a broken gzip file (Compressed file ended"),
    (f"{IMAGES}.gz", ZIPPED[:15] + b"\xff\xff" + ZIPPED[17:], "a broken gzip file (Error -3"),
    (f"{IMAGES}.gz", ZIPPED[:-8] + bytes(4) + ZIPPED[-4:], "a broken gzip file (CRC"),
    (f"{IMAGES}.gz", b"<html>Please log in", "a broken gzip file (Not a gzipped file"),
    (f"{IMAGES}.gz", b"", f"0 bytes unpacked, expected {SIZE}"),
    (f"{IMAGES}.gz", gzip.compress(FLIPPED), hashlib.sha256(FLIPPED).hexdigest()),
    (IMAGES, FLIPPED, f"expected {hashlib.sha256(WHOLE).hexdigest()}"),
    (IMAGES, b"\0\0\x08\x01" + WHOLE[4:], "magic number 00000801, expected 00000803"),
    (IMAGES, WHOLE[:-1], f"{len(WHOLE) - 1:,} bytes unpacked, expected {SIZE}"),
    (IMAGES, WHOLE + b"\0", f"more than {SIZE} bytes unpacked, expected {SIZE}"),
], ids=["cut", "cut in the trailer", "bad deflate", "bad checksum", "no gzip", "empty",
        "flipped, gzipped", "flipped, plain", "magic", "short", "long"])
def test_a_damaged_file_is_named_in_one_line_and_never_passed_over(
        raw, server, tmp_path, monkeypatch, name, contents, said):
    address, files, asked = server
    serve(files, "good", zipped(SMALL))
    monkeypatch.setattr(mnist, "MIRRORS", (f"{address}/good/",))
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path))
    fill(tmp_path / "mnist", {name: contents})
    fill(raw, {IMAGES: WHOLE})  # a sound copy elsewhere, and the others to be downloaded
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        mnist.load(quiet=True)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "mnist" / name))
    assert "delete it" in message and "\n" not in message
    assert (tmp_path / "mnist" / name).read_bytes() == contents and not asked


def test_a_gzip_bomb_is_unpacked_no_further_than_the_known_size(raw):
    fill(raw, {f"{IMAGES}.gz": gzip.compress(bytes(2**20)) * 256})
    tracemalloc.start()
    with pytest.raises(ValueError, match=f"more than {SIZE} bytes"):
        mnist.load(quiet=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


# Downloaded


def test_what_is_missing_is_downloaded_once_and_kept_under_its_name(raw, server, monkeypatch):
    address, files, asked = server
    serve(files, "good", zipped(SMALL))
    monkeypatch.setattr(mnist, "MIRRORS", (f"{address}/good/", f"{address}/unused/"))
    fill(raw, {LABELS: SMALL[LABELS]})
    for _ in range(2):
        assert_small(mnist.load(quiet=True))
    downloaded = [f"{name}.gz" for name in SMALL if name != LABELS]
    assert asked == [f"/good/{name}" for name in downloaded]
    assert {path.name for path in raw.iterdir()} == {LABELS, *downloaded}


def refused():
    """The address of a port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("first", [
    "gone", "wrong", "cut", "late", "refused", "slow", "endless", "lengths"])
def test_the_second_mirror_is_asked_for_what_the_first_does_not_have(
        raw, server, monkeypatch, first):
    address, files, asked = server
    whole = zipped(SMALL)
    serve(files, "good", whole)
    serve(files, "gone", {f"{IMAGES}.gz": whole[f"{IMAGES}.gz"]})
    serve(files, "wrong", whole | {f"{LABELS}.gz": gzip.compress(WHOLE)})
    for kind in ("cut", "late", "slow", "endless", "lengths"):
        serve(files, kind, whole)
    monkeypatch.setattr(data_files, "PATIENCE", 0.2)
    if first == "late":
        monkeypatch.setattr(data_files, "TIMEOUT", (1, 0.2))
    start = refused() if first == "refused" else address
    monkeypatch.setattr(mnist, "MIRRORS", (f"{start}/{first}/", f"{address}/good/"))
    assert_small(mnist.load(quiet=True))
    assert {path.name for path in raw.iterdir()} == set(whole)
    # Four files and one failure (a refused one is not seen here): no mirror fails twice.
    assert len(asked) == (4 if first == "refused" else 5)


def test_without_mirrors_that_work_nothing_is_left_behind(raw, server, monkeypatch):
    address, files, asked = server
    serve(files, "wrong", {f"{IMAGES}.gz": gzip.compress(FLIPPED)})
    serve(files, "cut", zipped(SMALL))
    monkeypatch.setattr(mnist, "MIRRORS", (f"{address}/wrong/", f"{address}/cut/"))
    with pytest.raises(data_files.Unavailable) as caught:
        mnist.load(quiet=True)
    message = str(caught.value)
    for part in (*SMALL, str(raw), "(Damaged)", "(ProtocolError)", "INTRIGUING_DATA"):
        assert part in message
    assert "\n" not in message and not list(raw.iterdir()) and len(asked) == 2


def test_a_folder_that_cannot_be_written_makes_mnist_unavailable(raw, monkeypatch):
    fill(raw.parent, {"mnist": b"a file where the folder should be"})
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1/",))
    with pytest.raises(data_files.Unavailable, match="cannot be written to .File exists"):
        mnist.load(quiet=True)


def test_a_disk_that_is_full_is_not_taken_for_a_mirror_that_fails(raw, server, monkeypatch):
    def full(raw, size):
        raise OSError(errno.ENOSPC, "No space left on device")
        yield

    address, files, asked = server
    serve(files, "good", zipped(SMALL))
    monkeypatch.setattr(mnist, "MIRRORS", (f"{address}/good/", f"{address}/good/"))
    monkeypatch.setattr(data_files, "receive", full)
    with pytest.raises(data_files.Unavailable, match=rf"not downloaded because {raw} cannot be "
                       r"written to \(No space left on device\); let INTRIGUING_DATA name"):
        mnist.load(quiet=True)
    assert len(asked) == 1 and not list(raw.iterdir())


def test_a_raw_that_is_there_but_cannot_be_written_to_is_told_of(raw, monkeypatch):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    raw.mkdir(parents=True)
    monkeypatch.setattr(data_files.tempfile, "TemporaryDirectory", refuse)
    monkeypatch.setattr(mnist, "MIRRORS", ("http://127.0.0.1:1/",))
    with pytest.raises(data_files.Unavailable, match=rf"{raw} cannot be written to .Permission"):
        mnist.load(quiet=True)


def test_an_interrupted_download_leaves_nothing_behind(raw, server, monkeypatch):
    def interrupted(raw, size):
        yield b"half of it"
        raise KeyboardInterrupt

    address, files, _ = server
    serve(files, "good", zipped(SMALL))
    monkeypatch.setattr(mnist, "MIRRORS", (f"{address}/good/",))
    monkeypatch.setattr(data_files, "receive", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mnist.load(quiet=True)
    assert not list(raw.iterdir())


def test_a_progress_bar_is_shown_on_a_terminal_unless_quiet(raw, server, monkeypatch, capsys):
    address, files, _ = server
    serve(files, "good", zipped(SMALL))
    monkeypatch.setattr(mnist, "MIRRORS", (f"{address}/good/",))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    mnist.load()
    assert "100%" in capsys.readouterr().err
    for path in raw.iterdir():
        path.unlink()
    mnist.load(quiet=True)
    assert capsys.readouterr() == ("", "")


# By name


def test_auto_is_mnist_where_it_is_here(raw):
    fill(raw, SMALL)
    for name in ("auto", "mnist"):
        found, *pairs = datasets.load(name, quiet=True)
        assert found == "mnist"
        assert_small(pairs)


def test_auto_falls_to_strokes_where_mnist_cannot_be_had_and_mnist_does_not(raw, monkeypatch):
    drawn = (("x", "t"), ("x_test", "t_test"))
    monkeypatch.setattr(strokes, "load", lambda quiet: drawn)
    assert datasets.load("auto", quiet=True) == datasets.load("strokes") == ("strokes", *drawn)
    with pytest.raises(data_files.Unavailable, match="put the four files into"):
        datasets.load("mnist", quiet=True)


def test_auto_does_not_draw_strokes_over_a_damaged_file(raw, monkeypatch):
    monkeypatch.setattr(strokes, "load", lambda quiet: pytest.fail("strokes were drawn"))
    fill(raw, {LABELS: b"damaged, and the other three not to be had"})
    with pytest.raises(ValueError, match="delete it"):
        datasets.load("auto", quiet=True)


def test_an_unknown_data_set_is_an_error_that_names_the_known():
    with pytest.raises(ValueError, match="'minst'; choose auto, mnist or strokes"):
        datasets.load("minst")


def test_the_tests_themselves_reach_no_other_machine():
    for reach in (lambda: socket.create_connection(("example.org", 80)),
                  lambda: socket.socket().connect(("192.0.2.1", 80))):
        with pytest.raises(pytest.fail.Exception, match="without network"):
            reach()


@pytest.mark.mnist
def test_the_real_files_hold_70000_digits_in_their_known_order():
    (x, t), (x_test, t_test) = mnist.load(quiet=True)
    assert x.shape == (60000, 1, 28, 28) and x_test.shape == (10000, 1, 28, 28)
    assert x.dtype == np.float32 and x.min() == 0 and x.max() == 1
    assert t[:5].tolist() == [5, 0, 4, 1, 9] and t_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert np.bincount(t).tolist() == [
        5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(t_test).tolist() == [
        980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
