"""Names for what is kept in runs/cache: what a result depends on, and nothing else.

Code counts as its syntax tree: a comment, a docstring or a line break changes no name.  A module
counts together with the modules that it imports from this project or from its own folder.
"""
import ast
import functools
import hashlib
import importlib.util
import inspect
import sys
import textwrap
import uuid
import warnings
from pathlib import Path
from types import ModuleType

import numpy as np

from nets import backend, store

ROOT = Path(__file__).parents[2]


def fingerprint(*parts, code=(), apart=()):
    """32 hex digits that name a result.

    Args:
        parts: all that it depends on: arrays, words, numbers, None, and objects such as a Net, by
            what they hold and by the code of their classes.
        code: modules, which count with all that they import, and functions.
        apart: names of packages whose code does not count.

    Returns:
        The name.  If the code of a class cannot be read, a new name each time, after a warning:
        such a result is not found again.
    """
    sha = hashlib.sha256(backend.xp.__name__.encode())
    modules = {one.__name__ for one in code if isinstance(one, ModuleType)}
    functions = [one for one in code if not isinstance(one, ModuleType)]
    try:
        add_value(sha, [*parts, *map(read_code, [*functions, store.save_sealed])], modules)
        sha.update(hash_modules(frozenset(modules), apart))
    except (OSError, TypeError, SyntaxError) as error:
        warnings.warn(f"{error}: what depends on it is computed each time", stacklevel=2)
        sha.update(uuid.uuid4().bytes)
    return sha.hexdigest()[:32]


def add_value(sha, value, modules):
    """Add a value to a hash: an array by its numbers, an object by what it holds.

    The modules of the classes of objects, and of their bases, are added to the set `modules`.

    Raises:
        TypeError: the value is of a kind whose text does not tell what it is.
    """
    if isinstance(value, np.ndarray | backend.xp.ndarray):
        array = backend.to_host(value)
        sha.update(f"{array.dtype} {array.shape}".encode() + array.tobytes())
    elif isinstance(value, list | tuple | dict):
        items = value.items() if isinstance(value, dict) else value
        sha.update(f"{type(value).__name__} {len(value)}".encode())
        for item in items:
            add_value(sha, item, modules)
    elif value is None or isinstance(value, int | float | str | np.generic):
        sha.update(f"{value!r}\n".encode())
    elif hasattr(value, "__dict__") and not callable(value):
        sha.update(type(value).__qualname__.encode())
        modules |= {base.__module__ for base in type(value).__mro__[:-1]}
        add_value(sha, vars(value), modules)
    else:
        raise TypeError(f"{value!r} cannot be part of a name in runs/cache")


@functools.cache
def hash_modules(names, apart):
    """SHA-256 of the code of modules and of what they import; OSError where it cannot be read."""
    sha, found, todo = hashlib.sha256(), set(), set(names)
    while todo:
        name = todo.pop()
        if not name.startswith(apart):
            found.add(name)
            todo |= set(find_imports(name)) - found
    for name in sorted(found):
        sha.update(read_code(sys.modules[name]).encode())
    return sha.digest()


@functools.cache
def read_code(thing):
    """The syntax tree of a module or a function as text, without docstrings."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing)))
    for node in ast.walk(tree):
        has_body = isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if has_body and ast.get_docstring(node) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def find_imports(name):
    """The names of modules that a module imports and that lie in this project, or beside it."""
    module = sys.modules[name]
    tree = ast.parse(inspect.getsource(module))
    folder = Path(module.__file__).parent
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), name)
            imported = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for other in imported:
            path = Path(getattr(sys.modules.get(other), "__file__", None) or "/")
            ours = path.is_relative_to(ROOT) and "site-packages" not in path.parts
            if ours or path.parent == folder:
                yield other
