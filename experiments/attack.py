"""D(x, l) for a picture of your own: the nearest image that the net labels as you wish.

    python -m experiments.attack --image experiments/results/digit.png --target 7
    python -m experiments.attack --image experiments/results/digit.png --net "FC10(1e-4)"
    python -m experiments.attack --image digit.png --weights mynet.onnx
    python -m experiments.attack --image cat.jpg --weights bvlc --target ostrich

Without --target: the nearest image with any other label, of the ten likeliest.
With --weights, the net is that file's, and --net, --data and --train do not count.  If it takes
grey images of 28 x 28 pixels, the picture is made as for --net.  If it takes colours, the picture
is a photograph, of which the centre is taken, and --target is a label's number or name.

A picture of 28 x 28 pixels is taken as it is.  Any other is made as MNIST's images were
(`own_digit.make_like_mnist`), so you can write a digit in a paint program, or photograph one on
plain paper.
Files: attack.png shows x, r magnified and D(x, l); attack-adversarial.png is D(x, l) in 8-bit
grey; attack.md and attack.json hold the numbers.
"""
import math

import numpy as np
from PIL import Image

from data.imagenet import class_name, find_label
from data.pictures import cut_square, escape
from experiments.shared import cache, cli, models, own_digit, page, pictures, samples
from experiments.shared.weights import read_weights
from intriguing import D, distortion
from nets.backend import to_device
from nets.losses import softmax_cross_entropy

FACTORS = (1, 2, 5, 10, 20, 50, 100, 200, 500)      # r is magnified by one of these
TILE = 252                                  # pixels of a side in the pictures, about
HELP = {"target": "the wanted label, its number or its name, or nearest for any other one",
        "image": "the picture of a digit, or for --weights of colours a photograph"}


def main(image: str, target="nearest", net="FC100-100-10", weights="", preprocess="auto",
         data="auto", seed=0, train="adam", solver="auto", workers=0, out="runs", quiet=False):
    models.parse_name(net)                  # before any folder is made
    flags, started = cli.start(locals())
    model = read_weights(weights, quiet, preprocess) if weights else None
    labels = name_labels(model)
    wanted = find_target(target, labels, model)
    x, how = (read_photograph(image, model) if model and model.channels == 3
              else own_digit.read_picture(image))
    if model:
        f, net, who, data = model.net, model.description, model.description, "none"
        if x.shape[1:] != (model.channels, model.size, model.size):
            raise ValueError(f"--weights {weights}: its net takes grey images of {model.size} x "
                             f"{model.size} pixels, expected 28 x 28")
    else:
        data = samples.load(data, quiet)[0]
        f = cache.load_or_train([net], data, seed, train, workers, quiet)[net]
        who = f"{net}, trained on {page.describe_data(data)},"
    found, details = D(f, x, wanted, solver=solver, details=True)
    if np.isnan(found).any():
        other = f"labels {target}" if target != "nearest" else "labels otherwise"
        raise RuntimeError(f"found no image near {escape(image)} that {net} {other}; "
                           "nothing is written.  Try another --target or --net")
    target = labels[int(details.label[0])]
    eight_bits = to_pixels(found)
    rounded = eight_bits.reshape(*x.shape[2:], -1).transpose(2, 0, 1)[None] / np.float32(255)
    numbers = {name: measure_image(f, x, a, labels)
               for name, a in (("x", x), ("D(x, l)", found), ("8-bit", rounded))}
    factor = choose_magnification(found - x)
    shown = draw_images(x, found, factor, numbers, who)
    page.save("attack", main, flags, data, started, f"""\
# D(x, {target}) for {escape(image)}

![x, r times {factor}, x + r = D(x, {target})](attack.png)

{escape(image)}: {how}.

{format_results(net, target, numbers)}""",
              {"net": net, "target": target, "magnified": factor, **numbers},
              {"attack.png": shown, "attack-adversarial.png": Image.fromarray(eight_bits)})
    folder = page.choose_folder(out, data)
    print(f"Pictures: {escape(folder / 'attack.png')}, and alone, 8-bit, "
          f"{escape(folder / 'attack-adversarial.png')}.")
    return numbers


# ---- The net's labels ------------------------------------------------------------------------


def name_labels(model):
    """The labels of a Weights: names, or for grey images numbers.  None: those of digits."""
    if model is None or model.channels == 1:
        return list(range(model.net.params[-1].size if model else 10))
    return list(map(class_name, model.classes))


def find_target(target, labels, model):
    """The number of a label, or None for nearest; ValueError if there is no such label."""
    K = len(labels)
    if str(target) == "nearest":
        return None
    if model and (known := find_label(str(target), model.classes)) is not None:
        return known
    if str(target).isdecimal() and int(target) < K:
        return int(target)
    raise ValueError(f"--target {escape(target)}: choose a label from 0 to {K - 1}, or nearest"
                     + (f"; {labels[0]} is one" if model else ""))


# ---- A photograph ----------------------------------------------------------------------------


def read_photograph(path, model):
    """The centre of a photograph, as a net takes it: x (1, 3, S, S), and how it was made."""
    image = own_digit.open_image(path)
    x = cut_square(image, model.size, model.short)[None]
    x = pictures.to_8_bits(x) / np.float32(255)
    return x, (f"{image.width} x {image.height} pixels, scaled to a short side of {model.short}, "
               f"of which the centre, {model.size} x {model.size}")


def to_pixels(x):
    """An image (1, 1 or 3, H, W) in 8 bits, as Pillow takes it."""
    return pictures.to_8_bits(x[0, 0] if x.shape[1] == 1 else x[0].transpose(1, 2, 0))


# ---- The result ------------------------------------------------------------------------------


def measure_image(net, x, image, labels):
    """The label of an image, its softmax in %, and how far the image is from x.

    net: the net.  x, image: (1, C, H, W).  labels: the names of the net's labels.
    """
    logits = net.forward(to_device(image.astype(float)))[0]
    label = labels[int(logits.argmax(1)[0])]
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

    x, found: (1, C, H, W).  numbers: as for `format_results`.  who: the net, for the title.
    """
    before, after = numbers["x"], numbers["D(x, l)"]
    label = after["label"]
    magnified = "r" if factor == 1 else f"{factor} r"
    scale = max(1, TILE // x.shape[3])
    parts = [(x, "x: labelled {label} ({softmax %:.1f} %)".format(**before)),
             (pictures.magnify(found - x, factor),
              f"{magnified}: grey is 0, white +{0.5 / factor:g}; distortion "
              f"{after['distortion']:.4f}"),
             (found, f"D(x, {label}) = x + r: labelled {label} ({after['softmax %']:.1f} %)")]
    return pictures.draw_panels([(pictures.draw_grid(a, 1, scale), text) for a, text in parts],
                                f"The nearest image found that {who} labels {label}.  "
                                "In brackets its softmax.")


if __name__ == "__main__":
    cli.run(main)
