"""Photographs in a folder, one folder a class: listed at once, decoded only when asked for.

root/<class>/*.JPEG, as ImageNet is usually unpacked; or root/*.JPEG, photographs without labels;
or two such folders, root/train and root/val or root/test.
Every image becomes RGB, upright, square, in [0, 1]; the rules: data/README.md.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from tqdm import tqdm

from data import imagenet

SUFFIXES = (".jpeg", ".jpg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".pgm", ".ppm")
# What a file is, its first bytes say, not its name.  No other plugin of Pillow's sees them: some
# start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SPLIT = 2014             # seeds the draw of the test images where a folder has no parts of its own


def load(root, size, short=None, strict=False, quiet=False):
    """The Photographs below `root`; none is decoded yet.

    size: pixels, of the square that is cut from the centre of every image once its short side
    is `short` pixels long (size, if None: then only the ends of the long side are lost).
    strict: the first broken image is an error.  quiet: no progress bar.
    Raises ValueError if there is no such folder, it holds no images, or some have a class and
    others none; or if short < size.
    """
    return Photographs(Path(root), *listed(root), size, short, strict, quiet)


def parts(root, size, short=None, strict=False, quiet=False):
    """(train, test): the Photographs of the folders train and val, or test, below `root`.

    Where there are no such two, a fifth of the images, and one at least, is drawn for the test:
    always the same ones.  Raises ValueError as load does, or if the class folders differ.
    """
    options = size, short, strict, quiet
    test = next((name for name in ("val", "test") if Path(root, name).is_dir()), None)
    if test is None or not Path(root, "train").is_dir():
        return divided(load(root, *options))
    pair = [load(Path(root, name), *options) for name in ("train", test)]
    if odd := sorted(set(pair[0].folders) ^ set(pair[1].folders)):
        raise ValueError(f"{root}: {len(odd):,} class folders are in one of train and {test} only "
                         f"({odd[0]}); expected the same in both, empty ones for classes without "
                         "images, or none in either")
    return pair


def divided(photographs):
    """(train, test): the test is a fifth, rounded down, and at least one; each in order."""
    order = np.random.default_rng(SPLIT).permutation(len(photographs))
    count = max(1, len(order) // 5)
    return [photographs.only(np.sort(rows)) for rows in (order[count:], order[:count])]


def listed(root):
    """files, t, folders of the Photographs below `root`; ValueError as in load."""
    if not Path(root).is_dir():
        raise ValueError(f"{root}: no such folder; expected one of photographs, as "
                         "root/<class>/*.JPEG or root/*.JPEG")
    flat = images_in(root)
    classes = sorted(entry.name for entry in os.scandir(root)
                     if entry.is_dir() and not entry.name.startswith("."))
    names = [images_in(Path(root, folder)) for folder in classes]
    files = [f"{folder}/{name}" for folder, inside in zip(classes, names, strict=True)
             for name in inside]
    if flat and files:
        raise ValueError(f"{root}: {len(flat):,} images beside folders of images ({files[0]}); "
                         "expected one or the other; move either elsewhere")
    if not flat and not files:
        raise ValueError(f"{root}: no images in it, nor in its {len(classes)} folders; expected "
                         "root/<class>/*.JPEG or root/*.JPEG; name the folder of the classes")
    if flat:
        return flat, np.full(len(flat), -1, np.int64), []
    t = [label for label, inside in enumerate(names) for _ in inside]
    return files, np.array(t, np.int64), classes


def images_in(folder):
    """The names of the image files in this very folder, sorted; hidden ones left out."""
    return sorted(name for name in os.listdir(folder)
                  if name.lower().endswith(SUFFIXES) and not name.startswith("."))


@dataclass(eq=False)
class Photographs:
    """Images still on disk: a sample is drawn from t or len(), and only its images are decoded."""

    root: Path           # the folder, or the name of the set
    files: Sequence      # N paths below root; or (N, H, W, 3) uint8, of a set kept in memory
    t: np.ndarray        # (N,) int64, index into folders and classes; -1 where there are none
    folders: list        # the class folders, sorted; an empty one keeps its place
    size: int            # as load has them, these four
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
        """The names of the labels: the class folders', but ImageNet's words for its ids."""
        return [imagenet.label(folder) for folder in self.folders]

    def __len__(self):
        return len(self.files)

    def called(self, row):
        """What an image is called: its file, or its place in a set kept in memory."""
        file = self.files[row]
        return file if isinstance(file, str) else f"{self.root} {row}"

    def only(self, rows):
        """The Photographs of these rows alone, renumbered from 0 in this order."""
        return replace(self, files=[self.files[row] for row in rows], t=self.t[rows])

    def images(self, rows=None):
        """x (N, 3, size, size) and rows (N,), which images they are: all in one batch."""
        rows = range(len(self)) if rows is None else rows
        [(x, kept)] = self.batches(rows, len(rows) or 1)
        return x, kept

    def pixels(self, rows=None, rng=None, n=500):
        """x (N, 3, size, size) uint8, a fourth of the memory of `images`, and rows (N,).

        rows, rng: as for `batches`, which raises the same.  n: how many are decoded at a time.
        """
        rows = range(len(self)) if rows is None else rows
        x, kept = np.empty((len(rows), 3, self.size, self.size), np.uint8), []
        for images, whole in self.batches(rows, n, rng):
            x[len(kept):len(kept) + len(whole)] = np.round(255 * images)
            kept.extend(whole)
        return x[:len(kept)], np.array(kept, np.int64)

    def batches(self, rows=None, n=64, rng=None):
        """Yield x (B, 3, size, size) float32 in [0, 1] and rows (B,) int64, for n rows at a time.

        rows: which images, in this order; None: all.  rng: draws where each square is cut out, in
        place of the centre.  A broken image is named on stderr and left out, so that B may be
        less than n, even 0: the labels are t[rows] of those that came.
        Raises ValueError at the first broken image if strict, and at the end if all were broken.
        """
        rows = np.arange(len(self)) if rows is None else np.asarray(rows, np.int64)
        broken = 0
        with tqdm(total=len(rows), desc="reading photographs", disable=self.quiet or None,
                  leave=False) as bar:
            for part in np.split(rows, range(n, len(rows), n)):
                x, kept = np.empty((len(part), 3, self.size, self.size), np.float32), []
                for row in part:
                    image = self.decoded(row, (0.5, 0.5) if rng is None else rng.random(2))
                    if image is not None:
                        x[len(kept)] = image
                        kept.append(row)
                    bar.update()
                broken += len(part) - len(kept)
                yield x[:len(kept)], np.array(kept, np.int64)
        if broken == len(rows) > 0:
            raise ValueError(f"{self.root}: all {broken:,} images asked for are broken; expected "
                             f"whole files of {', '.join(FORMATS)}")
        if broken:
            print(f"{self.root}: {broken:,} of {len(rows):,} images were broken and left out",
                  file=sys.stderr, flush=True)

    def decoded(self, row, at=(0.5, 0.5)):
        """One image (3, size, size), or None if it is broken.  Raises ValueError then if strict."""
        file = self.files[row]
        if isinstance(file, np.ndarray):
            return cut(Image.fromarray(file), self.size, self.short, at)
        path = self.root / file
        try:
            return cut(opened(path), self.size, self.short, at)
        except Exception as error:          # broken files raise a dozen kinds
            said = f"{path}: a broken image ({reason(error)})"
            if self.strict:
                raise ValueError(f"{said}; mend or delete it, or go without --strict") from error
            tqdm.write(f"{said}, left out", file=sys.stderr)
            return None


def opened(path):
    """One image file, upright and RGB; Pillow's exceptions if it is broken."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # of slips in EXIF and the like, which do no harm
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as file:
            return rgb(ImageOps.exif_transpose(file))


def cut(image, size, short, at=(0.5, 0.5)):
    """A square of an RGB image as (3, size, size) float32 in [0, 1], as load says.

    at: where between left and right, and top and bottom, 0 to 1: by default the centre.
    """
    side = min(image.size) * size / short   # of the square to be cut out, before it is resized
    left, top = ((length - side) * share for length, share in zip(image.size, at, strict=True))
    image = image.resize((size, size), Image.Resampling.BILINEAR,
                         box=(left, top, left + side, top + side))
    return np.divide(np.asarray(image).transpose(2, 0, 1), 255, dtype=np.float32)


def rgb(image):
    """An image of any mode as RGB; what is transparent shows white behind it."""
    if image.mode.startswith("I") or image.mode == "F":
        image = eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def eight_bits(image):
    """16-bit grey to the nearest of 256 levels; Pillow's own conversion may clip at 255."""
    grey = np.asarray(image)
    if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"grey from {grey.min():g} to {grey.max():g} in mode {image.mode}, "
                         "expected integers from 0 to 65535")
    return Image.fromarray(np.round(grey / 257).astype(np.uint8))


def reason(error):
    """What is wrong with a file, without its path, which Pillow and Python repeat."""
    if isinstance(error, UnidentifiedImageError):
        return f"none of {', '.join(FORMATS)}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
