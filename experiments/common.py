"""What the experiments share: flags, one line for each error, tables, and saving."""
import argparse
import importlib.metadata
import inspect
import json
import platform
import shlex
import signal
import sys
import tempfile
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import numpy as np

import data as datasets
from intriguing import ENGINES
from nets.store import write

FLAGS = {                                   # they mean the same in every script
    "data": "what images: digits, auto (MNIST, or strokes where it cannot be had), mnist, strokes; "
            "or photographs, cifar10, imagenette, stl10, or a folder of them, a folder a class",
    "count": "how many images are attacked",
    "seed": "of everything random: nets' starts, samples, halves, targets, noise, directions",
    "image": "the picture of a digit, in any format that Pillow reads",
    "target": "the wanted label: a digit, or nearest, any other one; or the name of a class, "
              "ostrich or else bird if none is",
    "net": "a net of Table 1, FC123-456-10 or LeNet; and then: again (from another start), on P1 "
           "or on P2 (trained on that half); of lipschitz_training, FC100-100-10 or LeNet",
    "seeds": "how many seeds, from --seed on",
    "size": "pixels of a photograph's side, 67 to 227; QuocNet's: S, M, L or full",
    "lam": "lambda: the weight of the codes' sparsity",
    "below": "what of a stage's objective moves the stages below: input and target, input, nothing",
    "frames": "how many images give a frame each; 0: all",
    "width": "of AlexNet's layers, as a share",
    "optimiser": "adamw, or sgd (with momentum, as in 2012)",
    "batch": "photographs a step; over ranks, so many in all",
    "epochs": "how often each training image is used",
    "validation": "hold out the last sixth of the training images, and measure on these instead",
    "solver": "of the search: scipy (SciPy's L-BFGS-B), by-hand (nets/search/by_hand.py), or auto: "
              "by-hand on a GPU, scipy elsewhere",
    "targets": "the wanted label: random (one of the nine wrong ones), nearest (of all nine)",
    "weights": "AlexNet's: bvlc (downloaded), or a file: .npz, which train_alexnet writes, or "
               ".onnx; QuocNet's: the .npz that train_quocnet writes",
    "photographs": "as --data, for --weights",
    "layer": "whose units: of those with weights, counted from 1",
    "which": "search (of the nets for MNIST), alexnet or quocnet",
    "strict": "end at the first broken photograph, instead of leaving it out",
    "train": "the sigmoid nets by adam (fast) or lbfgs (long, nearest to the paper's)",
    "workers": "processes; 0: as many as cores, or 1 on a GPU",
    "out": "folder for the results",
    "readme": "the file that gets the headline numbers, between two comments",
    "quiet": "no progress bars",
}
CHOICES = {                                 # of the flags that allow some words only
    "solver": ("auto", *ENGINES),
    "targets": ("random", "nearest"),
    "train": ("adam", "lbfgs"),
    "which": ("search", "alexnet", "quocnet"),
}


def run(main):
    """Run a script: main's keyword defaults are its flags, the module's docstring its --help."""
    path = Path(sys.argv[0])
    script = "experiments" if path.stem == "__main__" else f"experiments.{path.stem}"
    try:
        main(**parse(script, main, sys.modules[main.__module__].__doc__))
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)    # a second Ctrl-C would only add tracebacks
        sys.exit(f"\n{script}: interrupted; what was computed is kept, the same command goes on")
    except BrokenExecutor as error:
        sys.exit(f"{script}: a worker process died ({error}); out of memory?  Try --workers 1; "
                 "what was computed is kept")
    except (ValueError, OSError, RuntimeError) as error:
        if sys.flags.dev_mode:              # python -X dev -m experiments...: the traceback
            raise
        sys.exit(f"{script}: {error}")


def parse(script, main, doc):
    """The flags of the command line as main's keyword arguments."""
    parser = argparse.ArgumentParser(f"python -m {script}", description=doc, allow_abbrev=False,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, parameter in inspect.signature(main).parameters.items():
        default = parameter.default
        flag, text = "--" + name.replace("_", "-"), FLAGS.get(name)
        if default is False:
            parser.add_argument(flag, action="store_true", help=text)
        elif default is inspect.Parameter.empty:
            parser.add_argument(flag, required=True, type=parameter.annotation, help=text)
        else:
            parser.add_argument(flag, type=type(default), default=default,
                                help=f"{text or ''} [{default}]".strip())
    flags = vars(parser.parse_args())
    for name in {"seed", "workers"} & set(flags):
        if flags[name] < 0:
            raise ValueError(f"--{name} {flags[name]}: expected 0 or more")
    return flags


def command(stem, main, flags):
    """The command line that gives main these flags; those left at their defaults are left out."""
    words = [f"python -m experiments.{stem}"]
    for name, parameter in inspect.signature(main).parameters.items():
        if flags[name] != parameter.default:
            words.append(f"--{name.replace('_', '-')}")
            words += [] if flags[name] is True else [shlex.quote(str(flags[name]))]
    return " ".join(words)


def start(flags):
    """A copy of main's flags, and the time now: checked before any work, see CHOICES.

    Raises:
        ValueError: for a word that a flag does not allow.
        OSError: where results cannot be written to the folder flags["out"].
    """
    for name in CHOICES.keys() & flags.keys():
        if flags[name] not in CHOICES[name]:
            raise ValueError(f"--{name} {flags[name]}: choose one of {', '.join(CHOICES[name])}")
    writable(flags["out"], "choose another folder by --out")
    return dict(flags), time.time()


def writable(folder, mend):
    """Make the folder; OSError, before hours of work, if nothing can be written to it."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder}: cannot be written to ({error.strerror}); {mend}") from error


def load(name, quiet):
    """data.load(name), announced: (name, (x, t), (x_test, t_test)).  Arrays as in data.load."""
    name, train, test = datasets.load(name, quiet)
    print(f"Data: {describe(name)}; {len(train[0]):,} training and {len(test[0]):,} test images.",
          flush=True)
    return name, train, test


def in_parts(function, *arrays, size=4096):
    """function(*arrays), for one that treats each row by itself: so many rows at a time.

    Bounds the memory of what it makes on the way.  arrays: (N, ...) each.  Returns (N, ...).
    """
    return np.concatenate([function(*(a[i:i + size] for a in arrays))
                           for i in range(0, max(len(arrays[0]), 1), size)])


def mean(a):
    """The mean of what is not NaN in a (N,), or None if that is nothing."""
    a = a[~np.isnan(a)]
    return float(a.mean()) if len(a) else None


def describe(name):
    """The data set's name as a caption gives it."""
    return {"mnist": "MNIST", "cifar10": "CIFAR-10", "imagenette": "Imagenette", "stl10": "STL-10",
            "strokes": "strokes (drawn digits that stand in for MNIST: not the paper's data)",
            "none": "none"}.get(name, f"the photographs in {name}")


def sample(t, count, seed):
    """Which images are attacked, and what label each is to get: the same for every net.

    t: (N,) true labels.  Returns indices (count,) drawn without repetition, the first ones of
    the same order for every count, and targets (count,) uniform over the nine wrong labels.
    """
    if not 1 <= count <= len(t):
        raise ValueError(f"--count {count}: there are {len(t):,} images to attack; choose 1 to "
                         f"{len(t)}")
    rng = np.random.default_rng([seed, 41])
    order = rng.permutation(len(t))
    targets = (t + rng.integers(1, 10, len(t))) % 10
    return order[:count], targets[order[:count]]


def cell(ours, paper=None, digits=3):
    """`ours (paper's)`, to a number of significant digits; None or NaN is a dash."""
    text = "-" if ours is None or np.isnan(ours) else \
        f"{ours:.{digits}g}" if abs(ours) < 10 ** digits else f"{ours:.0f}"
    return text if paper is None else f"{text} ({paper:g})"


def spread(values):
    """The mean, and with several values their standard deviation, as a cell."""
    values = np.array([np.nan if v is None else v for v in values], float)
    text = cell(mean(values))
    return text if len(values) == 1 or np.isnan(values).any() else (
        f"{text} ± {cell(values.std(ddof=1), digits=2)}")


def group_by_seed(numbers):
    """{what: [row of each seed]} of a record's numbers {"what, seed s": row}."""
    groups = {}
    for name, row in numbers.items():
        groups.setdefault(name.rpartition(", seed ")[0], []).append(row)
    return groups


def table(head, rows):
    """A Markdown table, its columns aligned so that it reads as plain text too."""
    rows = [[str(c) for c in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
             for row in rows]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in widths) + "|")
    return "\n".join(lines)


def save(stem, main, flags, data, started, text, numbers):
    """Write out/stem.md and out/stem.json, whole or not at all, and print the text.

    stem: the script's name, and, after a hyphen, which of its results.  data: the data set's name;
    what is made of strokes goes to a folder of its own, see `folder`.  numbers: what the text
    shows, for JSON.
    """
    out = folder(flags["out"], data)
    cmd = command(stem.partition("-")[0], main, flags)
    record = {"command": cmd, "flags": flags, "data": data,
              "seconds": round(time.time() - started, 1), "versions": versions(),
              "numbers": numbers}
    text = f"{text}\n\nData: {describe(data)}.  Made by `{cmd}`.\n"
    write(out / f"{stem}.md", lambda file: file.write(text.encode()))
    record = json.loads(json.dumps(record), parse_constant=lambda _: None)      # NaN: null
    write(out / f"{stem}.json",
          lambda file: file.write((json.dumps(record, indent=1) + "\n").encode()))
    print(f"\n{text}Saved as {out / stem}.md and .json.\n", flush=True)


def folder(out, data):
    """Where results on this data set go: strokes never to where MNIST's results stand."""
    return Path(out) / data if data == "strokes" else Path(out)


def versions():
    """Of what the numbers depend on."""
    return {"python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in ("numpy", "scipy")}}
