"""Numbers, pictures and source code as text that stands inside one HTML file."""
import base64
import html
import inspect
import io
import json
import textwrap

import numpy as np
from PIL import Image

from experiments.shared.pictures import to_8_bits
from nets.backend import to_host


def encode_floats(a):
    """An array's numbers as float32 in base64, row by row; page.js reads them by `floats`."""
    return encode(to_host(a), "<f4")


def encode_indices(a):
    """Whole numbers from 0 to 65535 as uint16 in base64; page.js reads them by `indices`."""
    return encode(a, "<u2")


def encode_grey(x):
    """Pixels in [0, 1] as bytes from 0 to 255 in base64; page.js reads them by `bytes`."""
    return encode(to_8_bits(np.clip(x, 0, 1)), "u1")


def encode_signed(a, largest):
    """Numbers from -largest to largest as bytes from 0 to 254, where 127 is 0.  Beyond: clipped."""
    return encode(127 + np.round(127 * np.clip(a / (largest or 1), -1, 1)), "u1")


def encode(a, dtype):
    """The bytes of an array of this type, in base64."""
    return base64.b64encode(np.asarray(a).astype(dtype).tobytes()).decode()


def encode_png(x):
    """One image (1, H, W) in [0, 1] as the address of a PNG that stands in the page itself."""
    file = io.BytesIO()
    Image.fromarray(to_8_bits(np.clip(x[0], 0, 1))).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def encode_json(value):
    """JSON that can stand inside a <script>: no "<" in it, so no "</script>" either.

    Raises:
        ValueError: a number is NaN or infinite.
    """
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c")


def encode_source(*functions):
    """The very source lines of functions, for a <pre>."""
    return html.escape("\n\n".join(textwrap.dedent(inspect.getsource(function))
                                   for function in functions).rstrip())


def round_number(number, digits=5):
    """A number with so many significant digits, which makes the page shorter."""
    return float(f"{number:.{digits}g}")


def round_numbers(a, digits=4):
    """A list of numbers with so many significant digits."""
    return [round_number(number, digits) for number in np.ravel(to_host(a))]
