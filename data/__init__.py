"""The images: digits as arrays, by load(); photographs, decoded on demand, by photographs(), and
those to learn from without labels by frames()."""

import os
import sys

from data import cifar10, files, folder, imagenette, mnist, stl10, strokes

SETS = {"cifar10": cifar10, "imagenette": imagenette, "stl10": stl10}   # of photographs


def load(name="auto", quiet=False):
    """(name, (x, t), (x_test, t_test)), with the name of the set of digits that it is.

    name: "mnist", "strokes", or "auto": MNIST if it is here or can be downloaded, else strokes.
    x: (N, 1, 28, 28) float32 in [0, 1].  t: (N,) int64, 0 to 9.  quiet: no progress bar.
    Raises ValueError on another name or a damaged file, which strokes never stand in for, and
    files.Unavailable, an OSError, if MNIST was asked for by name and cannot be had.
    """
    if name not in ("auto", "mnist", "strokes"):
        raise ValueError(f"no set of digits is called {name!r}; choose auto, mnist or strokes")
    if name != "strokes":
        try:
            return "mnist", *mnist.load(quiet)
        except files.Unavailable as error:
            if name == "mnist":
                raise
            print(f"Strokes stand in.  {error}", file=sys.stderr, flush=True)
    return "strokes", *strokes.load(quiet)


def photographs(name, size, short=None, strict=False, quiet=False):
    """(name, train, test), two folder.Photographs of the same classes, none decoded yet.

    name: a key of SETS, "cifar10" say, or a folder, which folder.parts divides; ./cifar10 is one.
    size, short, strict, quiet: as folder.load has them.
    Raises ValueError if it is none of these or not whole, and files.Unavailable, an OSError, if a
    set asked for by name cannot be had.
    """
    options = size, short, strict, quiet
    if name in SETS:
        return name, *SETS[name].load(*options)
    if not os.path.isdir(name):
        raise ValueError(f"{name or repr(name)}: neither a set of photographs nor a folder; choose "
                         f"{', '.join(SETS)} or a folder of photographs")
    return name, *folder.parts(name, *options)


def frames(name, size, short=None, strict=False, quiet=False):
    """(name, images to learn from without labels), folder.Photographs, none decoded yet.

    name and the rest as for `photographs`, whose training part they are, its test kept apart; of
    "stl10", the images without labels.  Raises as `photographs` does.
    """
    if name == "stl10":
        return name, stl10.unlabelled(size, short, strict, quiet)
    name, train, _ = photographs(name, size, short, strict, quiet)
    return name, train
