"""Results: cells and tables in Markdown; `save` writes a page and its record together."""
import importlib.metadata
import inspect
import json
import platform
import shlex
import time
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from data.pictures import escape
from experiments.shared import charts
from experiments.shared import pictures as drawing
from nets.backend import name_device, xp
from nets.disk import write_together

ROUNDING = 1e-12
OUR_FOLDER = "data/raw/cifar10-jpeg"        # where the committed results have photographs from


def format_command(stem, main, flags):
    """The command line that gives main these flags; a flag with its default value is left out."""
    words = [f"python -m experiments.{stem}"]
    for name, parameter in inspect.signature(main).parameters.items():
        if flags[name] != parameter.default:
            words.append(f"--{name.replace('_', '-')}")
            words += [] if flags[name] is True else [escape(shlex.quote(str(flags[name])))]
    return " ".join(words)


def describe_replacement(command):
    """What a reader can run in place of a command with OUR_FOLDER: sentences, or ""."""
    if OUR_FOLDER not in command:
        return ""
    return (f"  {OUR_FOLDER} held 25,000 photographs of CIFAR-10 as JPEG files, 20,000 to train "
            "on.  All of CIFAR-10, downloaded, gives slightly other numbers: "
            f"`{command.replace(OUR_FOLDER, 'cifar10')}`.")


def mean(a):
    """The mean of an array (N,) without its NaN, or None if nothing is left."""
    a = a[~np.isnan(a)]
    return float(a.mean()) if len(a) else None


def deviation(a):
    """The standard deviation of an array (N,) without its NaN, or None if nothing is left."""
    a = a[~np.isnan(a)]
    return float(a.std()) if len(a) else None


def describe_data(name):
    """The data set's name, as a caption shows it."""
    return {"mnist": "MNIST", "cifar10": "CIFAR-10", "imagenette": "Imagenette", "stl10": "STL-10",
            "strokes": "strokes (drawn digits that stand in for MNIST: not the paper's data)",
            "none": "none"}.get(name, f"the photographs in {escape(name)}")


def format_cell(ours, paper=None, digits=3):
    """Our number, and in brackets the paper's, to so many significant digits.

    None and NaN become a dash.  A list, one number for each seed, becomes mean ± standard
    deviation.  Without a paper's number there are no brackets.
    """
    if isinstance(ours, list):
        text = format_spread(ours)
    elif ours is None or np.isnan(ours):
        text = "-"
    else:
        text = f"{ours:.{digits}g}" if abs(ours) < 10 ** digits else f"{ours:.0f}"
    return text if paper is None else f"{text} ({paper:g})"


def format_spread(values):
    """A cell: the mean of values, and, if there are several, ± their standard deviation."""
    values = np.array([np.nan if v is None else v for v in values], float)
    text = format_cell(mean(values))
    if len(values) == 1 or np.isnan(values).any():
        return text
    spread = values.std(ddof=1)
    rounding = ROUNDING * abs(values).max()     # all that equal numbers differ by
    return f"{text} ± {format_cell(spread if spread > rounding else 0.0, digits=2)}"


def format_answer(true):
    """Yes or No."""
    return "Yes" if true else "No"


def average_column(rows, column):
    """The mean of a column of rows [{column: number or None}]; NaN if one is None."""
    return np.mean([np.nan if row[column] is None else row[column] for row in rows])


def name_record(stem, seeds):
    """The stem of a result: that of many seeds has a name of its own."""
    return stem if seeds == 1 else f"{stem}-seeds"


def join_seeds(numbers):
    """One record of the records of many seeds: where each has a number, it has their list.

    numbers: one for each seed, dicts of the same keys, of dicts, numbers or words.  A word is the
    first seed's.  One seed: its own.
    """
    first = numbers[0]
    if len(numbers) == 1 or isinstance(first, str):
        return first
    if isinstance(first, dict):
        return {key: join_seeds([of[key] for of in numbers]) for key in first}
    return numbers


def average(value):
    """The mean of a list, one number for each seed; or the number itself."""
    return float(np.mean(value)) if isinstance(value, list) else value


def group_by_seed(numbers):
    """{name: [row of each seed]} of a record's numbers {"name, seed s": row}."""
    groups = {}
    for name, row in numbers.items():
        groups.setdefault(name.rpartition(", seed ")[0], []).append(row)
    return groups


def format_table(head, rows):
    """A Markdown table; its columns are aligned, so it reads well as plain text."""
    rows = [[escape(c).replace("|", "\\|") for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def save(stem, main, flags, data, started, text, numbers, pictures=None):
    """Write out/stem.md, out/stem.json and the pictures, all or none, and print the text.

    Args:
        stem: the script's name, and after a hyphen, if there is one, the name of the result.
        main: the script's main function.
        flags: {flag: value}; flags["out"] is the folder, see `choose_folder`.
        data: the data set's name.
        started: the time of the start, in seconds.
        text: the page in Markdown; a line with the data and the command is added.
        numbers: what the text shows, for JSON; NaN becomes null.
        pictures: {name of a PNG file: an image of Pillow's, a chart, or None for no picture: then
            an earlier run's is deleted}.
    """
    out = choose_folder(flags["out"], data)
    cmd = format_command(stem.partition("-")[0], main, flags)
    flags = {name: escape(value) if isinstance(value, str) else value
             for name, value in flags.items()}
    note = describe_replacement(cmd)
    record = {"command": cmd, **({"note": note.strip()} if note else {}), "flags": flags,
              "data": escape(data), "seconds": round(time.time() - started, 1),
              "versions": list_versions(), "numbers": numbers}
    text = f"{text}\n\nData: {describe_data(data)}.  Made by `{cmd}`.{note}\n"
    text = text.encode(errors="backslashreplace").decode()      # a name may hold what is no text
    record = json.loads(json.dumps(record), parse_constant=lambda _: None)      # NaN: null
    record = json.dumps(record, indent=1) + "\n"
    pictures = {out / name: picture for name, picture in (pictures or {}).items()}
    write_together({
        **{path: partial((drawing if isinstance(picture, Image.Image) else charts).write, picture)
           for path, picture in pictures.items() if picture},
        out / f"{stem}.md": lambda file: file.write(text.encode()),
        out / f"{stem}.json": lambda file: file.write(record.encode()),
    })
    for path, picture in pictures.items():
        if not picture:
            path.unlink(missing_ok=True)    # it would look like this run's
    print(f"\n{text}Saved as {escape(out / stem)}.md and .json.\n", flush=True)


def choose_folder(out, data):
    """The folder for results on this data set: out, but for strokes, which have their own in it."""
    return Path(out) / data if data == "strokes" else Path(out)


def list_versions():
    """The versions of Python and of the packages that decide the numbers."""
    return {"python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("numpy", "scipy")},
            **({} if xp is np else {"cupy": xp.__version__, "device": name_device()})}
