"""A picture of a digit of one's own becomes an image like MNIST's."""
import os

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from data import strokes
from data.pictures import escape, open_picture
from experiments.shared import pictures

FINE = 10                                   # the pen is thickened in an image so many times larger
PEN = 2.5                                   # the least width of a pen's line, in pixels of 28
LARGEST = 4096                              # pixels of a picture's side; larger ones are shrunk


def open_image(path):
    """The picture of the flag --image, as data.pictures.open_picture gives it.

    Raises ValueError, with the flag, if there is none or it is broken.
    """
    if not os.path.exists(path):
        raise ValueError(f"--image {escape(path)}: there is no such file")
    try:
        return open_picture(path)
    except ValueError as error:
        raise ValueError(f"--image {escape(path)}: not a picture that can be read whole "
                         f"({error}); save it again, for example as PNG") from error


def read_picture(path):
    """The picture as an image like MNIST's.

    Returns:
        x (1, 1, 28, 28), white on black, in multiples of 1/255; and how it was made, in words.

    Raises:
        ValueError: the file is no picture or broken, or nothing is drawn in it.
    """
    image = open_image(path)
    how = [f"{image.width} x {image.height} pixels"]
    if "white" in image.info:
        how.append(f"16-bit grey, of which the largest value, {image.info['white']:,}, is white")
    image.thumbnail((LARGEST, LARGEST))     # a picture of 40,000 x 20 pixels would fill the memory
    grey = to_grey(image)
    paper = np.median(np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]]))
    if paper > 0.5 if grey.shape == (28, 28) else paper - grey.min() > grey.max() - paper:
        grey, paper = 1 - grey, 1 - paper
        how.append("dark on bright, so inverted: MNIST is white on black")
    if grey.max() - (grey.min() if grey.shape == (28, 28) else paper) < 0.05:
        raise ValueError(f"--image {escape(path)}: nothing is drawn in it (transparent pixels "
                         "count as white); draw a digit on plain paper")
    if grey.shape == (28, 28):
        how.append("taken as it is")
    else:
        grey, pen = make_like_mnist((grey - paper) / (grey.max() - paper))
        how.append("cropped to the ink" + pen + ", fitted into 20 x 20, centre of mass at the "
                   "centre of 28 x 28, as MNIST was made")
    return (pictures.to_8_bits(grey) / np.float32(255))[None, None], "; ".join(how)


def to_grey(image):
    """An RGB image of Pillow's as grey (H, W) float32 in [0, 1]."""
    return np.asarray(image.convert("L")) / np.float32(255)


def make_like_mnist(ink):
    """Make a digit of any size as MNIST's were made.

    A line thinner than PEN pixels is thickened, because a thin line turns grey when it is reduced.

    Args:
        ink: (H, W), 0 for the paper, 1 for the strongest ink; what is below a third, such as a
            shadow, counts as paper.

    Returns:
        (28, 28) in [0, 1]; and words about the pen, "" if it was not thickened.
    """
    ink = np.clip(3 * ink - 1, 0, 1)
    is_ink = ink > 0.5
    rows, columns = np.flatnonzero(is_ink.any(1)), np.flatnonzero(is_ink.any(0))
    crop = ink[rows[0]:rows[-1] + 1, columns[0]:columns[-1] + 1]
    margins = [max(crop.shape) - n for n in crop.shape]
    square = np.pad(crop, [(m // 2, m - m // 2) for m in margins])
    digit = Image.fromarray(pictures.to_8_bits(square))
    digit = digit.resize((FINE * strokes.BOX, FINE * strokes.BOX), Image.Resampling.LANCZOS)
    digit = ImageOps.autocontrast(digit)    # a thin line of a large picture has faded
    pen, about_pen = measure_pen_width(np.asarray(digit) > 127) / FINE, ""
    if pen < PEN - 2 / FINE:                # a filter grows both sides by a whole fine pixel
        digit = digit.filter(ImageFilter.MaxFilter(2 * int(FINE * (PEN - pen) / 2) + 1))
        about_pen = f", the pen thickened from {pen:.1f} to {PEN} pixels"
    box = np.asarray(digit.resize((strokes.BOX, strokes.BOX), Image.Resampling.LANCZOS))
    return strokes.centre(box) / np.float32(255), about_pen


def measure_pen_width(is_ink):
    """The average width of the lines in is_ink (H, W), bool: their area over half their outline."""
    outline = sum(np.count_nonzero(np.diff(is_ink, axis=axis)) for axis in (0, 1)) * np.pi / 4
    return 2 * is_ink.sum() / max(outline, 1)     # steps along a slanted line are 4/pi too long
