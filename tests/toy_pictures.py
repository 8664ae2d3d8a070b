"""Photographs to write into folders, and pictures to look for in other pictures."""
import numpy as np
from PIL import Image

from experiments.shared import pictures


def write_photographs(root, counts, classes, pixels):
    """Write PNGs root/part/class/i.png.  counts: {part: images a class}; pixels(class) gives one,
    (H, W, 3) in 0 to 255."""
    for part, count in counts.items():
        for name in classes:
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                image = Image.fromarray(pixels(name).astype(np.uint8))
                image.save(root / part / name / f"{i}.png")
    return root


def panel(picture, caption):
    """The picture with its caption under it, as `pictures.draw_panels` lays it out."""
    sheet, margin = pictures.draw_panels([(picture, caption)]), pictures.MARGIN
    return sheet.crop((margin, margin, sheet.width - margin, sheet.height - margin))


def stands_in(picture, sheet):
    """Whether the pixels of a picture stand somewhere in a larger one."""
    small, large = (np.asarray(image.convert("RGB")) for image in (picture, sheet))
    (h, w, _), rng = small.shape, np.random.default_rng(0)
    if h > large.shape[0] or w > large.shape[1]:
        return False
    at = np.argwhere(np.ones((large.shape[0] - h + 1, large.shape[1] - w + 1), bool))
    for i, j in zip(rng.integers(0, h, 200), rng.integers(0, w, 200), strict=True):
        at = at[(large[at[:, 0] + i, at[:, 1] + j] == small[i, j]).all(1)]
    return any((large[i:i + h, j:j + w] == small).all() for i, j in at)
