"""Picture files become upright RGB images of 8 bits: photographs, and the picture of `attack`."""

import logging
import os
import sys
import warnings
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from nets.disk import open_regular

SUFFIXES = (".jpeg", ".jpg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff",
            ".pgm", ".ppm")
# The first bytes of a file decide its format, not its name.  Pillow's plugins for other formats are
# not used, because some of them start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")
MOST_PIXELS = Image.MAX_IMAGE_PIXELS    # of an image; Pillow's limit, 89 million
TWELVE_BITS = 2**12      # 16-bit grey below this has another white than 65,535

PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY  # one text may be as long as all
TiffImagePlugin.READ_LIBTIFF = True     # without, YCbCr fails in many versions
logging.getLogger("PIL").addHandler(logging.NullHandler())      # what is wrong, the error says


def open_picture(path):
    """The picture in a file: an RGB image of Pillow's, upright, on white where it is transparent.

    16-bit grey is scaled, see `to_eight_bits`.

    Raises ValueError, with the reason and without the path, if the file is not a whole picture.
    """
    try:
        with open_regular(path) as file, no_warnings():
            Image.open(file, formats=FORMATS).verify()      # a PNG's checksums; then it is used up
            file.seek(0)
            return to_rgb(ImageOps.exif_transpose(refuse_twelve_bit_colour(
                Image.open(file, formats=FORMATS))))
    except Exception as error:              # broken files raise a dozen kinds
        raise ValueError(describe_error(error, path)) from error


@contextmanager
def no_warnings():
    """Silence Pillow's warnings and libtiff's, which go to stderr past Python.

    An image that is larger than Pillow's limit is an error before it is decoded.
    """
    with warnings.catch_warnings(), open(os.devnull, "wb") as nowhere:
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        if sys.__stderr__ is None:          # it was closed, so descriptor 2 may be any file
            yield
            return
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def refuse_twelve_bit_colour(image):
    """The image; ValueError for 16-bit colour below 4,096, which Pillow would make nearly black."""
    if len(image.getbands()) > 1 and any(";16" in str(tile) for tile in image.tile):
        largest = max(high for band, (_, high) in zip(image.getbands(), image.getextrema(),
                                                      strict=True) if band != "A")
        if 0 < largest < TWELVE_BITS >> 8:
            raise ValueError(f"16-bit colour with no value above {TWELVE_BITS - 1:,}, of which "
                             "Pillow reads the upper 8 bits only; save it with 8 bits")
    return image


def to_rgb(image):
    """An image of any mode as RGB, on a white background if it is transparent."""
    if image.mode.startswith("I") or image.mode == "F":
        image = to_eight_bits(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        background.info = image.info        # the result takes it from there
        image = Image.alpha_composite(background, image)
    return image.convert("RGB")


def to_eight_bits(image):
    """16-bit grey to the nearest of 256 levels.  Pillow's own conversion may clip at 255.

    White is 65,535.  If all values are below 4,096, as from a camera of 12 bits, white is the
    largest of them, and info["white"] of the result says which.  A transparent value stays so.
    """
    grey = np.asarray(image)
    if image.mode == "F" or grey.min() < 0 or grey.max() > 65535:
        raise ValueError(f"grey from {grey.min():g} to {grey.max():g} in mode {image.mode}, "
                         "expected integers from 0 to 65535")
    largest = int(grey.max())
    white = largest if 0 < largest < TWELVE_BITS else 65535
    levels = np.round(np.arange(white + 1) * 255 / white).astype(np.uint8)
    transparent = image.info.get("transparency")        # a value of grey, or None
    image = Image.fromarray(levels[grey])
    if transparent is not None:
        image.putalpha(Image.fromarray(np.uint8(255 * (grey != transparent))))
    if white == largest < TWELVE_BITS:
        image.info["white"] = white
    return image


def describe_error(error, path):
    """What is wrong with a file, in one line.  Without its path, which the caller names."""
    if isinstance(error, UnidentifiedImageError):
        return f"none of {', '.join(FORMATS)}"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return escape(" ".join(text.removeprefix(f"{path}: ").split()))


def escape(name):
    """The name of a file as text that can be printed and saved: the rest is escaped, as in ASCII.

    A name on disk may hold a line's end, or bytes that are no text.
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(name))


def cut_square(image, size, short, at=(0.5, 0.5)):
    """The image with its short side resized to `short` pixels, and of that a square of `size`.

    Exactly as torchvision's Resize and CenterCrop do it: bilinear, antialiased when it shrinks, the
    long side rounded down, whole pixels cut out.

    Args:
        image: RGB, of Pillow's.
        size, short: in pixels, size <= short.
        at: where to cut, from 0 (left, top) to 1 (right, bottom); by default the centre.

    Returns:
        (3, size, size) float32 in [0, 1].

    Raises:
        ValueError: the image is so long that it would be too large at this short side.
    """
    width, height = resized = [int(short * length / min(image.size)) for length in image.size]
    if width * height > MOST_PIXELS:
        raise ValueError(f"{image.width:,} x {image.height:,} pixels would become {width:,} x "
                         f"{height:,}, expected {MOST_PIXELS:,} pixels at most")
    left, top = (round((length - size) * share) for length, share in zip(resized, at, strict=True))
    image = image.resize(resized, Image.Resampling.BILINEAR)
    image = image.crop((left, top, left + size, top + size))
    return np.divide(np.asarray(image).transpose(2, 0, 1), 255, dtype=np.float32)
