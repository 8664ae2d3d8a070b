"""The exercises of the lesson: each file here is the start of one, with its task, hint and check.

A start is a module with a docstring (title, task, "Hint: ...") and a function `check`, which raises
an error until the exercise is solved.  `python -m experiments.exercises` copies the starts for the
reader to change.  The answers stand in tests/exercises.
"""
import importlib.util
import re
from pathlib import Path

import numpy as np

from nets.models.fc import fc

STARTS = sorted(Path(__file__).parent.glob("e[0-9][0-9]_*.py"))


def read_all():
    """[(title, task, hint)] of all exercises, in their order."""
    return [read_text(path) for path in STARTS]


def read_text(path):
    """The title, the task and the hint of an exercise, from the docstring of its start."""
    docstring = path.read_text().split('"""')[1]
    title, task, hint = re.fullmatch(r"\d+\. (.+?)\n\n(.*?)\n\nHint: (.*?)\n?", docstring,
                                     re.S).groups()
    return title.rstrip("."), *(" ".join(text.split()) for text in (task, hint))


def load(path):
    """The module of an exercise, run from its file; whatever its code raises is raised."""
    spec = importlib.util.spec_from_file_location(path.stem, path.resolve())
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check(start, answer):
    """Run the check of a start on the functions and classes of an answer, both paths."""
    module, names = load(start), vars(load(answer))
    vars(module).update({name: thing for name, thing in names.items()
                         if name != "check" and not name.startswith("__")})
    module.check()


def make_problem():
    """A small linear net, 8 images x (8, 20) float32, and a wanted label for each (8,)."""
    net = fc((20, 5), np.random.default_rng(0))
    net.params[0][...] *= 5
    x = np.random.default_rng(1).uniform(0.1, 0.9, (8, 20)).astype(np.float32)
    return net, x, (net.predict(x) + 1) % 5
