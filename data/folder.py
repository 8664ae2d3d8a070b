"""Photographs in a folder, with one subfolder for each class, decoded only on demand.

root/<class>/*.JPEG, as ImageNet is usually unpacked; or root/*.JPEG, photographs without labels;
or two such folders, root/train and root/val, say.
All images become RGB, upright, square, in [0, 1].  data/README.md has the rules.
"""

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from data import imagenet
from data.listing import find_parts, list_images
from data.pictures import FORMATS, TWELVE_BITS, cut_square, escape, open_picture

SPLIT = 2014             # seed: draws the test images of a folder without train and test


def load(root, size, short=None, strict=False, quiet=False):
    """The Photographs below `root`.  It decodes no image yet.

    A line on stderr reports what is not read: folders without images, files of other kinds, images
    in deeper folders.

    Args:
        root: the folder.
        size: the side of each image in pixels.  It is a square from the centre.
        short: the short side, in pixels, to which an image is scaled before the square is cut out.
            None: size, so that only the ends of the long side are lost.
        strict: whether the first broken image is an error.
        quiet: no progress bar.

    Raises:
        ValueError: there is no such folder; it holds no images; only some of them have a class; or
            short < size.
        OSError: a folder cannot be read.
    """
    images = list_images(root)
    classes = [folder for folder in images if folder and images[folder]]
    return make_photographs(root, images, classes, size, short, strict, quiet)


def load_parts(root, size, short=None, strict=False, quiet=False):
    """(train, test): the Photographs in root/train and in root/val, say: see `find_parts`.

    If there are no such two folders, a fifth of the images below `root`, at least one, is the test:
    a random choice, always the same.  A class without images in one of the two keeps its number.

    Args as for `load`.  Raises ValueError as `load` does, or if there is one of the two folders
    only, or if their class folders differ.
    """
    options = size, short, strict, quiet
    parts = find_parts(root)
    if not parts:
        return divide(load(root, *options))
    places = [Path(root, part) for part in parts]
    images = list(map(list_images, places))
    classes = sorted({folder for part in images for folder in part if folder and part[folder]})
    if unpaired := sorted(set(classes) - (images[0].keys() & images[1].keys())):
        raise ValueError(
            f"{escape(root)}: {len(unpaired):,} class folders are in one of {' and '.join(parts)} "
            f"only ({escape(unpaired[0])}); expected the same in both, empty ones for classes "
            "without images, or none in either")
    return [make_photographs(place, part, classes, *options)
            for place, part in zip(places, images, strict=True)]


def divide(photographs):
    """(train, test): a random fifth, at least one, is the test.  Both keep their order."""
    order = np.random.default_rng(SPLIT).permutation(len(photographs))
    count = max(1, len(order) // 5)
    return [photographs.select(np.sort(rows)) for rows in (order[count:], order[:count])]


def make_photographs(root, images, classes, *options):
    """The Photographs of images as from `list_images` in these class folders.

    Raises ValueError if there are none, or only some of them have a class.
    """
    root, flat = Path(root), images[""]
    files = [f"{folder}/{name}" for folder in classes for name in images[folder]]
    if flat and files:
        raise ValueError(f"{escape(root)}: {len(flat):,} images beside folders of images "
                         f"({escape(files[0])}); expected one or the other; move one of them "
                         "elsewhere")
    if not flat and not files:
        raise ValueError(f"{escape(root)}: no images in it, nor in its {len(images) - 1} folders; "
                         "expected root/<class>/*.JPEG or root/*.JPEG; name the folder of the "
                         "classes")
    if flat:
        return Photographs(root, flat, np.full(len(flat), -1, np.int64), [], *options)
    t = [label for label, folder in enumerate(classes) for _ in images[folder]]
    return Photographs(root, files, np.array(t, np.int64), classes, *options)


@dataclass(eq=False)
class Photographs:
    """N images on disk, or as bytes in memory.  Choose rows first; only these are decoded."""

    root: Path           # the folder, or the name of the set
    files: Sequence      # N paths below root; or the pixels (N, H, W, 3) uint8
    t: np.ndarray        # (N,) int64, index into folders and classes; -1 if there are no classes
    folders: list        # the class folders, sorted
    size: int            # this and the others: as for load
    short: int | None
    strict: bool
    quiet: bool

    def __post_init__(self):
        self.short = self.size if self.short is None else self.short
        if not 1 <= self.size <= self.short:
            raise ValueError(f"a square of {self.size} pixels from a short side of {self.short}: "
                             "expected at least 1, and a short side no shorter than the square")

    @property
    def classes(self):
        """The names of the labels: those of the class folders, or ImageNet's words for its ids."""
        return [imagenet.class_name(folder) for folder in self.folders]

    def __len__(self):
        return len(self.files)

    def name_of(self, row):
        """The name of an image, as text: its file, or the name of the set and the row."""
        file = self.files[row]
        return escape(file) if isinstance(file, str) else f"{self.root} {row}"

    def select(self, rows):
        """The Photographs of these rows alone, numbered from 0 in this order."""
        return replace(self, files=[self.files[row] for row in rows], t=self.t[rows])

    def images(self, rows=None):
        """x (N, 3, size, size) and their rows (N,), as from `batches`, all in one batch."""
        rows = range(len(self)) if rows is None else rows
        [(x, whole)] = self.batches(rows, len(rows) or 1)
        return x, whole

    def pixels(self, rows=None, rng=None, n=500):
        """x (N, 3, size, size) uint8 and their rows (N,), in a fourth of the memory of `images`.

        rows, rng: as for `batches`, with the same errors.  n: how many to decode at a time.
        """
        rows = range(len(self)) if rows is None else rows
        x, whole = np.empty((len(rows), 3, self.size, self.size), np.uint8), []
        for images, some in self.batches(rows, n, rng):
            x[len(whole):len(whole) + len(some)] = np.round(255 * images)
            whole.extend(some)
        return x[:len(whole)], np.array(whole, np.int64)

    def batches(self, rows=None, n=64, rng=None):
        """Yield x (B, 3, size, size) float32 in [0, 1] and their rows (B,) int64, n at a time.

        It names broken images on stderr and leaves them out.  So B may be less than n, even 0.  The
        labels of x are t[rows], for the rows that it yields.

        Args:
            rows: which images, in this order; None: all.
            n: images in a batch.
            rng: draws where each square is cut out; None: at the centre.

        Raises:
            ValueError: at the first broken image if strict; at the end if all are broken.
        """
        rows = np.arange(len(self)) if rows is None else np.asarray(rows, np.int64)
        broken = 0
        with tqdm(total=len(rows), desc="reading photographs", disable=self.quiet or None,
                  leave=False) as bar:
            for part in np.split(rows, range(n, len(rows), n)):
                x, whole = np.empty((len(part), 3, self.size, self.size), np.float32), []
                for row in part:
                    image = self.decode(row, (0.5, 0.5) if rng is None else rng.random(2))
                    if image is not None:
                        x[len(whole)] = image
                        whole.append(row)
                    bar.update()
                broken += len(part) - len(whole)
                yield x[:len(whole)], np.array(whole, np.int64)
        if broken == len(rows) > 0:
            raise ValueError(f"{escape(self.root)}: all {broken:,} images asked for are broken; "
                             f"expected whole files of {', '.join(FORMATS)}")
        if broken:
            print(f"{escape(self.root)}: {broken:,} of {len(rows):,} images were broken and left "
                  "out", file=sys.stderr, flush=True)

    def decode(self, row, at=(0.5, 0.5)):
        """One image (3, size, size).  If it is broken: None, or a ValueError if strict."""
        file = self.files[row]
        if isinstance(file, np.ndarray):
            return cut_square(Image.fromarray(file), self.size, self.short, at)
        path = self.root / file
        try:
            image = open_picture(path)
            square = cut_square(image, self.size, self.short, at)
        except ValueError as error:
            message = f"{escape(path)}: a broken image ({error})"
            if self.strict:
                raise ValueError(f"{message}; mend or delete it, or go without --strict") from error
            tqdm.write(f"{message}, left out", file=sys.stderr)
            return None
        if "white" in image.info:
            report_once(f"{escape(self.root)}: 16-bit images have no value of {TWELVE_BITS:,} or "
                        "more; the largest value of each is taken as white")
        return square


@functools.cache
def report_once(text):
    """Print a line on stderr, once in this process."""
    tqdm.write(text, file=sys.stderr)
