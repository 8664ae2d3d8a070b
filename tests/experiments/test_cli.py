"""--help: every flag of every script has a text, of what this script accepts and no more."""
import importlib
import inspect
from pathlib import Path

import pytest

from experiments.shared import cli

ROOT = Path(__file__).parents[2]
SCRIPTS = ["experiments.benchmark.__main__", "experiments.report.__main__",
           *(f"experiments.{path.stem}" for path in (ROOT / "experiments").glob("*.py")
             if "\ndef main(" in path.read_text())]


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_names_what_this_script_accepts(name, monkeypatch, capsys):
    module = importlib.import_module(name)
    flags = inspect.signature(module.main).parameters
    monkeypatch.setattr("sys.argv", [name, "--help"])
    with pytest.raises(SystemExit):
        cli.parse(name, module.main, module)
    text = " ".join(capsys.readouterr().out.partition("options:")[2].split())
    for flag in flags:
        assert flag in cli.FLAGS | getattr(module, "HELP", {}), f"{name}: --{flag} has no text"
    if "data" in flags:
        digits = flags["data"].default == "auto"
        assert ("strokes" in text) == digits, name
        assert ("imagenette" in text) == (not digits or "photographs" in flags), name
