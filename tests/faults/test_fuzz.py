"""The fuzz of the doors: some hundred inputs are clean, and what is not clean is noticed."""
import os
import sys
import time
import warnings

import numpy as np
import pytest

from tests.faults import fuzz

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.mark.parametrize("door", fuzz.DOORS)
def test_hostile_inputs_are_refused_in_one_line_or_right(door):
    for seed in range(20):
        assert not (unclean := fuzz.judge(door, seed)), f"seed {seed}: {unclean}"


def fail(error, cause=None):
    def door(path):
        raise error from cause
    return door


UNCLEAN = {                                 # what a door does, and what is said of it
    "a wrong value": (lambda path: 8, "assert value == 7"),
    "another error": (fail(TypeError("x.npz")), "TypeError"),
    "no name": (fail(ValueError("damaged")), "AssertionError: damaged"),
    "two lines": (fail(ValueError("x.npz:\ndamaged")), "AssertionError: x.npz:"),
    "hidden lack of memory": (fail(ValueError("x.npz"), MemoryError()), "out of memory: x.npz"),
    "much memory": (lambda path: np.ones(2 ** 28), "MemoryError"),
    "a long time": (lambda path: time.sleep(9), "longer than 0.1 s"),
    "a line on stderr": (lambda path: os.write(2, b"warning\n") and 7, "not our lines: "),
    "a warning": (lambda path: warnings.warn("old", stacklevel=1) or 7, "not our lines: "),
    "a file elsewhere": (lambda path: path.parents[1].joinpath("x").touch() or 7, "files outside"),
    "half a file": (lambda path: path.with_suffix(".part").touch() or 7, "an unfinished file"),
}


def check_seven(value, path):
    assert value == 7


@pytest.mark.parametrize("what", UNCLEAN)
def test_what_is_not_clean_is_noticed_and_can_be_repeated(what, monkeypatch, capsys):
    call, says = UNCLEAN[what]
    monkeypatch.setattr(fuzz, "SECONDS", 0.1 if what == "a long time" else 60)
    monkeypatch.setitem(fuzz.DOORS, "toy", fuzz.Door(
        lambda rng, here, patch: (here / "x.npz",), call, check_seven))
    assert fuzz.main(["--door", "toy", "--seed", "3", "--count", "9"]) == 1
    printed = capsys.readouterr().out
    assert says in printed and "--door toy --seed 3 --count 1" in printed


def test_a_seed_makes_the_same_input_again(tmp_path, monkeypatch):
    def make(name):
        (tmp_path / name).mkdir()
        return fuzz.make_picture(np.random.default_rng(5), tmp_path / name, monkeypatch)[0]
    assert make("a").read_bytes() == make("b").read_bytes()
    assert fuzz.main(["--count", "34"]) == 0
