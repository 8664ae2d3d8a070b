"""Photographs in a folder, with one subfolder for each class, decoded only on demand.

root/<class>/*.JPEG, as ImageNet is usually unpacked; or root/*.JPEG, photographs without labels;
or two such folders, root/train and root/val or root/test.
All images become RGB, upright, square, in [0, 1].  data/README.md has the rules.
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
# The first bytes of a file decide its format, not its name.  Pillow's plugins for other formats are
# not used, because some of them start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
SPLIT = 2014             # seed: draws the test images of a folder without train and test


def load(root, size, short=None, strict=False, quiet=False):
    """The Photographs below `root`.  It decodes no image yet.

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
    """
    return Photographs(Path(root), *list_images(root), size, short, strict, quiet)


def load_parts(root, size, short=None, strict=False, quiet=False):
    """(train, test): the Photographs in root/train and in root/val or root/test.

    If there are no such two folders, a fifth of the images below `root`, at least one, is the test:
    a random choice, always the same.  Args as for `load`.  Raises ValueError as `load` does, or if
    the class folders of the two differ.
    """
    options = size, short, strict, quiet
    test = next((name for name in ("val", "test") if Path(root, name).is_dir()), None)
    if test is None or not Path(root, "train").is_dir():
        return divide(load(root, *options))
    pair = [load(Path(root, name), *options) for name in ("train", test)]
    if unpaired := sorted(set(pair[0].folders) ^ set(pair[1].folders)):
        raise ValueError(f"{root}: {len(unpaired):,} class folders are in one of train and {test} "
                         f"only ({unpaired[0]}); expected the same in both, empty ones for classes "
                         "without images, or none in either")
    return pair


def divide(photographs):
    """(train, test): a random fifth, at least one, is the test.  Both keep their order."""
    order = np.random.default_rng(SPLIT).permutation(len(photographs))
    count = max(1, len(order) // 5)
    return [photographs.select(np.sort(rows)) for rows in (order[count:], order[:count])]


def list_images(root):
    """files, t and folders of the Photographs below `root`; raises ValueError as `load` does."""
    if not Path(root).is_dir():
        raise ValueError(f"{root}: no such folder; expected a folder of photographs, "
                         "root/<class>/*.JPEG or root/*.JPEG")
    flat = list_names(root)
    classes = sorted(entry.name for entry in os.scandir(root)
                     if entry.is_dir() and not entry.name.startswith("."))
    names = [list_names(Path(root, folder)) for folder in classes]
    files = [f"{folder}/{name}" for folder, inside in zip(classes, names, strict=True)
             for name in inside]
    if flat and files:
        raise ValueError(f"{root}: {len(flat):,} images beside folders of images ({files[0]}); "
                         "expected one or the other; move one of them elsewhere")
    if not flat and not files:
        raise ValueError(f"{root}: no images in it, nor in its {len(classes)} folders; expected "
                         "root/<class>/*.JPEG or root/*.JPEG; name the folder of the classes")
    if flat:
        return flat, np.full(len(flat), -1, np.int64), []
    t = [label for label, inside in enumerate(names) for _ in inside]
    return files, np.array(t, np.int64), classes


def list_names(folder):
    """The sorted names of the image files in this folder itself, without hidden files."""
    return sorted(name for name in os.listdir(folder)
                  if name.lower().endswith(SUFFIXES) and not name.startswith("."))


@dataclass(eq=False)
class Photographs:
    """N images on disk, or as bytes in memory.  Choose rows first; only these are decoded."""

    root: Path           # the folder, or the name of the set
    files: Sequence      # N paths below root; or the pixels (N, H, W, 3) uint8
    t: np.ndarray        # (N,) int64, index into folders and classes; -1 if there are no classes
    folders: list        # the class folders, sorted; an empty one keeps its index
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
        """The name of an image: its file, or the name of the set and the row."""
        file = self.files[row]
        return file if isinstance(file, str) else f"{self.root} {row}"

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
            raise ValueError(f"{self.root}: all {broken:,} images asked for are broken; expected "
                             f"whole files of {', '.join(FORMATS)}")
        if broken:
            print(f"{self.root}: {broken:,} of {len(rows):,} images were broken and left out",
                  file=sys.stderr, flush=True)

    def decode(self, row, at=(0.5, 0.5)):
        """One image (3, size, size).  If it is broken: None, or a ValueError if strict."""
        file = self.files[row]
        if isinstance(file, np.ndarray):
            return cut_square(Image.fromarray(file), self.size, self.short, at)
        path = self.root / file
        try:
            return cut_square(open_image(path), self.size, self.short, at)
        except Exception as error:          # broken files raise a dozen kinds
            message = f"{path}: a broken image ({describe_error(error)})"
            if self.strict:
                raise ValueError(f"{message}; mend or delete it, or go without --strict") from error
            tqdm.write(f"{message}, left out", file=sys.stderr)
            return None


def open_image(path):
    """One image file, upright and RGB.  If it is broken, Pillow raises its own exceptions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")     # of harmless errors in EXIF and the like
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as file:
            return to_rgb(ImageOps.exif_transpose(file))


def cut_square(image, size, short, at=(0.5, 0.5)):
    """A square of an RGB image as (3, size, size) float32 in [0, 1].  size, short: as for `load`.

    at: where to cut, from 0 (left, top) to 1 (right, bottom); by default the centre.
    """
    side = min(image.size) * size / short   # of the square in the image before it is resized
    left, top = ((length - side) * share for length, share in zip(image.size, at, strict=True))
    image = image.resize((size, size), Image.Resampling.BILINEAR,
                         box=(left, top, left + side, top + side))
    return np.divide(np.asarray(image).transpose(2, 0, 1), 255, dtype=np.float32)


def to_rgb(image):
    """An image of any mode as RGB, on a white background if it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = to_eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def to_eight_bits(image):
    """16-bit grey to the nearest of 256 levels.  Pillow's own conversion may clip at 255."""
    grey = np.asarray(image)
    if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"grey from {grey.min():g} to {grey.max():g} in mode {image.mode}, "
                         "expected integers from 0 to 65535")
    return Image.fromarray(np.round(grey / 257).astype(np.uint8))


def describe_error(error):
    """What is wrong with a file.  Without its path, which Pillow and Python would repeat."""
    if isinstance(error, UnidentifiedImageError):
        return f"none of {', '.join(FORMATS)}"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
