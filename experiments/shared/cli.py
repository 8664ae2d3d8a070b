"""What every script shares on the command line: flags, and one line for each error."""
import argparse
import inspect
import signal
import sys
import tempfile
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

from intriguing import ENGINES

FLAGS = {                                   # texts; a script's own HELP goes before them
    "data": "digits: auto (MNIST, or strokes if MNIST cannot be downloaded), mnist or strokes",
    "photographs": "cifar10, imagenette, stl10, or a folder of photographs, in it a folder for "
                   "each class",
    "count": "how many images are attacked",
    "seed": "seed of all random numbers",
    "seeds": "how many seeds, from --seed on",
    "image": "the picture of a digit: JPEG, PNG, WebP, GIF, BMP, TIFF, PPM or PGM",
    "target": "the wanted label: a digit, or nearest for any other one",
    "net": "FC10(1e-4), FC100-100-10, another net of Tables 1 and 3, or LeNet; after it may come: "
           "again (from another start), on P1 or on P2 (trained on that half)",
    "size": "pixels of a photograph's side, 67 to 227",
    "lam": "lambda: the weight of the codes' sparsity",
    "below": "what of a stage's objective moves the stages below: input and target, input, nothing",
    "frames": "how many frames to train on; 0: all",
    "width": "of AlexNet's layers, as a share",
    "optimiser": "adamw, or sgd (with momentum, as in 2012)",
    "batch": "photographs a step; over ranks, so many in all",
    "epochs": "how often each training image is used",
    "validation": "hold out the last sixth of the training images, and measure on these instead",
    "solver": "which code minimises in the search: scipy (SciPy's L-BFGS-B), by-hand "
              "(nets/search/by_hand.py), or auto: by-hand on a GPU, scipy elsewhere",
    "targets": "the wanted label: random (one of the nine wrong ones) or nearest (of all nine)",
    "weights": "bvlc (downloaded), a .onnx file of any chain of layers, or a .npz file of "
               "train_alexnet",
    "preprocess": "what the net of a .onnx file was trained on: bvlc (BGR, 0 to 255, less a mean), "
                  "imagenet (less the mean, over the deviation), none (RGB in 0 to 1), or auto",
    "layer": "whose units: of those with weights, counted from 1",
    "which": "search (of the nets for MNIST), alexnet or quocnet",
    "strict": "stop at the first broken photograph; else it is left out",
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
    "preprocess": ("auto", "bvlc", "imagenet", "none"),
    "which": ("search", "alexnet", "quocnet"),
}


def run(main):
    """Run a script: main's keyword defaults are its flags, the module's docstring its --help.

    The texts of the flags are those of FLAGS, or of a dict HELP in the script's module.
    """
    path = Path(sys.argv[0])
    if path.stem == "__main__":             # of the package that is run
        path = path.parent
    script = path.stem if path.stem == "experiments" else f"experiments.{path.stem}"
    try:
        main(**parse(script, main, sys.modules[main.__module__]))
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


def parse(script, main, module):
    """The flags of the command line as main's keyword arguments; module: where main stands."""
    parser = argparse.ArgumentParser(f"python -m {script}", description=module.__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    texts = FLAGS | getattr(module, "HELP", {})
    for name, parameter in inspect.signature(main).parameters.items():
        default = parameter.default
        flag, text = "--" + name.replace("_", "-"), texts.get(name)
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


def start(flags):
    """Check main's flags before any work, see CHOICES.  Returns a copy of them, and the time.

    Raises:
        ValueError: for a word that a flag does not allow.
        OSError: where results cannot be written to the folder flags["out"].
    """
    for name in CHOICES.keys() & flags.keys():
        if flags[name] not in CHOICES[name]:
            raise ValueError(f"--{name} {flags[name]}: choose one of {', '.join(CHOICES[name])}")
    check_writable(flags["out"], "choose another folder by --out")
    return dict(flags), time.time()


def check_writable(folder, mend):
    """Make the folder; OSError, before hours of work, if nothing can be written to it."""
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder}: cannot be written to ({error.strerror}); {mend}") from error
