"""D(x, l) for a picture of your own: the nearest image that the net labels as you wish.

    python -m experiments.attack --image experiments/results/digit.png --target 7
    python -m experiments.attack --image experiments/results/digit.png --net "FC10(1e-4)"

Without --target: the nearest image with any other label.

A picture of 28 x 28 pixels is taken as it is.  Any other is made as MNIST's images were
(`make_like_mnist`), so you can write a digit in a paint program, or photograph one on plain paper.
Files: attack.png shows x, r magnified and D(x, l); attack-adversarial.png is D(x, l) in 8-bit
grey; attack.md and attack.json hold the numbers.
"""
import math
import os

import numpy as np
from PIL import Image, ImageFilter, ImageOps

from data import strokes
from data.pictures import escape, open_picture
from experiments.shared import cache, cli, models, page, pictures, samples
from intriguing import D, distortion
from nets.backend import to_device
from nets.losses import softmax_cross_entropy

FACTORS = (1, 2, 5, 10, 20, 50, 100, 200, 500)      # r is magnified by one of these
FINE = 10                                   # the pen is thickened in an image so many times larger
PEN = 2.5                                   # the least width of a pen's line, in pixels of 28
LARGEST = 4096                              # pixels of a picture's side; larger ones are shrunk
SCALE = 9                                   # of the pictures


def main(image: str, target="nearest", net="FC100-100-10", data="auto", seed=0, train="adam",
         solver="auto", workers=0, out="runs", quiet=False):
    models.parse_name(net)                  # before any folder is made
    flags, started = cli.start(locals())
    if str(target) not in ("nearest", *"0123456789"):
        raise ValueError(f"--target {target}: choose a label from 0 to 9, or nearest")
    x, how = read_picture(image)
    data = samples.load(data, quiet)[0]
    f = cache.load_or_train([net], data, seed, train, workers, quiet)[net]
    found, details = D(f, x, None if target == "nearest" else int(target), solver=solver,
                       details=True)
    if np.isnan(found).any():
        other = f"labels {target}" if target != "nearest" else "labels otherwise"
        raise RuntimeError(f"found no image near {escape(image)} that {net} {other}; "
                           "nothing is written.  Try another --target or --net")
    target = int(details.label[0])
    eight_bits = Image.fromarray(pictures.to_8_bits(found[0, 0]))
    rounded = to_grey(eight_bits)[None, None]
    numbers = {name: measure_image(f, x, a)
               for name, a in (("x", x), ("D(x, l)", found), ("8-bit", rounded))}
    factor = choose_magnification(found - x)
    shown = draw_images(x, found, factor, numbers,
                        f"{net}, trained on {page.describe_data(data)},")
    page.save("attack", main, flags, data, started, f"""\
# D(x, {target}) for {escape(image)}

![x, r times {factor}, x + r = D(x, {target})](attack.png)

{escape(image)}: {how}.

{format_results(net, target, numbers)}""",
              {"net": net, "target": target, "magnified": factor, **numbers},
              {"attack.png": shown, "attack-adversarial.png": eight_bits})
    folder = page.choose_folder(out, data)
    print(f"Pictures: {escape(folder / 'attack.png')}, and alone, 8-bit, "
          f"{escape(folder / 'attack-adversarial.png')}.")
    return numbers


# ---- A picture becomes an image like MNIST's -------------------------------------------------


def read_picture(path):
    """The picture as an image like MNIST's.

    Returns:
        x (1, 1, 28, 28), white on black, in multiples of 1/255; and how it was made, in words.

    Raises:
        ValueError: the file is no picture or broken, or nothing is drawn in it.
    """
    if not os.path.exists(path):
        raise ValueError(f"--image {escape(path)}: there is no such file")
    try:
        image = open_picture(path)
    except ValueError as error:
        raise ValueError(f"--image {escape(path)}: not a picture that can be read whole "
                         f"({error}); save it again, for example as PNG") from error
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


# ---- The result ------------------------------------------------------------------------------


def measure_image(net, x, image):
    """The label of an image, its softmax in %, and how far the image is from x.

    net: the net.  x, image: (1, 1, H, W).
    """
    logits = net.forward(to_device(image.astype(float)))[0]
    label = int(logits.argmax(1)[0])
    loss = softmax_cross_entropy(logits, logits.argmax(1))[0]       # -log softmax(logits)_label
    return {"label": label, "softmax %": 100 * math.exp(-float(loss[0])),
            "distortion": float(distortion(x.astype(float), image)[0]),
            "largest |r|": float(abs(image.astype(float) - x).max())}


def format_results(net, target, numbers):
    """The table of numbers {image: row}, and a sentence about rounding."""
    rows = [["label", *(n["label"] for n in numbers.values())],
            ["its softmax, %", *(f"{n['softmax %']:.1f}" for n in numbers.values())]]
    rows += [[text, *(f"{n[key]:.4f}" for n in numbers.values())]
             for text, key in (("distortion (root mean square)", "distortion"),
                               ("largest change of a pixel", "largest |r|"))]
    text = page.format_table([net, "x", f"D(x, {target})", "the same, 8-bit PNG"], rows)
    text += "\n\nPixels in [0, 1]; "
    if numbers["x"]["label"] == target:
        return text + (f"the net labels x {target} already, so D(x, {target}) is x itself, at "
                       "distortion 0.")
    label = numbers["8-bit"]["label"]
    if label == target:
        return text + f"the PNG, read back, still has the label {target}."
    return text + (f"the PNG, read back, has the label {label}, no longer {target}: D(x, l) lies "
                   "on the boundary between two labels, and rounding, up to 1/510 a pixel, can "
                   "step back over it.")


def choose_magnification(r):
    """The largest of FACTORS with 0.5 + factor r in [0, 1] at 99 % of r's pixels (1, 1, H, W)."""
    size = np.quantile(abs(r), 0.99)
    fit = [factor for factor in FACTORS if factor * size <= 0.5]
    return fit[-1] if fit and size > 0 else 1


def draw_images(x, found, factor, numbers, who):
    """Draw x, r magnified and D(x, l) side by side.

    x, found: (1, 1, 28, 28).  numbers: as for `format_results`.  who: the net, for the title.
    """
    before, after = numbers["x"], numbers["D(x, l)"]
    label = after["label"]
    magnified = "r" if factor == 1 else f"{factor} r"
    parts = [(x, "x: labelled {label} ({softmax %:.1f} %)".format(**before)),
             (pictures.magnify(found - x, factor),
              f"{magnified}: grey is 0, white +{0.5 / factor:g}; distortion "
              f"{after['distortion']:.4f}"),
             (found, f"D(x, {label}) = x + r: labelled {label} ({after['softmax %']:.1f} %)")]
    return pictures.draw_panels([(pictures.draw_grid(a, 1, SCALE), text) for a, text in parts],
                                f"The nearest image found that {who} labels {label}.  "
                                "In brackets its softmax.")


if __name__ == "__main__":
    cli.run(main)
