"""Figure 5: photographs, and others that look the same and that a net labels as the target.

    python -m experiments.figure5 --weights bvlc --data imagenette --count 64
    python -m experiments.figure5 --weights runs/alexnet.npz --data cifar10 --target bird

The script takes photographs of the data set's test part, in an order drawn by seed, that the net
labels right (from a folder without labels: any), and searches D(x, l) with one target l for all.
A net that was trained here has not seen that part.  Nets of others may have: those trained on
ImageNet have seen most of Imagenette.
Files: figure5.png, rows of x, 128 + 10 (x' - x) and x', pixels counted from 0 to 255; figure5.md
and figure5.json, the labels before and after, the average distortion, and the share of the images
that have the target after rounding to an 8-bit PNG.  The net computes in float32, L-BFGS in
float64.
"""
import io

import numpy as np
from PIL import Image

from data import imagenet
from data.pictures import escape
from experiments.shared import cache, cli, page, pictures
from experiments.shared.weights import load_net_and_photographs, pick_correct
from intriguing import distortion

PAPER = {"examples": 64, "av. distortion": 0.006508}
TARGETS = ("ostrich", "bird")               # the paper's, or for a net that knows no ostrich
PICTURE = "![rows of a photograph, the difference magnified, and the photograph found](figure5.png)"
MAGNIFICATION = 10                          # as in the paper: 128 + 10 (x' - x)
PICTURE_ROWS = 6                            # rows of the picture
SIDE = 180                                  # pixels of a tile's side in it, at most
TABLE_ROWS = 16                             # rows of the table
HELP = {"data": cli.FLAGS["photographs"],
        "target": "the wanted class, by its name or its WordNet id; without, ostrich or else bird"}


def main(weights="runs/alexnet.npz", preprocess="auto", data="cifar10", count=8, target="", seed=0,
         solver="auto", workers=0, out="runs", strict=False, quiet=False):
    flags, started = cli.start(locals())
    model, photographs, t, names = load_net_and_photographs(weights, data, strict, quiet,
                                                            preprocess)
    wanted = find_label(target, model.classes)
    labelled = bool((t >= 0).all())
    x, t, rows, tried = pick_correct(model.net, photographs, t, wanted, count, seed)
    images = cache.load_or_search({model.name: model.net}, x, t, np.full(len(x), wanted),
                                  "photographs", solver, workers, quiet)[model.name]
    size = distortion(x, images)
    after = model.net.predict(np.nan_to_num(images))
    eight = model.net.predict(round_trip_png(images[~np.isnan(size)]))
    numbers = {"target": names[wanted], "av. distortion": page.mean(size), "searched": len(x),
               "not found": int(np.isnan(size).sum()),
               "8-bit PNG has the target %": compute_percentage(eight == wanted),
               "8-bit PNG is labelled wrong %": compute_percentage(eight != t[~np.isnan(size)]),
               "images": [{"file": photographs.name_of(row), "before": names[before],
                           "after": None if np.isnan(s) else names[a], "distortion": float(s)}
                          for row, before, a, s in zip(rows, t, after, size, strict=True)]}
    shown = draw_photographs(x, images, t, after, names)
    page.save("figure5", main, flags, data, started,
              format_page(numbers, model, tried, labelled, shown), numbers, {"figure5.png": shown})
    return numbers


def find_label(target, classes):
    """The number of the target, or else of one of TARGETS, among the net's labels.

    Args and errors as for imagenet.find_label; a ValueError too if no label is called so.
    """
    for name in [target] if target else TARGETS:
        if (label := imagenet.find_label(name, classes)) is not None:
            return label
    some = ", ".join(map(imagenet.class_name, classes[:12]))
    raise ValueError(f"--target {escape(target) or ' or '.join(TARGETS)}: the net has no such "
                     f"label; choose one of {some}{', ...' if len(classes) > 12 else ''}")


def round_trip_png(images):
    """Write images (N, 3, H, W) in [0, 1] as 8-bit PNG files and read them back."""
    def write_and_read(image):
        file = io.BytesIO()
        Image.fromarray(pictures.to_rgb(image[None])[0]).save(file, "PNG")
        return np.asarray(Image.open(file), np.float32).transpose(2, 0, 1) / 255
    return np.array([write_and_read(image) for image in images]).reshape(images.shape)


def compute_percentage(true):
    """How many % of true (N,) are true; None if N is 0."""
    return page.mean(100.0 * true)


def format_page(numbers, model, tried, labelled, shown):
    """The page in Markdown.

    Args:
        numbers: as in JSON.
        model: the Weights.
        tried: how many photographs were tried.
        labelled: whether the photographs have labels.
        shown: whether there is a picture.
    """
    right = ("right" if labelled else
             "other than the target: they have no labels, before is the net's own")
    return f"""\
# Figure 5: {model.description} taken to "{numbers["target"]}", ours (the paper's)

{PICTURE if shown else "Nothing was found, so nothing is drawn."}

{format_summary(numbers)}

{tried:,} photographs were tried, in an order drawn by seed; these are the first that the net \
labels {right}.  Distortion: root mean square over pixels in [0, 1].  The first of them:

{format_photographs(numbers["images"])}"""


def format_summary(numbers):
    """The averages in Markdown, ours (the paper's).  numbers: as in JSON."""
    rows = [["av. distortion",
             page.format_cell(numbers["av. distortion"], PAPER["av. distortion"])],
            ["photographs", page.format_cell(numbers["searched"], PAPER["examples"])],
            ["not found", numbers["not found"]],
            *([what, page.format_cell(numbers[what])] for what in
              ("8-bit PNG has the target %", "8-bit PNG is labelled wrong %"))]
    return page.format_table(["", "ours (the paper's)"], rows)


def format_photographs(images):
    """TABLE_ROWS photographs in Markdown.  images: [{file, before, after, distortion}]."""
    rows = [[n["file"], n["before"], n["after"] or "not found", page.format_cell(n["distortion"])]
            for n in images[:TABLE_ROWS]]
    return page.format_table(["photograph", "before", "after", "distortion"], rows)


def draw_photographs(x, images, t, after, names):
    """Draw rows of x, 128 + 10 (x' - x) and x'; None if D found no image.

    x, images: (N, 3, H, W).  t, after: labels (N,) of x and of images.  names: of the labels.
    """
    parts = []
    found = np.flatnonzero(~np.isnan(distortion(x, images)))[:PICTURE_ROWS]
    scale = max(1, SIDE // x.shape[3])
    for i in found:
        trio = (x[i], pictures.magnify(images[i] - x[i], MAGNIFICATION), images[i])
        captions = (names[t[i]], f"difference, {MAGNIFICATION} x", names[after[i]])
        parts += [(pictures.draw_grid(image[None], 1, scale), text)
                  for image, text in zip(trio, captions, strict=True)]
    title = ("Figure 5: photographs, 128 + 10 times the difference, and the photographs found, "
             "with the labels that the net gives them.")
    return pictures.draw_panels(parts, title, 3) if parts else None


if __name__ == "__main__":
    cli.run(main)
