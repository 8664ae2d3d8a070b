"""The digits that we draw: repeatable, laid out as MNIST's, legible, and kept on disk with care."""

import os

import numpy as np
import pytest

from data import strokes
from nets import store


@pytest.fixture(scope="module")
def digits():
    return strokes.draw(1000, seed=7)


@pytest.fixture
def small(monkeypatch, tmp_path):
    """load() of 30 + 20 images with a cache of its own; returns the folder of the cache."""
    monkeypatch.setattr(strokes, "TRAIN", 30)
    monkeypatch.setattr(strokes, "TEST", 20)
    monkeypatch.setattr(strokes, "CACHE", tmp_path / "raw" / "strokes")
    return strokes.CACHE


def no_drawing(*_):
    raise AssertionError("drawn, where the cache should have been read")


def same(a, b):
    return all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))


def test_a_seed_gives_the_same_images_whatever_the_count():
    assert same(strokes.draw(20, seed=3), strokes.draw(20, seed=3))
    assert same(strokes.draw(5, seed=3), [a[:5] for a in strokes.draw(20, seed=3)])
    assert len(strokes.draw(0, seed=3)[0]) == 0


def test_another_seed_gives_other_images():
    x, _ = strokes.draw(20, seed=3)
    other, _ = strokes.draw(20, seed=4)
    assert not (x[:, None] == other).all((2, 3, 4)).any()


def test_images_are_floats_in_steps_of_a_255th(digits):
    x, t = digits
    assert x.shape == (1000, 1, 28, 28) and x.dtype == np.float32
    assert t.shape == (1000,) and t.dtype == np.int64
    assert x.min() == 0 and x.max() == 1
    assert np.array_equal(x, np.round(x * 255).astype(np.uint8) / np.float32(255))


def test_images_are_sized_as_those_of_mnist(digits):
    rows = (digits[0][:, 0] > 0.1).any(2).sum(1)
    columns = (digits[0][:, 0] > 0.1).any(1).sum(1)
    longest = np.maximum(rows, columns)
    assert longest.max() <= 20 and longest.min() >= 19


def test_the_round_ends_of_a_thick_stroke_are_not_cut_off(monkeypatch):
    monkeypatch.setattr(strokes, "PEN", (4, 0, 1))
    stick = np.linspace([0, 0], [0, 1], 40)
    rows = strokes.draw_ink([stick], np.random.default_rng(0)).sum(1, dtype=float) / 255
    assert rows[10] == pytest.approx(4, abs=0.1)                  # as wide as the pen
    assert rows[0] == pytest.approx(rows[-1], abs=0.3) and 0 < rows[0] < 0.75 * rows[10]


def test_the_ink_is_centred_as_that_of_mnist(digits):
    x = digits[0][:, 0].astype(float)
    offset = [x.sum(axis) @ np.arange(28) / x.sum((1, 2)) - 14 for axis in (1, 2)]
    assert (np.abs(offset).max(0) <= 0.5001).mean() >= 0.998      # the others touch the border
    assert np.abs(offset).max() < 2


def test_there_is_as_much_ink_as_in_mnist(digits):
    assert digits[0].mean() == pytest.approx(0.131, abs=0.01)     # MNIST's mean is 0.1307


def test_all_ten_classes_are_drawn_about_equally_often(digits):
    assert np.bincount(digits[1], minlength=10).min() > 70        # of 100; the spread is 9.5


def test_every_class_has_several_templates_and_uses_them(monkeypatch):
    rng = np.random.default_rng(0)
    chosen = {label: set() for label in strokes.TEMPLATES}
    original = strokes.sample_stroke
    for label, templates in strokes.TEMPLATES.items():
        assert len({repr(template) for template in templates}) >= 2
        monkeypatch.setattr(strokes, "sample_stroke", lambda pieces, rng, seen=chosen[label]:
                            seen.add(repr(pieces)) or original(pieces, rng))
        for _ in range(100):
            strokes.draw_digit(label, rng)
        assert chosen[label] == {repr(pieces) for template in templates for pieces in template}


def test_no_two_images_of_a_class_are_alike(digits):
    x, t = digits
    for label in range(10):
        flat = x[t == label].reshape(-1, 784)
        assert len(np.unique(flat, axis=0)) == len(flat)


def test_a_linear_rule_learned_on_some_digits_reads_fresh_ones(digits):
    """Ridge regression onto the classes: over 70 % where chance is 10 %."""
    (x, t), (x_test, t_test) = digits, strokes.draw(500, seed=8)
    x, x_test = (np.hstack([a.reshape(len(a), -1), np.ones((len(a), 1))]) for a in (x, x_test))
    W = np.linalg.solve(x.T @ x + 20 * np.eye(785), x.T @ np.eye(10)[t])
    assert ((x_test @ W).argmax(1) == t_test).mean() > 0.7


def test_load_gives_what_draw_gives_and_the_test_images_are_others(small):
    train, test = strokes.load(quiet=True)
    assert same(train, strokes.draw(30, strokes.TRAIN_SEED))
    assert same(test, strokes.draw(20, strokes.TEST_SEED))
    assert strokes.TRAIN_SEED != strokes.TEST_SEED


def test_load_draws_once_and_reads_the_same_afterwards(small, monkeypatch):
    first = strokes.load(quiet=True)
    assert len(list(small.iterdir())) == 1                        # and nothing temporary is left
    monkeypatch.setattr(strokes, "draw_bytes", no_drawing)
    assert all(same(a, b) for a, b in zip(first, strokes.load(quiet=True), strict=True))


@pytest.mark.parametrize("damage", [
    lambda kept: b"",
    lambda kept: b"not an archive",
    lambda kept: kept[:len(kept) // 2],
    lambda kept: kept[:400] + b"\xff\x00\xff\x00" + kept[404:],
], ids=["empty", "foreign", "cut off", "overwritten"])
def test_a_damaged_cache_is_drawn_again_and_mended(small, damage, monkeypatch):
    first = strokes.load(quiet=True)
    path, = small.iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert all(same(a, b) for a, b in zip(first, strokes.load(quiet=True), strict=True))
    monkeypatch.setattr(strokes, "draw_bytes", no_drawing)
    assert all(same(a, b) for a, b in zip(first, strokes.load(quiet=True), strict=True))


@pytest.mark.parametrize("change", [
    {"t": np.full(30, 10)}, {"t": np.arange(30.0) % 10}, {"x": np.zeros((30, 28, 28))},
    {"x": np.zeros((29, 28, 28), np.uint8)}, {"y": 0},
], ids=["labels", "floats", "pixels", "fewer", "more"])
def test_a_cache_with_other_arrays_is_drawn_again(small, change):
    first = strokes.load(quiet=True)
    path, = small.iterdir()
    arrays = dict(np.load(path))
    seal = arrays.pop("seal")
    store.save_sealed(path, **{**arrays, **change})
    assert all(same(a, b) for a, b in zip(first, strokes.load(quiet=True), strict=True))
    store.save_arrays(path, **{**arrays, "x": 0 * arrays["x"], "seal": seal})
    assert all(same(a, b) for a, b in zip(first, strokes.load(quiet=True), strict=True))


def test_an_interrupted_write_leaves_neither_half_a_cache_nor_a_temporary_file(small, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    assert len(strokes.load(quiet=True)[0][0]) == 30
    assert list(small.iterdir()) == []


def test_a_changed_source_does_not_read_the_old_cache(small, monkeypatch, tmp_path):
    strokes.load(quiet=True)
    edited = tmp_path / "strokes.py"
    edited.write_text("# another text")
    monkeypatch.setattr(strokes, "__file__", str(edited))
    strokes.load(quiet=True)
    assert len(list(small.iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_no_error(small):
    small.parent.parent.mkdir(exist_ok=True)
    small.parent.write_text("a file where the folder should be")
    assert len(strokes.load(quiet=True)[0][0]) == 30


def test_progress_is_shown_unless_quiet(small, capsys):
    strokes.load(quiet=True)
    assert capsys.readouterr().err == ""
    next(small.iterdir()).unlink()
    strokes.load()
    assert "drawing digits" in capsys.readouterr().err
