"""Figure 5: photographs, and others that look the same and that AlexNet labels as one wishes.

    python -m experiments.figure5 --weights bvlc --data imagenette --count 64
    python -m experiments.figure5 --weights runs/alexnet.npz --data cifar10 --target bird

Photographs that the net labels right (of a folder without labels: any), drawn by seed from the
set's test part, each searched for D(x, l) with one l for all.  A net of our own training has not
seen that part; what others trained theirs on, they say (ImageNet's nets, most of Imagenette).
Written: figure5.png, rows of x, 128 + 10 (x' - x) and x', pixels counted from 0 to 255;
figure5.md and figure5.json, the labels before and after, the average distortion, and the share
that an 8-bit PNG preserves.  The search computes in float32, as the weights are; what is kept of
L-BFGS, in float64.
"""
import io

import numpy as np
from PIL import Image

from experiments.shared import cache, cli, page, pictures
from experiments.shared.weights import loaded, recognised
from intriguing import distortion

PAPER = {"examples": 64, "av. distortion": 0.006508}
TARGETS = ("ostrich", "bird")               # the paper's, or for a net that knows no ostrich
PICTURE = "![rows of a photograph, the difference magnified, and the photograph found](figure5.png)"
MAGNIFIED = 10                              # as in the paper: 128 + 10 (x' - x)
SHOWN = 6                                   # rows of the picture, and pixels of its tiles' sides
SIDE = 180
LISTED = 16                                 # rows of the table
HELP = {"data": cli.FLAGS["photographs"],
        "target": "the name of the wanted class; without, ostrich or else bird"}


def main(weights="runs/alexnet.npz", data="cifar10", count=8, target="", seed=0, solver="auto",
         workers=0, out="runs", strict=False, quiet=False):
    flags, started = cli.start(locals())
    model, photographs, t, names = loaded(weights, data, strict, quiet)
    wanted = number(target, names)
    labelled = bool((t >= 0).all())
    x, t, rows, tried = recognised(model.net, photographs, t, wanted, count, seed)
    images = cache.load_or_search({model.name: model.net}, x, t, np.full(len(x), wanted),
                                  "photographs", solver, workers, quiet)[model.name]
    size = distortion(x, images)
    after = model.net.predict(np.nan_to_num(images))
    eight = model.net.predict(by_png(images[~np.isnan(size)]))
    numbers = {"target": names[wanted], "av. distortion": page.mean(size), "searched": len(x),
               "not found": int(np.isnan(size).sum()),
               "8-bit PNG has the target %": share(eight == wanted),
               "8-bit PNG is labelled wrong %": share(eight != t[~np.isnan(size)]),
               "images": [{"file": photographs.called(row), "before": names[before],
                           "after": None if np.isnan(s) else names[a], "distortion": float(s)}
                          for row, before, a, s in zip(rows, t, after, size, strict=True)]}
    path = page.folder(out, data) / "figure5.png"
    path.unlink(missing_ok=True)            # of another run: it would stand for this one's
    shown = drawn(x, images, t, after, names, path)
    page.save("figure5", main, flags, data, started,
              report(numbers, model, tried, labelled, shown), numbers)
    return numbers


def number(target, names):
    """The label of that name among the net's names (K,), or ValueError."""
    known = [name for name in ([target] if target else TARGETS) if name in names]
    if not known:
        some = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise ValueError(f"--target {target or ' or '.join(TARGETS)}: the net knows no such "
                         f"label; choose one of {some}")
    return names.index(known[0])


def by_png(images):
    """images (N, 3, H, W) in [0, 1] as 8-bit PNG files have them, written and read back."""
    def back(image):
        file = io.BytesIO()
        Image.fromarray(pictures.pixels(image[None])[0]).save(file, "PNG")
        return np.asarray(Image.open(file), np.float32).transpose(2, 0, 1) / 255
    return np.array([back(image) for image in images]).reshape(images.shape)


def share(true):
    """% of true (N,), None of nothing."""
    return page.mean(100.0 * true)


def report(numbers, model, tried, labelled, shown):
    """The Markdown.  labelled: whether photographs have labels.  shown: whether any is drawn."""
    right = "right" if labelled else "otherwise: they have no labels, before is the net's own"
    return f"""\
# Figure 5: {model.said} taken to "{numbers["target"]}", ours (the paper's)

{PICTURE if shown else "Nothing was found, so nothing is drawn."}

{format_summary(numbers)}

Of {tried:,} photographs tried, in an order drawn by seed, these are the first that the net labels \
{right}.  Distortion: root mean square over pixels in [0, 1].  The first of them:

{format_photographs(numbers["images"])}"""


def format_summary(numbers):
    """The averages in Markdown, ours (the paper's).  numbers: as in JSON."""
    rows = [["av. distortion", page.cell(numbers["av. distortion"], PAPER["av. distortion"])],
            ["photographs", page.cell(numbers["searched"], PAPER["examples"])],
            ["not found", numbers["not found"]],
            *([what, page.cell(numbers[what])] for what in
              ("8-bit PNG has the target %", "8-bit PNG is labelled wrong %"))]
    return page.table(["", "ours (the paper's)"], rows)


def format_photographs(images):
    """The first LISTED photographs in Markdown.  images: [{file, before, after, distortion}]."""
    rows = [[n["file"], n["before"], n["after"] or "not found", page.cell(n["distortion"])]
            for n in images[:LISTED]]
    return page.table(["photograph", "before", "after", "distortion"], rows)


def drawn(x, images, t, after, names, path):
    """Rows of x, 128 + 10 (x' - x), x', of the first photographs, as a PNG.  Whether there are."""
    parts = []
    found = np.flatnonzero(~np.isnan(distortion(x, images)))[:SHOWN]
    scale = max(1, SIDE // x.shape[3])
    for i in found:
        trio = (x[i], pictures.magnified(images[i] - x[i], MAGNIFIED), images[i])
        captions = (names[t[i]], f"difference, {MAGNIFIED} x", names[after[i]])
        parts += [(pictures.grid(image[None], 1, scale), text)
                  for image, text in zip(trio, captions, strict=True)]
    if parts:
        title = ("Figure 5: photographs, 128 + 10 times the difference, and the photographs "
                 "found, with the labels that the net gives them.")
        pictures.save(pictures.panels(parts, title, 3), path)
    return bool(parts)


if __name__ == "__main__":
    cli.run(main)
