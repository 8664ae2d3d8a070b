"""The command line of every script: what it refuses, in one line, and what --help says."""
import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from toys import on_numpy

from experiments.shared import samples

ROOT = Path(__file__).parents[2]
DIGIT = ROOT / "experiments" / "results" / "digit.png"
SCRIPTS = sorted(path.stem for path in (ROOT / "experiments").glob("*.py")
                 if "\ndef main(" in path.read_text()) + ["benchmark", "report"]


def main_of(name):
    """The function `main` of a script, or of a package that is run."""
    package = (ROOT / "experiments" / name).is_dir()
    return importlib.import_module(f"experiments.{name}" + ".__main__" * package).main


@pytest.mark.parametrize("command, said", [
    ("__main__ --count 0 --data strokes", "count 0"),
    ("adversarial_training --epochs 0", "--epochs 0: expected 1 or more"),
    ("adversarial_training --epochs 100000000000000", "expected 1,000,000 at most"),
    ("adversarial_training --seeds 0", "--seeds 0: expected 1 or more"),
    ("attack --target 3", "required: --image"),
    ("attack --image none.png", "--image none.png: there is no such file"),
    ("attack --image x.png --solver theirs", "--solver theirs: choose one of auto, scipy"),
    (f"attack --image {DIGIT} --data strokes --net 'LeNet on P3'", "P3"),
    (f"attack --image {DIGIT} --data strokes --net FC7", "no net is called 'FC7'"),
    ("benchmark --which lenet", "--which lenet: choose one of search, alexnet, quocnet"),
    ("cars --seeds 0", "--seeds 0: expected 1 or more"),
    ("cars --seeds 1000000000", "--seeds 1000000000: expected 1,000 at most"),
    ("cars --size XL", "--size XL: choose one of S, M, L, full"),
    ("figure1_2 --seed -1", "--seed -1: expected 0 or more"),
    ("exercises --number 11", "--number 11: choose 1 to 10"),
    ("gradients --net FC7 --data strokes", "no net is called 'FC7'"),
    ("lesson --net FC7", "no net is called 'FC7'"),
    ("lesson --image none.png", "--image none.png: there is no such file"),
    ("lipschitz_training --net 'FC10(1)'", "--net FC10(1): choose "),
    ("lipschitz_training --seeds 0", "--seeds 0: expected 1 or more"),
    ("table1 --data cats", "'cats'"),
    ("table1 --solver theirs", "--solver theirs: choose one of auto, scipy, by-hand"),
    ("table1 --count many", "invalid int value: 'many'"),
    ("table1 --count=--", "--count"),
    ("table1 --colour red", "unrecognized arguments: --colour red"),
    ("table1 --net 'FC10\nfolder'", "'FC10\\nfolder' on the command line: expected one line"),
    ("table1 --workers 9999", "--workers 9999: expected 1,024 at most"),
    ("table1 --workers -1", "--workers -1: expected 0 or more"),
    ("table2 --targets all", "--targets all: choose one of random, nearest"),
    ("table2 --train sgd", "--train sgd: choose one of adam, lbfgs"),
    ("table3_4 --data strokes --count 20000", "count 20000"),
    ("table5 --weights random", "no weights are called 'random'"),
    *((f"{script} --weights nope.npz", "nope.npz: there is no such file; python -m experiments."
       f"{'train_quocnet' if script == 'figure6' else 'train_alexnet'} makes one")
      for script in ("benchmark --which alexnet", "figure3_4", "figure5", "figure6", "stability"))])
def test_what_cannot_be_is_refused_in_one_line(refusal, command, said):
    name, *words = shlex.split(command)
    assert said in refusal(main_of(name), *words)


@pytest.mark.parametrize("command", [
    f"attack --image {DIGIT} --net 'FC10(1) on /../../x'", "gradients --net 'FC10(1) on /../../x'",
    "table1 --seeds 0", "train_alexnet --epochs 0"])
def test_what_is_refused_leaves_no_folder(refusal, tmp_path, command):
    name, *words = shlex.split(command)
    refusal(main_of(name), *words, "--data", "strokes", "--out", tmp_path / "a" / "b")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["table1", "train_alexnet"])
def test_an_unwritable_folder_of_results_is_named_before_any_work(
        refusal, monkeypatch, tmp_path, name):
    monkeypatch.setattr(samples, "load", None)          # would fail if it were called
    (tmp_path / "out").write_text("a file, not a folder")
    assert "out: cannot be written to" in refusal(main_of(name), "--out", tmp_path / "out")


def test_a_folder_of_data_that_is_not_there_is_named(refusal, monkeypatch, tmp_path):
    monkeypatch.setenv("INTRIGUING_DATA", str(tmp_path / "nowhere"))
    assert "nowhere, which is no folder" in refusal(main_of("__main__"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_is_the_docstring(run, capsys, name):
    main = main_of(name)
    with pytest.raises(SystemExit) as caught:
        run(main, "--help")
    text = capsys.readouterr().out
    assert caught.value.code == 0 and sys.modules[main.__module__].__doc__.strip() in text
    assert "--out" in text


@on_numpy
@pytest.mark.parametrize("words, environment, said", [
    ("experiments.table1 --help", {}, "--count"),
    ("experiments.table1", {"INTRIGUING_DEVICE": "gpu", "CUDA_VISIBLE_DEVICES": ""}, "gpu"),
    ("experiments", {"INTRIGUING_DEVICE": "tpu"}, "tpu")])
def test_python_m_runs_a_script_and_an_unknown_device_is_one_line(words, environment, said):
    done = subprocess.run([sys.executable, "-m", *words.split()], cwd=ROOT, capture_output=True,
                          text=True, env={**os.environ, **environment})
    assert (done.returncode == 0) == ("--help" in words) and "Traceback" not in done.stderr
    assert said in (done.stdout or done.stderr.splitlines()[-1])
