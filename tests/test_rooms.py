"""Which rooms may import which: arrows point down only.

experiments -> experiments/shared -> intriguing -> nets, data.  A script imports no other script;
the main job, experiments/__main__.py, runs them, and experiments/report shows what they save.  No
test imports another.
"""
import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY = {                                     # besides what stands in the same room
    "nets": set(),
    "data": {"nets"},                       # nets/disk.py: files, whole or not at all
    "intriguing": {"nets", "data"},
    "experiments.shared": {"intriguing", "nets", "data"},
    "experiments.benchmark": {"experiments.shared", "intriguing", "nets", "data"},
    "script": {"experiments.shared", "intriguing", "nets", "data"},
    "experiments.report": {"script", "experiments.benchmark", "experiments.shared", "intriguing",
                           "nets", "data"},
    "experiments.data": {"experiments"},    # stands in for data where a script runs as a file
    "experiments.__main__": {"script", "experiments.shared", "intriguing", "nets", "data"},
}
FILES = [ROOT / "intriguing.py", *sorted(
    path for top in ("nets", "data", "experiments") for path in (ROOT / top).rglob("*.py"))]


def module_of(path):
    """The module at a path, with dots."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module):
    """The room that a module stands in, or None if it is not ours."""
    parts = module.split(".")
    if parts[0] == "experiments":
        if parts[1:2] in (["shared"], ["benchmark"], ["report"], ["__main__"], ["data"]):
            return ".".join(parts[:2])
        return "script" if parts[1:] else "experiments"
    return parts[0] if parts[0] in MAY else None


def imports(path):
    """The modules of ours that a file imports, wherever in it."""
    modules = {module_of(other) for other in FILES}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if full in modules else node.module


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_arrows_point_down_only(path):
    own = room(module_of(path))
    for module in imports(path):
        other = room(module)
        if other is None or module == module_of(path):
            continue
        allowed = MAY.get(own, {"nets"})            # experiments/__init__.py: nets.backend
        if own != "script":                         # a room's files may import each other
            allowed = allowed | {own}
        assert other in allowed, f"{module_of(path)} imports {module}"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=module_of)
def test_no_test_imports_another(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [*(alias.name for alias in node.names), getattr(node, "module", "")]
            assert not any(name.rpartition(".")[2].startswith("test_") for name in names), names
