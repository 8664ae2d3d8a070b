"""What the README says: its example runs, its commands are CI's.  Its numbers: test_report."""
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


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
