"""Weights on disk: whole or not at all, arrays only, and only into the net that they fit."""
import errno
import os
import zipfile

import numpy as np
import pytest

from nets import store
from nets.backend import to_host
from nets.models.fc import fc

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
    arrays = {"x": np.zeros((0, 3), np.float32), "t": np.arange(4), "name": np.array("MNIST")}
    store.save_arrays(path, **arrays)
    found = store.load_arrays(path)
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
    *((values(made(0, sizes)), r"holds arrays .*; this net has .*\(5, 4\)")
      for sizes in ((5, 4, 2), (5, 3), (5, 4, 4, 3))),
    (with_last(np.nan), "weights .* not all finite"), (with_last(np.inf), "weights .* not all fin"),
    ([np.zeros(p.shape, int) for p in values(made(0))], "weights of type int64"),
], ids=["narrower", "shallower", "deeper", "NaN", "infinity", "integers"])
def test_weights_that_do_not_fit_are_refused_and_the_net_stays_as_it_was(path, params, said):
    store.save_arrays(path, **{f"p{i}": p for i, p in enumerate(params)})
    net, before = made(1), values(made(1))
    with pytest.raises(ValueError, match=rf"net\.npz: {said}"):
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
    with pytest.raises(ValueError, match=r"net\.npz"):
        store.load_arrays(path)
    np.array([Trap()], object).dump(path)
    with pytest.raises(ValueError, match=r"net\.npz"):
        store.load_arrays(path)
    assert not ran.exists()


def test_objects_are_not_saved_either(path):
    with pytest.raises(ValueError, match="[Oo]bject"):
        store.save_arrays(path, a=np.array([{}], object))
    assert not path.exists()


def test_a_file_of_another_kind_is_refused(path):
    path.parent.mkdir()
    np.save(path.with_suffix(".npy"), np.zeros(3))
    path.with_suffix(".npy").rename(path)
    with pytest.raises(ValueError, match=r"net\.npz: not a whole \.npz"):
        store.load_arrays(path)
    path.write_text("error: not found")
    with pytest.raises(ValueError, match=r"net\.npz: not a whole \.npz"):
        store.load_arrays(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"net\.npz"):
        store.load(path, made(0))


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "No space left on device"),
                                  KeyboardInterrupt()])
def test_a_write_that_stops_half_way_leaves_the_old_file_and_nothing_else(path, stop):
    def half(file):
        file.write(b"half of it")
        raise stop

    store.write_whole(path, lambda file: file.write(b"old"))
    with pytest.raises(type(stop)):
        store.write_whole(path, half)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["net.npz"]


def test_a_disk_that_fills_up_while_saving_leaves_no_file(path, monkeypatch):
    def full(file, **arrays):
        file.write(b"PK")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        store.save(path, made(0))
    assert os.listdir(path.parent) == []


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
        store.open_regular(tmp_path / "x")


def test_a_device_is_not_opened_and_a_file_is(tmp_path):
    with pytest.raises(OSError, match="/dev/zero: .*expected a regular file"):
        store.open_regular("/dev/zero")
    (tmp_path / "x").write_bytes(b"abc")
    with store.open_regular(tmp_path / "x") as file:
        assert file.read() == b"abc"
