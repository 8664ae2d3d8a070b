"""What every script shares on the command line: flags, streams, signals, one line for an error."""
import argparse
import contextlib
import errno
import inspect
import os
import signal
import sys
import tempfile
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

from data.pictures import escape
from intriguing import ENGINES
from nets.disk import clear_unfinished

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
           "again (from another start), on P1 or on P2 (trained on that half); and at the end: "
           "', whole decay' or ', per unit decay' (another reading of the weight decay)",
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
LIMITS = {                                  # of whole numbers: the least and the largest
    "batch": (1, 10 ** 6), "count": (1, 10 ** 8), "epochs": (1, 10 ** 6), "frames": (0, 10 ** 8),
    "seed": (0, 2 ** 32 - 1), "seeds": (1, 1000), "workers": (0, 1024),
}
MENDS = {                                   # of the operating system's errors
    errno.EACCES: "change its permissions, or take another place",
    errno.EAGAIN: "end other processes, or take fewer --workers",
    errno.EDQUOT: "make room, or take another place",
    errno.EFBIG: "make room, or take another place",
    errno.EIO: "the disk or its connection fails; take another place",
    errno.EISDIR: "a file belongs there",
    errno.ELOOP: "a link leads to itself; remove it",
    errno.EMFILE: "allow more open files by ulimit -n",
    errno.ENAMETOOLONG: "take a shorter name",
    errno.ENOENT: "correct the name, or make it",
    errno.ENOMEM: "end other processes, or take fewer --workers",
    errno.ENOSPC: "make room, or take another place",
    errno.ENOTDIR: "a folder belongs there",
    errno.ENXIO: "a regular file belongs there",
    errno.EROFS: "take a place that can be written to",
}
SIGNALS = signal.SIGINT, signal.SIGTERM, signal.SIGHUP      # Ctrl-C, kill, a closed terminal


def run(main):
    """Run a script: main's keyword defaults are its flags, the module's docstring its --help.

    The texts of the flags are those of FLAGS, or of a dict HELP in the script's module.  The exit
    status is 0 if all is saved, even if nobody reads what is printed (`| head -1`); 1 for an error,
    2 for flags that argparse refuses, and 128 + its number for a signal, such as 130 for Ctrl-C.
    """
    if main.__module__ == "__mp_main__":    # a worker imports a script without a __main__ guard
        return
    path = Path(sys.argv[0])
    if path.stem == "__main__":             # of the package that is run
        path = path.parent
    script = path.stem if path.stem == "experiments" else f"experiments.{path.stem}"
    shown = Output(sys.stdout)
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(Output(sys.stderr)):
        try:
            with unwind_at_signals():
                main(**parse(script, main, sys.modules[main.__module__]))
        except KeyboardInterrupt as error:
            print(f"\n{script}: interrupted; what was computed is kept, the same command goes on",
                  file=sys.stderr)
            sys.exit(128 + (error.args or (signal.SIGINT,))[0])
        except BrokenExecutor as error:
            sys.exit(f"{script}: a worker process died ({error}); out of memory?  Try --workers 1; "
                     "what was computed is kept")
        except MemoryError as error:
            sys.exit(f"{script}: out of memory ({error}); end other programs, or take fewer images "
                     "or --workers; what was computed is kept")
        except (ValueError, OSError, RuntimeError) as error:
            if sys.flags.dev_mode:          # python -X dev -m experiments...: the traceback
                raise
            sys.exit(f"{script}: {format_error(error)}")
        finally:
            shown.flush()
    if shown.error and shown.error.errno != errno.EPIPE:
        sys.exit(f"{script}: all is saved, but not all was printed: standard output: "
                 f"{format_error(shown.error)}")


class Output:
    """A standard stream whose errors do not end the run.

    What cannot be shown is left out; `error` says why.
    """

    def __init__(self, stream):
        self.stream, self.error = stream, None
        if hasattr(stream, "reconfigure"):  # an ASCII terminal cannot show ±
            stream.reconfigure(errors="backslashreplace")

    def write(self, text):
        with self._leave_out():
            self.stream.write(text)
        return len(text)

    def flush(self):
        with self._leave_out():
            self.stream.flush()

    @contextlib.contextmanager
    def _leave_out(self):
        try:
            yield
        except OSError as error:            # a closed pipe, a full disk
            self.error = error
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.stream.fileno())

    def __getattr__(self, name):            # isatty, encoding, ...
        return getattr(self.stream, name)


@contextlib.contextmanager
def unwind_at_signals():
    """SIGNALS raise KeyboardInterrupt(number), so that `with` blocks clear temporary files."""
    def interrupt(number, _):
        for other in SIGNALS:               # a second Ctrl-C would only add tracebacks
            signal.signal(other, lambda *_: None)   # with SIG_IGN, a pending one prints a line
        raise KeyboardInterrupt(number)

    before = {number: signal.signal(number, interrupt) for number in SIGNALS
              if signal.getsignal(number) != signal.SIG_IGN}    # as nohup sets it
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is interrupt:
                signal.signal(number, handler)


def format_error(error):
    """One line: for an error of the operating system the place, the reason and the mend."""
    line = str(error)
    if isinstance(error, OSError) and error.errno:
        place = error.filename
        if place is None and error.errno == errno.ENOENT:   # os.getcwd gives no name
            place = "the working folder"
        line = error.strerror if place is None else f"{os.fsdecode(place)}: {error.strerror}"
        if error.strerror == os.strerror(error.errno):      # else it is ours, with a mend
            line += f"; {MENDS.get(error.errno, 'mend this, then run again')}"
    return escape(line)


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
    for word in sys.argv[1:]:
        if len(word.splitlines()) > 1:      # it would break the lines of errors and pages
            raise ValueError(f"{word!r} on the command line: expected one line")
    flags = vars(parser.parse_args())
    for name, value in flags.items():
        if value == []:                     # argparse makes it of --count=--
            raise ValueError(f"--{name} --: expected a value")
    check(flags)
    return flags


def check(flags):
    """ValueError for a word or a number that a flag does not allow, see CHOICES and LIMITS."""
    for name in CHOICES.keys() & flags.keys():
        if flags[name] not in CHOICES[name]:
            raise ValueError(f"--{name} {flags[name]}: choose one of {', '.join(CHOICES[name])}")
    for name in LIMITS.keys() & flags.keys():
        least, largest = LIMITS[name]
        if flags[name] < least:
            raise ValueError(f"--{name} {flags[name]}: expected {least} or more")
        if flags[name] > largest:
            raise ValueError(f"--{name} {flags[name]}: expected {largest:,} at most")


def start(flags):
    """Check main's flags before any work.  Returns a copy of them, and the time.

    Raises:
        ValueError: for what a flag does not allow.
        OSError: where results cannot be written to the folder flags["out"].
    """
    check(flags)
    check_writable(flags["out"], "choose another folder by --out")
    return dict(flags), time.time()


def check_writable(folder, mend):
    """Make the folder; OSError, before hours of work, if nothing can be written to it.

    It deletes what an earlier run left unfinished in it when it was killed.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        clear_unfinished(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder}: cannot be written to ({error.strerror}); {mend}") from error
