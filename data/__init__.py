"""The images: `load` gives digits as arrays, `load_photographs` photographs that are decoded on
demand, and `load_frames` photographs for learning without labels.
"""

import os
import sys

from data import cifar10, files, folder, imagenette, mnist, stl10, strokes

SETS = {"cifar10": cifar10, "imagenette": imagenette, "stl10": stl10}   # of photographs


def load(name="auto", quiet=False):
    """(name, (x, t), (x_test, t_test)): the name of the set of digits, and its images and labels.

    Args:
        name: "mnist", "strokes", or "auto": MNIST if it is here or can be downloaded, else strokes.
        quiet: no progress bar.

    Returns:
        name: "mnist" or "strokes".  x: (N, 1, 28, 28) float32 in [0, 1].  t: (N,) int64, 0 to 9.

    Raises:
        ValueError: another name, or a damaged file (also for "auto").
        files.Unavailable: an OSError; "mnist" is neither here nor can it be downloaded.
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


def load_photographs(name, size, short=None, strict=False, quiet=False):
    """(name, train, test): two folder.Photographs of the same classes.  It decodes no image yet.

    Args:
        name: a key of SETS, such as "cifar10"; or a folder, for folder.load_parts.  ./cifar10 is a
            folder of this name.
        size, short, strict, quiet: as for folder.load.

    Raises:
        ValueError: another name, or files that are not whole.
        files.Unavailable: an OSError; the set is neither here nor can it be downloaded.
    """
    options = size, short, strict, quiet
    if name in SETS:
        return name, *SETS[name].load(*options)
    if not os.path.isdir(name):
        raise ValueError(f"{name or repr(name)}: neither a set of photographs nor a folder; choose "
                         f"{', '.join(SETS)} or a folder of photographs")
    return name, *folder.load_parts(name, *options)


def load_frames(name, size, short=None, strict=False, quiet=False):
    """(name, images): folder.Photographs for learning without labels.  It decodes no image yet.

    For "stl10" these are the images without labels, for other names the training part of
    `load_photographs`.  Args and errors are those of `load_photographs`.
    """
    if name == "stl10":
        return name, stl10.load_unlabelled(size, short, strict, quiet)
    name, train, _ = load_photographs(name, size, short, strict, quiet)
    return name, train
