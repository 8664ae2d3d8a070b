"""D(x, l) for a picture of your own: the nearest image that the net labels as you wish.

    python -m experiments.attack --image experiments/results/digit.png --target 7
    python -m experiments.attack --image experiments/results/digit.png --net "FC10(1e-4)"

Without --target: the nearest image with any other label.

A picture of 28 x 28 pixels is taken as it is.  Any other is made as MNIST's images were
(`own_digit.make_like_mnist`), so you can write a digit in a paint program, or photograph one on
plain paper.
Files: attack.png shows x, r magnified and D(x, l); attack-adversarial.png is D(x, l) in 8-bit
grey; attack.md and attack.json hold the numbers.
"""
import math

import numpy as np
from PIL import Image

from data.pictures import escape, open_picture
from experiments.shared import cache, cli, models, own_digit, page, pictures, samples
from intriguing import D, distortion
from nets.backend import to_device
from nets.losses import softmax_cross_entropy

FACTORS = (1, 2, 5, 10, 20, 50, 100, 200, 500)      # r is magnified by one of these
SCALE = 9                                   # of the pictures


def main(image: str, target="nearest", net="FC100-100-10", data="auto", seed=0, train="adam",
         solver="auto", workers=0, out="runs", quiet=False):
    flags, started = cli.start(locals())
    if str(target) not in ("nearest", *"0123456789"):
        raise ValueError(f"--target {target}: choose a label from 0 to 9, or nearest")
    x, how = own_digit.read_picture(image)
    models.parse_name(net)                  # before the data are looked for
    data = samples.load(data, quiet)[0]
    f = cache.load_or_train([net], data, seed, train, workers, quiet)[net]
    found, details = D(f, x, None if target == "nearest" else int(target), solver=solver,
                       details=True)
    if np.isnan(found).any():
        other = f"labels {target}" if target != "nearest" else "labels otherwise"
        raise RuntimeError(f"found no image near {escape(image)} that {net} {other}; "
                           "nothing is written.  Try another --target or --net")
    target = int(details.label[0])
    folder = page.choose_folder(out, data)
    png = folder / "attack-adversarial.png"
    for name in ("attack.md", "attack.json"):   # an earlier run's would look like this run's
        (folder / name).unlink(missing_ok=True)
    pictures.save(Image.fromarray(pictures.to_8_bits(found[0, 0])), png)
    rounded = own_digit.to_grey(open_picture(png))[None, None]
    numbers = {name: measure_image(f, x, a)
               for name, a in (("x", x), ("D(x, l)", found), ("8-bit", rounded))}
    factor = choose_magnification(found - x)
    pictures.save(draw_images(x, found, factor,
                              numbers, f"{net}, trained on {page.describe_data(data)},"),
                  folder / "attack.png")
    page.save("attack", main, flags, data, started, f"""\
# D(x, {target}) for {escape(image)}

![x, r times {factor}, x + r = D(x, {target})](attack.png)

{escape(image)}: {how}.

{format_results(net, target, numbers)}""",
              {"net": net, "target": target, "magnified": factor, **numbers})
    print(f"Pictures: {escape(folder / 'attack.png')}, and alone, 8-bit, {escape(png)}.")
    return numbers


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
