"""The exercises: no start passes its check, every answer does, and the command says so."""
import re
from pathlib import Path

import pytest

from experiments import exercises as script
from experiments.shared import exercises

HERE = Path(__file__).parent


@pytest.fixture(params=exercises.STARTS, ids=lambda path: path.stem)
def start(request):
    return request.param


def test_a_start_fails_its_check_with_a_reason(start):
    assert len(script.find_problem(start, start)) > 10


def test_the_answer_passes_the_check(start):
    module = exercises.load(start)
    answer = (HERE / start.name).read_text()
    exec(compile(answer, start.name, "exec"), vars(module))     # what it defines takes its place
    module.check()


def test_the_exercises_are_ten_each_with_title_task_and_hint():
    texts = exercises.read_all()
    assert len(texts) == 10
    assert all(len(title) < 60 and len(task) > 40 and len(hint) > 40 for title, task, hint in texts)
    assert [path.stem[:3] for path in exercises.STARTS] == [f"e{i:02}" for i in range(1, 11)]


def test_the_command_copies_the_starts_once_checks_all_and_names_the_next(tmp_path, capsys):
    mine = tmp_path / "exercises" / "e02_tanh.py"
    assert all(script.main(out=str(tmp_path)).values())
    assert "Next, exercise 1: Sigmoid: backward gives dx with the wrong sign" in \
        capsys.readouterr().out
    start = mine.read_text()
    answer = (HERE / "e02_tanh.py").read_text()
    mine.write_text(start.replace("\n\ndef check", f"\n\n{answer}\n\ndef check"))
    problems = script.main(out=str(tmp_path))
    assert [i for i in problems if not problems[i]] == [2]
    assert re.search(r"^\| 2 .* Yes", capsys.readouterr().out, re.M)
    script.main(2, str(tmp_path))
    assert "Exercise 2 is solved" in capsys.readouterr().out


@pytest.mark.parametrize("code, said", [
    ("def check(:", "SyntaxError"), ("import nothing_of_this_name", "ModuleNotFoundError"),
    ("class Dense:\n    def __init__(self, D, H, rng):\n        1 / 0",
     "line 3: ZeroDivisionError"),
    ("class Dense:\n    def __init__(self, D, H, rng):\n        assert 0", "the check fails"),
    ("import sys\nsys.exit()", "line 2: SystemExit"),
    ("def check():\n    pass", "write gradients")])       # a check of one's own does not count
def test_what_a_readers_code_raises_becomes_one_line(tmp_path, code, said):
    path = tmp_path / "exercises" / exercises.STARTS[2].name
    path.parent.mkdir()
    path.write_text(code)
    with pytest.raises(RuntimeError, match=f"^exercise 3, .*{said}") as caught:
        script.main(3, str(tmp_path))
    assert "\n" not in str(caught.value)


def test_a_number_beyond_the_last_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--number 11: choose 1 to 10"):
        script.main(11, str(tmp_path))
