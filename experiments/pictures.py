"""Pictures: grids of images, and panels with captions under them, by Pillow."""
import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from nets.store import write

GAP, MARGIN, SIZE = 2, 12, 14               # pixels between tiles, around panels; of the letters
FONT = ImageFont.load_default(SIZE)
PALE, BAR, RED = (238, 238, 238), (70, 90, 130), (200, 30, 30)
COLOURS = ("#4669a3", "#c81e1e", "#7f7f7f", "#2b9348", "#e08e0b", "#8e44ad", "#111111", "#17becf",
           "#e377c2")


def eight_bits(x):
    """Pixels in [0, 1], any shape, as a picture file has them: the nearest of 0 to 255, uint8."""
    return np.round(x * 255).astype(np.uint8)


def pixels(x):
    """Images (N, 1 or 3, H, W), cut off at 0 and 1, as 8-bit (N, H, W, 3)."""
    x = eight_bits(np.clip(x, 0, 1))
    return np.broadcast_to(x.transpose(0, 2, 3, 1), (len(x), *x.shape[2:], 3))


def magnified(r, factor):
    """r (N, C, H, W) as an image: grey where it is 0, factor times as strong (Figure 5's way)."""
    return np.clip(0.5 + factor * r, 0, 1)


def grid(x, columns, scale=2):
    """Images (N, C, H, W) in [0, 1] as one picture, row by row, each pixel scale x scale."""
    tiles = pixels(x).repeat(scale, 1).repeat(scale, 2)
    N, H, W, _ = tiles.shape
    rows = -(-N // columns)
    picture = np.full((rows * (H + GAP) - GAP, columns * (W + GAP) - GAP, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (H + GAP), i % columns * (W + GAP)
        picture[top:top + H, left:left + W] = tile
    return Image.fromarray(picture)


def wrapped(title, width):
    """A title in lines that fit a sheet `width` pixels wide."""
    return textwrap.fill(title, int((width - 2 * MARGIN) / FONT.getlength("n")))


def panels(parts, title="", columns=3):
    """Pictures with a caption under each, `columns` side by side: parts = [(picture, caption)]."""
    width = max(picture.width for picture, _ in parts)
    letters = max(20, int(width / FONT.getlength("n")))
    captions = [textwrap.fill(caption, letters) for _, caption in parts]
    height = (max(picture.height for picture, _ in parts)
              + (SIZE + 5) * (max(c.count("\n") for c in captions) + 1) + MARGIN)
    columns = min(columns, len(parts))
    rows = -(-len(parts) // columns)
    whole = columns * (width + MARGIN) + MARGIN
    title = wrapped(title, whole)
    top = MARGIN + (title.count("\n") + 1) * (SIZE + 5) if title else MARGIN
    sheet = Image.new("RGB", (whole, top + rows * height + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((MARGIN, MARGIN // 2), title, "black", FONT)
    for i, (picture, _) in enumerate(parts):
        left, at = MARGIN + i % columns * (width + MARGIN), top + i // columns * height
        sheet.paste(picture, (left, at))
        draw.multiline_text((left, at + picture.height + 3), captions[i], "black", FONT)
    return sheet


def bars(values, edges, full, width, height):
    """A histogram of values (n,) in bins that end at evenly spaced edges (B + 1,), as a picture.

    full: the share of the values that is as high as the picture.  The red line is their mean.
    """
    sheet = Image.new("RGB", (width, height), PALE)
    draw = ImageDraw.Draw(sheet)
    at = across(edges, edges, width)
    for left, right, share in zip(at[:-1], at[1:], shares(values, edges), strict=True):
        top = height - round(height * share / full)
        if top < height:
            draw.rectangle((left, top, right - 2, height - 1), BAR)
    if len(values):
        mean = across(values.mean(), edges, width)
        draw.line((mean, 0, mean, height - 1), RED, 2)
    return sheet


def shares(values, edges):
    """The share of the values (n,) in each bin between the edges (B + 1,): (B,)."""
    return np.histogram(values, edges)[0] / max(1, len(values))


def across(value, edges, width):
    """How many of `width` pixels from the left a value, or an array of any shape, stands."""
    return np.round((value - edges[0]) / (edges[-1] - edges[0]) * width).astype(int)


def histograms(rows, axes, title, width=210, height=40):
    """Histograms side by side: a row for each of rows = {label: {axis: values (n,)}}.

    axes: {name: (edges of the bins (B + 1,), ticks)}.  In a column all have the same scales; the
    highest bar of all is as high as its picture, and the heading says what share that is.
    """
    left = int(max(FONT.getlength(label) for label in rows)) + 2 * MARGIN
    whole = left + len(axes) * (width + 5 * MARGIN)
    title = wrapped(title, whole)
    rows = {label: {axis: v[~np.isnan(v)] for axis, v in of.items()} for label, of in rows.items()}
    step, top = height + 6, 2 * MARGIN + (title.count("\n") + 2) * (SIZE + 5)
    bottom = top + len(rows) * step
    sheet = Image.new("RGB", (whole, bottom + SIZE + MARGIN), "white")
    draw = ImageDraw.Draw(sheet)
    draw.multiline_text((MARGIN, MARGIN // 2), title, "black", FONT)
    for i, label in enumerate(rows):
        draw.text((MARGIN, top + i * step + height // 2), label, "black", FONT, "lm")
    for axis, (edges, ticks) in axes.items():
        full = max(shares(of[axis], edges).max() for of in rows.values()) or 1
        draw.text((left, top - 6), f"{axis} (a full bar: {100 * full:.0f} %)", "black", FONT, "ls")
        for i, of in enumerate(rows.values()):
            sheet.paste(bars(of[axis], edges, full, width, height), (left, top + i * step))
            draw.text((left + width + 6, top + i * step + height // 2),
                      f"{of[axis].mean():.2f}" if len(of[axis]) else "-", RED, FONT, "lm")
        for tick in ticks:
            draw.text((left + across(tick, edges, width), bottom), f"{tick:g}", "black", FONT, "mt")
        left += width + 5 * MARGIN
    return sheet


def curves(lines, title):
    """lines: {label: values (E,)}, one value after each epoch.  A chart of them, with its legend.

    It shows from 0.9 to 3 times the smallest value; what lies above is cut off.
    """
    low, high = np.array([0.9, 3]) * (min(min(v) for v in lines.values()) or 1)
    epochs = max(len(values) for values in lines.values())
    shown = {f"{label}: {values[-1]:.2f}":
             (np.arange(1, len(values) + 1) / epochs, (np.clip(values, low, high) - low)
              / (high - low)) for label, values in lines.items()}
    ticks = np.unique(np.linspace(1, epochs, 5).round().astype(int))
    return chart(shown, title, {epoch / epochs: f"{epoch}" for epoch in ticks},
                 {share: f"{low + share * (high - low):.3g}" for share in np.linspace(0, 1, 5)})


def logarithmic(lines, title):
    """lines: {label: {x: y}}, all above 0.  A chart of them on two logarithmic axes."""
    x = np.unique([x for line in lines.values() for x in line])
    y = [y for line in lines.values() for y in line.values()]
    steps = np.outer(10.0 ** np.arange(-9, 10), (1, 2, 5)).ravel()      # between two of them
    steps = steps[np.searchsorted(steps, min(y), "right") - 1:np.searchsorted(steps, max(y)) + 1]

    def shares(values, axis):
        return np.log(np.asarray(values) / axis[0]) / max(np.log(axis[-1] / axis[0]), 1e-9)
    shown = {label: (shares(list(line), x), shares(list(line.values()), steps))
             for label, line in lines.items()}
    return chart(shown, title, {share: f"{n:g}" for share, n in zip(shares(x, x), x, strict=True)},
                 {share: f"{n:g}" for share, n in zip(shares(steps, steps), steps, strict=True)})


def chart(lines, title, x_axis, y_axis, width=540, height=360):
    """A chart of lines, and its legend.

    lines: {label: (x (E,), y (E,))}, in shares of the axes' lengths.  x_axis, y_axis: {share: what
    is written there}.  width, height: of what lies left of the legend, in pixels.
    """
    legend = max(FONT.getlength(label) for label in lines)
    sheet = Image.new("RGB", (width + round(legend) + 2 * MARGIN, height), "white")
    draw = ImageDraw.Draw(sheet)
    left, right, top, bottom = 4 * MARGIN, width, 3 * MARGIN, height - 3 * MARGIN
    draw.text((MARGIN, MARGIN // 2), title, "black", FONT)
    for place, text in y_axis.items():
        y = bottom - place * (bottom - top)
        draw.line((left, y, right, y), PALE)
        draw.text((left - 6, y), text, "black", FONT, "rm")
    for place, text in x_axis.items():
        draw.text((left + place * (right - left), bottom + 6), text, "black", FONT, "mt")
    for i, (label, (x, y)) in enumerate(lines.items()):
        x, y = left + x * (right - left), bottom - y * (bottom - top)
        colour = COLOURS[i]
        draw.line(list(zip(x.tolist(), y.tolist(), strict=True)), colour, 2)
        if len(x) == 1:                     # one point is no line
            draw.circle((int(x[0]), int(y[0])), 3, colour)
        draw.text((right + MARGIN, top + i * (SIZE + 5)), label, colour, FONT)
    return sheet


def save(picture, path):
    """Write a picture as PNG, whole or not at all."""
    write(path, lambda file: picture.save(file, "PNG"))
