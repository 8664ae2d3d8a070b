"""Pictures by Pillow: grids of images, and panels with captions under them."""
import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, MARGIN, FONT_SIZE = 2, 12, 14          # pixels between tiles, around panels; of the letters
FONT = ImageFont.load_default(FONT_SIZE)


def to_8_bits(x):
    """Round pixels in [0, 1], of any shape, to 0 to 255, uint8, as a picture file has them."""
    return np.round(x * 255).astype(np.uint8)


def to_rgb(x):
    """Images (N, 1 or 3, H, W), clipped to [0, 1], as 8-bit colours (N, H, W, 3)."""
    x = to_8_bits(np.clip(x, 0, 1))
    return np.broadcast_to(x.transpose(0, 2, 3, 1), (len(x), *x.shape[2:], 3))


def magnify(r, factor):
    """0.5 + factor r, clipped to [0, 1], for r (N, C, H, W): grey where r is 0, as in Figure 5."""
    return np.clip(0.5 + factor * r, 0, 1)


def draw_grid(x, columns, scale=2):
    """Draw images (N, C, H, W) in [0, 1] row by row; each of their pixels is scale x scale."""
    tiles = to_rgb(x).repeat(scale, 1).repeat(scale, 2)
    N, H, W, _ = tiles.shape
    rows = -(-N // columns)
    picture = np.full((rows * (H + GAP) - GAP, columns * (W + GAP) - GAP, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (H + GAP), i % columns * (W + GAP)
        picture[top:top + H, left:left + W] = tile
    return Image.fromarray(picture)


def draw_panels(parts, title="", columns=3):
    """Draw parts [(picture, caption)] row by row, `columns` side by side, under a title."""
    width = max(picture.width for picture, _ in parts)
    letters = max(20, int(width / FONT.getlength("n")))
    captions = [textwrap.fill(caption, letters) for _, caption in parts]
    height = (max(picture.height for picture, _ in parts)
              + (FONT_SIZE + 5) * (max(c.count("\n") for c in captions) + 1) + MARGIN)
    columns = min(columns, len(parts))
    rows = -(-len(parts) // columns)
    whole = columns * (width + MARGIN) + MARGIN
    title = textwrap.fill(title, int((whole - 2 * MARGIN) / FONT.getlength("n")))
    top = MARGIN + (title.count("\n") + 1) * (FONT_SIZE + 5) if title else MARGIN
    sheet = Image.new("RGB", (whole, top + rows * height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((MARGIN, MARGIN // 2), title, "black", FONT)
    for i, (picture, _) in enumerate(parts):
        left, at = MARGIN + i % columns * (width + MARGIN), top + i // columns * height
        sheet.paste(picture, (left, at))
        draw.multiline_text((left, at + picture.height + 3), captions[i], "black", FONT)
    return sheet


def write(picture, file):
    """Write a picture to an open file as PNG."""
    picture.save(file, "PNG")
