"""Figure 7: originals and distorted images side by side.

    python -m experiments.figure7 --seed 1

Three panels of 4 rows x 6 columns, each pair an original and the image made from it: (a) a
linear net, (b) the 200-200-10 sigmoid net, both with every distorted image labelled wrong;
(c) Gaussian noise of stddev 1, clipped to [0, 1], which no longer looks like anything and which
a net still labels right half of the time.  The caption of (c) says which of our nets comes
nearest to the paper's 51 %.  Accuracies and distortions are measured on all `count` images.
"""

import numpy as np

from experiments import common, made, pictures
from experiments.table2 import MODELS, noisy
from intriguing import distortion

PAPER = {"a": {"stddev": 0.06, "accuracy %": 0}, "b": {"stddev": 0.063, "accuracy %": 0},
         "c": {"stddev": 1.0, "accuracy %": 51}}
PANELS = {"a": "FC10(1e-4)", "b": "FC200-200-10"}
PAIRS = 12                                  # a panel: 4 rows x 6 columns of images


def main(data="auto", count=256, seed=0, targets="random", train="adam", workers=0, out="runs",
         quiet=False):
    flags, started = dict(locals()), common.start(out)
    job = made.prepare(MODELS, data, count, seed, targets, train, workers, quiet)
    fed = {panel: job.images[name] for panel, name in PANELS.items()}
    fed["c"] = noisy(job.x, 1.0, seed)
    accuracy = {name: 100 * float((net.predict(fed["c"].astype(float)) == job.t).mean())
                for name, net in job.nets.items()}
    nearest = min(accuracy, key=lambda name: abs(accuracy[name] - PAPER["c"]["accuracy %"]))
    numbers, parts = {}, []
    for panel, name in {**PANELS, "c": nearest}.items():
        shown = ~np.isnan(distortion(job.x, fed[panel]))
        if panel != "c":
            shown &= job.searched[name]
        x, images = job.x[shown], fed[panel][shown]
        labels = job.nets[name].predict(images.astype(float))
        numbers[panel] = {"net": name, "stddev": float(distortion(x, images).mean()),
                          "accuracy %": 100 * float((labels == job.t[shown]).mean())}
        pairs = np.stack([x[:PAIRS], images[:PAIRS]], 1).reshape(-1, *x.shape[1:])
        parts.append((pictures.grid(pairs, 6), words(panel, numbers[panel])))
    numbers["accuracy % on noise of stddev 1"] = accuracy
    folder = common.folder(out, job.data)
    title = ("Figure 7: pairs of an image and the same image distorted.  "
             f"{common.describe(job.data)}.  Ours (the paper's).")
    pictures.save(pictures.panels(parts, title), folder / "figure7.png")
    common.save("figure7", main, flags, job.data, started, f"""\
# Figure 7: ours (the paper's)

![pairs of an image and the same image distorted](figure7.png)

{common.table(["panel", "net", "stddev", "accuracy %"],
              [[p, numbers[p]["net"], *(common.cell(numbers[p][k], PAPER[p][k])
                                        for k in ("stddev", "accuracy %"))] for p in PAPER])}

Accuracy of each net on the noise of panel c (the paper does not say whose its 51 % is):

{common.table(list(accuracy), [[common.cell(a) for a in accuracy.values()]])}

Noise of stddev 1 measures less once it is clipped to [0, 1].  {made.caption(job)}""", numbers)
    return numbers


def words(panel, found):
    """The caption of one panel."""
    what = "noise of stddev 1, clipped" if panel == "c" else f"D(x, l) for {found['net']}"
    whose = f" of {found['net']}" if panel == "c" else ""
    return (f"({panel}) {what}: stddev {common.cell(found['stddev'], PAPER[panel]['stddev'])}, "
            f"accuracy{whose} {common.cell(found['accuracy %'], PAPER[panel]['accuracy %'])} %")


if __name__ == "__main__":
    common.run(main)
