"""What the README says: its example runs, its commands are CI's, its tables are the results'."""
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHOWN = {"benchmark": 2}                    # how many of its tables; of every other page, all


def test_the_example_prints_what_the_readme_says():
    code, said = re.search(r"```python\n(.*?)```\n\nprints `(.*?)`", README, re.S).groups()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                          env={**os.environ, "INTRIGUING_DEVICE": "cpu"})
    assert done.stdout.strip() == said, done.stderr


def test_the_test_command_is_the_one_that_ci_runs():
    command = re.search(r"^    (.* python -m pytest)$", README, re.M)[1]
    assert command in (ROOT / ".ci" / "run").read_text()


def test_every_command_names_a_script_that_exists():
    scripts = set(re.findall(r"python -m experiments\.(\w+)", README))
    assert {"table1", "table3_4", "figure1_2", "attack", "gradients", "benchmark"} <= scripts
    for name in scripts:
        assert (ROOT / "experiments" / f"{name}.py").exists()


def test_every_file_that_is_linked_exists():
    for path in re.findall(r"\]\(([\w./-]+)\)", README):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("name", ["table1", "table2", "table3_4", "figure7", "benchmark",
                                  "stability", "lipschitz_training", "adversarial_training",
                                  "cars", "figure6", "figure6-M"])
def test_the_results_shown_are_the_results_committed(name):
    text = (ROOT / "experiments" / "results" / f"{name}.md").read_text()
    tables = [part for part in text.split("\n\n") if part.startswith("|")]
    tables = tables[:SHOWN.get(name)]
    assert tables and all(row in README for table in tables for row in table.splitlines())


def test_the_cost_of_imagenet_is_the_one_committed():
    text = (ROOT / "experiments" / "results" / "benchmark.md").read_text()
    [cost] = re.findall(r"^AlexNet at 227 pixels: .*", text, re.M)
    assert " ".join(cost.split()) in " ".join(README.split())


@pytest.mark.parametrize(("name", "count"), [("figure1_2", 7), ("figure3_4", 5), ("cars", 4),
                                             ("adversarial_training", 6),
                                             ("benchmark-quocnet", 5)])
def test_the_findings_are_the_findings_committed(name, count):
    text = (ROOT / "experiments" / "results" / f"{name}.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(lines) == count and all(line in README for line in lines)
