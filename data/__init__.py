"""The images: each data set's load() returns ((x, t), (x_test, t_test)) of the same form."""
import sys

from data import mnist, strokes


def load(name="auto", quiet=False):
    """(name, (x, t), (x_test, t_test)), with the name of the data set that it is.

    name: "mnist", "strokes", or "auto": MNIST if it is here or can be downloaded, else strokes.
    x: (N, 1, 28, 28) float32 in [0, 1].  t: (N,) int64, 0 to 9.  quiet: no progress bar.
    Raises ValueError on another name or a damaged file, which strokes never stand in for, and
    mnist.Unavailable, an OSError, if MNIST was asked for by name and cannot be had.
    """
    if name not in ("auto", "mnist", "strokes"):
        raise ValueError(f"no data set is called {name!r}; choose auto, mnist or strokes")
    if name != "strokes":
        try:
            return "mnist", *mnist.load(quiet)
        except mnist.Unavailable as error:
            if name == "mnist":
                raise
            print(f"Strokes stand in.  {error}", file=sys.stderr, flush=True)
    return "strokes", *strokes.load(quiet)
