"""Weights on disk: whole or not at all, arrays only, and only into the net that they fit."""
import errno
import gc
import io
import os
import socket
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from nets import disk, store
from nets.backend import to_host
from nets.models.fc import fc
from nets.store import Expected

SIZES = (5, 4, 3)


def made(seed, sizes=SIZES):
    return fc(sizes, np.random.default_rng(seed))


def values(net):
    return [to_host(p).copy() for p in net.params]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "net.npz"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_net_comes_back_bit_for_bit(path, dtype):
    net, other = made(0).astype(dtype), made(1).astype(dtype)
    store.save(path, net)
    store.load(path, other)
    for a, b in zip(net.params, other.params, strict=True):
        assert a.dtype == b.dtype == dtype
        assert (to_host(a) == to_host(b)).all()


def test_loading_fills_the_arrays_in_place_so_that_parts_of_the_net_follow(path):
    net, other = made(0), made(1)
    head = other.above(1)
    store.save(path, net)
    store.load(path, other)
    assert (to_host(head.params[0]) == to_host(net.params[2])).all()


def test_named_arrays_come_back_with_their_names_shapes_and_types(path):
    arrays = {"x": np.zeros((0, 3), np.float32), "t": np.arange(4), "name": np.array("MNIST"),
              "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3))}
    store.save_arrays(path, **arrays)
    found = store.load_arrays(path, {
        "x": Expected((None, 3)), "t": Expected((4,), (np.int64,), 0, 3), "name": store.TEXT,
        "columns": Expected((2, 3))})
    assert list(found) == list(arrays)
    for name, a in arrays.items():
        assert found[name].dtype == a.dtype
        assert np.array_equal(found[name], a)


def test_parameters_are_found_by_name_in_whatever_order_the_file_has_them(path):
    net, other = made(0), made(1)
    store.save_arrays(path, **{f"p{i}": a for i, a in reversed(list(enumerate(values(net))))})
    store.load(path, other)
    for a, b in zip(values(net), values(other), strict=True):
        assert (a == b).all()


def with_last(value):
    """SIZES' parameters, one of them another number."""
    net = made(0)
    net.params[-1][0] = value
    return values(net)


@pytest.mark.parametrize(("params", "said"), [
    (values(made(0, (5, 4, 2))), r"p2 is float64 \(4, 2\), expected .* \(4, 3\)"),
    (values(made(0, (5, 3))), r"it holds \['p0', 'p1'\], expected \['p0', 'p1', 'p2', 'p3'\]"),
    (values(made(0, (5, 4, 4, 3))), "it holds .*'p5'.*, expected"),
    (with_last(np.nan), "p3 has values from nan to nan, expected -3.4.* to 3.4"),
    (with_last(np.inf), "p3 has values from .* to inf"),
    (with_last(-1e39), "p3 has values from -1e.39 to"),
    ([np.zeros(p.shape, int) for p in values(made(0))], "p0 is int64"),
], ids=["narrower", "shallower", "deeper", "NaN", "infinity", "not of float32", "integers"])
def test_weights_that_do_not_fit_are_refused_and_the_net_stays_as_it_was(path, params, said):
    store.save_arrays(path, **{f"p{i}": p for i, p in enumerate(params)})
    net, before = made(1), values(made(1))
    with pytest.raises(ValueError, match=rf"net\.npz: .*{said}"):
        store.load(path, net)
    assert all((a == b).all() for a, b in zip(values(net), before, strict=True))


def test_a_file_cut_short_anywhere_is_refused_with_the_mend(path):
    store.save(path, made(0))
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"net\.npz: .*delete it and run again"):
            store.load(path, made(0))


def test_a_file_with_a_byte_changed_anywhere_is_refused_or_the_same(path):
    net, other = made(0), made(0)
    before = values(net)
    store.save(path, net)
    whole = path.read_bytes()
    for i in range(0, len(whole), 5):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 0xff]) + whole[i + 1:])
        try:
            store.load(path, other)
        except ValueError as error:
            assert "net.npz: " in str(error)
        assert all((a == b).all() for a, b in zip(values(other), before, strict=True))


def test_pickled_objects_are_refused_and_never_run(path):
    ran = path.parent / "ran"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(ran),)

    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive, archive.open("p0.npy", "w") as file:
        np.lib.format.write_array(file, np.array([Trap()], object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"net\.npz: .*p0 is object \(1,\), expected float32"):
        store.load_arrays(path, {"p0": Expected((1,))})
    np.array([Trap()], object).dump(path)
    with pytest.raises(ValueError, match=r"net\.npz"):
        store.load_arrays(path, {"p0": Expected((1,))})
    assert not ran.exists()


def test_objects_are_not_saved_either(path):
    with pytest.raises(ValueError, match="[Oo]bject"):
        store.save_arrays(path, a=np.array([{}], object))
    assert not path.exists()


def test_a_file_of_another_kind_is_refused(path):
    path.parent.mkdir()
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.with_suffix(".npy").rename(path)
    with pytest.raises(ValueError, match=r"net\.npz: not the \.npz file that was expected"):
        store.load_arrays(path, {})
    path.write_text("error: not found")
    with pytest.raises(ValueError, match=r"net\.npz: not the \.npz file that was expected"):
        store.load_arrays(path, {})


def npy(a):
    file = io.BytesIO()
    np.save(file, a, allow_pickle=True)
    return file.getvalue()


def header(text):
    """The bytes of an .npy file with this header and ten bytes."""
    return b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text.encode() + bytes(10)


NUMBERS = np.zeros((2, 3), np.float32)
SHAPED = "{{'descr': '<f4', 'fortran_order': False, 'shape': {}}}"


@pytest.mark.parametrize(("members", "said"), [
    ([("a.npy", NUMBERS), ("a.npy", NUMBERS + 1)], r"it holds \['a', 'a'\], expected \['a'\]"),
    ([("a", b"no array")], "no item named 'a.npy'"),
    ([("a.npy", b"no array")], "magic string is not correct"),
    ([("a.npy", NUMBERS), ("b", b"")], r"it holds \['a', 'b'\], expected \['a'\]"),
    ([], r"it holds \[\], expected \['a'\]"),
    ([("a.npy", NUMBERS.astype(complex))], "a is complex128"),
    ([("a.npy", NUMBERS.astype(object))], r"a is object \(2, 3\), expected"),
    ([("a.npy", NUMBERS.astype(str))], "a is <U32"),
    ([("a.npy", NUMBERS.astype("datetime64[s]"))], "a is datetime64"),
    ([("a.npy", NUMBERS.astype("f4,i4"))], r"a is .*\('f0', '<f4'\)"),
    ([("a.npy", NUMBERS.astype(bool))], "a is bool"),
    ([("a.npy", NUMBERS.astype(">f4"))], "a is >f4"),
    ([("a.npy", NUMBERS.T)], r"a is float32 \(3, 2\), expected float32 or float64 \(2, 3\)"),
    ([("a.npy", NUMBERS[:, :, None])], r"a is float32 \(2, 3, 1\)"),
    ([("a.npy", npy(NUMBERS)[:-1])], "not of its 24 bytes"),
    ([("a.npy", npy(NUMBERS) + b"0")], "not of its 24 bytes"),
    ([("a.npy", header(SHAPED.format("(2, 3)")))], "not of its 24 bytes"),
    ([("a.npy", header(SHAPED.format("(2, 10**9)")))], "malformed node"),
    ([("a.npy", header(SHAPED.format("(2L, 3L)")))], "created on Python 2"),
    ([("a.npy", header("(" * 60_000))], "is large and may not be safe to load"),
    ([("a.npy", header("1\n" * 99))], "Cannot parse header|Header is not a dictionary"),
    ([("a.npy", b"\x93NUMPY\3\0" + npy(NUMBERS)[8:])], r"a header of version \(3, 0\), expected"),
], ids=["twice", "no array", "no array, named so", "more", "empty", "complex", "objects", "text",
        "dates", "records", "booleans", "big-endian", "turned", "axes", "short", "long", "lies",
        "terms", "Python 2", "deep", "lines", "version"])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_only_the_arrays_that_are_expected_are_believed(tmp_path, members, said):
    path = tmp_path / "x.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, contents in members:
            archive.writestr(name, npy(contents) if isinstance(contents, np.ndarray) else contents)
    with pytest.raises(ValueError, match=said) as caught:
        store.load_arrays(path, {"a": Expected((2, 3))})
    message = str(caught.value)
    assert message.startswith(f"{path}: not the .npz file that was expected (")
    assert message.endswith("; delete it and run again")
    assert "\n" not in message and len(message) < 500


@pytest.mark.parametrize("save", [np.savez_compressed, np.savez])
@pytest.mark.parametrize("wanted", [(2, 3), (None,)])
def test_no_memory_is_taken_for_an_array_that_is_refused(path, save, wanted):
    path.parent.mkdir()
    save(path, a=np.zeros(5_000_000) if save is np.savez_compressed else np.zeros((9, 500_000)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"net\.npz: "):
        store.load_arrays(path, {"a": Expected(wanted)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000


def test_a_row_may_be_nan_as_a_whole_only_where_it_is_said(path):
    x = np.random.default_rng(0).random((4, 2, 3), np.float32)
    rows, all_rows, one = x.copy(), np.full_like(x, np.nan), x.copy()
    rows[[0, 2]], one[1, 1, 1] = np.nan, np.nan
    images = Expected((4, 2, 3), (np.float32,), 0, 1, nan=True)
    for a in (x, rows, all_rows):
        store.save_arrays(path, a=a)
        assert np.array_equal(store.load_arrays(path, {"a": images})["a"], a, equal_nan=True)
    for a in (one, np.where(x > x.min(), x, -1e-9), np.where(x < x.max(), x, 1.001),
              np.where(x < x.max(), x, np.inf)):
        store.save_arrays(path, a=a.astype(np.float32))
        with pytest.raises(ValueError, match="a has values from .* to .*, expected 0 to 1"):
            store.load_arrays(path, {"a": images})
    store.save_arrays(path, a=rows)
    with pytest.raises(ValueError, match="a has values from nan to nan"):
        store.load_arrays(path, {"a": images._replace(nan=False)})


def test_other_arrays_are_passed_over_only_where_it_is_said(path):
    store.save_arrays(path, a=NUMBERS, b=np.array("text"))
    assert list(store.load_arrays(path, {"b": store.TEXT}, more=True)) == ["b"]
    for names, more in ((["b"], False), (["b", "c"], True)):
        with pytest.raises(ValueError, match=r"it holds \['a', 'b'\]"):
            store.load_arrays(path, dict.fromkeys(names, store.TEXT), more)


def test_a_sealed_file_is_believed_only_under_its_own_name_and_as_it_was_saved(tmp_path):
    path, other = tmp_path / "one.npz", tmp_path / "two.npz"
    wanted = {"a": Expected((2, 3))}
    store.save_sealed(path, a=NUMBERS)
    store.save_sealed(other, a=NUMBERS)
    assert (store.load_sealed(path, wanted)["a"] == NUMBERS).all()
    (tmp_path / "deep").mkdir()
    assert list(store.load_sealed(path.rename(tmp_path / "deep" / path.name), wanted)) == ["a"]
    seal = np.load(other)["seal"]
    other.rename(path)
    with pytest.raises(ValueError, match="one.npz: its seal .*; delete it and run again"):
        store.load_sealed(path, wanted)
    for a in (NUMBERS + 1, NUMBERS.astype(float)):
        store.save_arrays(other, a=a, seal=seal)
        with pytest.raises(ValueError, match="two.npz: its seal"):
            store.load_sealed(other, wanted)
    store.save_arrays(other, a=NUMBERS)
    with pytest.raises(ValueError, match=r"it holds \['a'\], expected \['a', 'seal'\]"):
        store.load_sealed(other, wanted)


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"net\.npz"):
        store.load(path, made(0))


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"),
                                  KeyboardInterrupt()])
def test_a_write_that_stops_half_way_leaves_the_old_file_and_nothing_else(path, stop):
    def half(file):
        file.write(b"half of it")
        raise stop

    disk.write_whole(path, lambda file: file.write(b"old"))
    with pytest.raises(type(stop)):
        disk.write_whole(path, half)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["net.npz"]


@pytest.mark.parametrize("size", [0, 10, 200, 300, 900, 1200])
def test_a_disk_that_fills_up_while_saving_is_one_error_and_leaves_no_file(path, size, monkeypatch):
    class FullDisk(io.FileIO):
        def write(self, data):
            if self.tell() + len(data) > size:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(data)

    said_later = []                         # by a zip file that dies open
    monkeypatch.setattr(sys, "unraisablehook", said_later.append)
    monkeypatch.setattr(os, "fdopen", FullDisk)
    with pytest.raises(OSError, match="No space left"):
        store.save_arrays(path, a=np.zeros((10, 10)), b=np.zeros(3))
    gc.collect()
    assert said_later == [] and os.listdir(path.parent) == []


def test_an_error_without_a_number_is_told_in_its_own_words(path):
    def fail(file):                         # as Pillow does
        raise OSError("encoder error -2")

    with pytest.raises(OSError, match="not written .encoder error -2.; make room") as caught:
        disk.write_whole(path, fail)
    assert caught.value.errno == errno.EIO and not path.exists()


def test_a_rename_that_fails_leaves_nothing_behind(path):
    path.mkdir(parents=True)                # a folder stands in the file's place
    with pytest.raises(OSError, match=r"net\.npz"):
        store.save(path, made(0))
    assert os.listdir(path.parent) == ["net.npz"]


def test_what_is_written_others_may_read(path):
    store.save(path, made(0))
    assert path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_only_a_regular_file_is_opened(tmp_path, make):
    make(tmp_path / "x")
    with pytest.raises(OSError, match=f"{tmp_path}/x: .*expected a regular file"):
        disk.open_regular(tmp_path / "x")


def test_a_device_is_not_opened_and_a_file_is(tmp_path):
    with pytest.raises(OSError, match="/dev/zero: .*expected a regular file"):
        disk.open_regular("/dev/zero")
    (tmp_path / "x").write_bytes(b"abc")
    with disk.open_regular(tmp_path / "x") as file:
        assert file.read() == b"abc"


KILLED = """
import sys, tempfile, time
from nets import disk

def write(file):
    print(flush=True)
    time.sleep(60)

tempfile.mkdtemp(**disk.name_unfinished(sys.argv[1]))
disk.write_whole(sys.argv[1] + "/x", write)
"""


def test_what_a_killed_process_left_unfinished_is_deleted_and_nothing_else(tmp_path):
    kept = [f"unfinished@{socket.gethostname()}-{os.getpid()}-abcd1234.part",     # still runs
            "unfinished@elsewhere-99999999-abcd1234.part", "mine.part", "unfinished@mine.part",
            "x.npz"]
    for name in kept:
        (tmp_path / name).write_bytes(b"")
    run = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path], stdout=subprocess.PIPE,
                           cwd=Path(__file__).parents[2])
    run.stdout.readline()
    disk.clear_unfinished(tmp_path)
    assert len(os.listdir(tmp_path)) == len(kept) + 2       # it writes on
    run.kill()
    run.communicate()
    disk.clear_unfinished(tmp_path)
    assert sorted(os.listdir(tmp_path)) == sorted(kept)
