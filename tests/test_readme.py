"""What the README files say: their code runs, their commands and links exist, CI runs the tests."""
import importlib
import importlib.util
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from data import strokes
from experiments.shared import cache, models

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "data/README.md", "nets/README.md", "experiments/README.md",
         "experiments/clusters.md"]
README, EXPERIMENTS = ((ROOT / page).read_text() for page in ("README.md", "experiments/README.md"))


def test_the_example_prints_what_the_readme_says():
    code, output = re.search(r"```python\n(.*?)```\n\nprints `(.*?)`", README, re.S).groups()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "INTRIGUING_DEVICE": "cpu"})
    assert done.stdout.strip() == output, done.stderr


def test_the_script_of_ones_own_runs(monkeypatch, tmp_path, capsys):
    small = "strokes", strokes.draw(300, 1), strokes.draw(10, 2)
    monkeypatch.setattr("data.load", lambda name, quiet=False: small)
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    monkeypatch.setattr(cache, "load_or_train", lambda names, *args: {
        name: models.build(name, 0).astype("float64") for name in names})   # training: minutes
    code, = re.findall(r"```python\n(.*?)```", EXPERIMENTS, re.S)
    script = {"__name__": "mine"}
    exec(compile(code, "experiments/README.md", "exec"), script)
    script["main"](workers=1, quiet=True)
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(table) == 12 and table[0].split() == ["|", "digit", "|", "av.", "distortion", "|"]


def test_the_net_of_ones_own_in_table_1_can_be_built():
    name, model = re.search(r'`"(FC\S+)": (sigmoid\(.*\)),`', EXPERIMENTS).groups()
    code = f"""
from nets.models import MODELS, fc
MODELS[{name!r}] = fc.{model}
from experiments.shared import models
print(len(models.build({name!r}, 0).params) == 2 * len(MODELS[{name!r}].lams), models.BEYOND)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == f"True ['FC100-100-10 again', 'LeNet', '{name}']", done.stderr


def test_the_test_command_is_the_one_that_ci_runs():
    command = re.search(r"^    (.* python -m pytest)$", README, re.M)[1]
    assert command in (ROOT / ".ci" / "run").read_text()


def commands(page):
    """[(script or "", what follows it)] of a page's commands, but not of a script of one's own."""
    found = re.findall(r"-m experiments(?:\.(\w+))?([^`|\n]*)", (ROOT / page).read_text())
    return [(script, flags) for script, flags in found if script != "mine"]


@pytest.mark.parametrize("page", ["README.md", "experiments/README.md", "experiments/clusters.md"])
def test_every_command_names_a_script_that_exists_and_flags_that_it_has(page):
    assert commands(page)
    for script, flags in commands(page):
        name = f"experiments.{script}" if script else "experiments"
        spec = importlib.util.find_spec(name)
        assert spec, f"{page}: there is no {name}"
        if spec.submodule_search_locations:
            name += ".__main__"
        known = inspect.signature(importlib.import_module(name).main).parameters
        for flag in re.findall(r"--([\w-]+)", flags):
            assert flag.replace("-", "_") in known, f"{page}: {name} has no --{flag}"


def test_every_script_that_can_be_run_has_its_line():
    scripts = {path.stem for path in (ROOT / "experiments").glob("*.py")
               if "\nif __name__ ==" in path.read_text()} - {"__main__"}
    assert scripts - {script for script, _ in commands("experiments/README.md")} == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading_that_exist(page):
    here = ROOT / page
    for link in re.findall(r"\]\((?!\w+:)([^)\s]+)\)", here.read_text()):
        path, _, heading = link.partition("#")
        there = here.parent / path if path else here
        assert there.exists(), f"{page}: {link}"
        if heading:
            heads = re.findall(r"^#+ (.*)", there.read_text(), re.M)
            assert heading in [re.sub(r"[^\w -]", "", head).lower().replace(" ", "-")
                               for head in heads], f"{page}: {link}"
