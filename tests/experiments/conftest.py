"""Fixtures of the tests of the scripts."""
import sys
from pathlib import Path

import pytest

from data import strokes
from experiments import stability, table5
from experiments.benchmark import search, timing
from experiments.shared import cache, cli
from nets.training import loop


@pytest.fixture
def in_this_process(monkeypatch):
    """Let what is meant for worker processes run here, where a test has changed constants."""
    def run_in_processes(function, jobs, *args):
        return ((i, function(*job)) for i, job in enumerate(jobs))
    for module in (cache, search, stability, table5, timing):
        monkeypatch.setattr(module, "run_in_processes", run_in_processes)


@pytest.fixture
def run(monkeypatch):
    """run(main, *words): the script on this command line, as `python -m experiments...` runs it."""
    def run(main, *words):
        monkeypatch.setattr(sys, "argv", [sys.modules[main.__module__].__file__, *map(str, words)])
        cli.run(main)
    return run


@pytest.fixture
def refusal(run, monkeypatch, tmp_path, capsys):
    """refusal(main, *words): the one line with which the script ends on this command line.

    The folder in which it runs is the test's own, and strokes are few.
    """
    for name, value in {"TRAIN": 60, "TEST": 20, "CACHE": tmp_path / "strokes"}.items():
        monkeypatch.setattr(strokes, name, value)

    def refusal(main, *words):
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            run(main, *words)
        line = caught.value.code
        if line == 2:                       # argparse's: its last line, below the usage
            line = capsys.readouterr().err.strip().splitlines()[-1]
        script = Path(sys.argv[0]).parent.stem if "__main__" in sys.argv[0] else \
            Path(sys.argv[0]).stem
        assert isinstance(line, str) and script in line and "\n" not in line
        return line
    return refusal


@pytest.fixture
def interrupt(monkeypatch):
    """interrupt(): Ctrl-C comes in the third epoch from now on; a list grows with every epoch."""
    def interrupt():
        one_epoch, begun = loop.train_epoch, []

        def interrupted(*args):
            begun.append(1)
            if len(begun) == 3:
                raise KeyboardInterrupt
            return one_epoch(*args)
        monkeypatch.setattr(loop, "train_epoch", interrupted)
        return begun
    return interrupt


@pytest.fixture
def first_numbers(monkeypatch):
    """The first random number of every epoch, of which none is trained."""
    drawn = []
    monkeypatch.setattr(loop, "train_epoch", lambda optimiser, cost, x, t, rates, rng, batch:
                        drawn.append(rng.random()) or [0.0])
    return drawn
