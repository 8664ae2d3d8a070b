"""The 1,000 classes of ILSVRC 2012: their WordNet ids, which name ImageNet's folders; their names.

One line a class in imagenet_classes.txt, in the order of the rows of every net trained on them,
which is that of the sorted ids.  Source and licence: data/README.md.
"""

from pathlib import Path

import numpy as np

CLASSES = [tuple(line.split(" ", 1)) for line in
           Path(__file__).with_name("imagenet_classes.txt").read_text("utf-8").splitlines()]
WNIDS, NAMES = map(list, zip(*CLASSES, strict=True))    # "n01440764", "tench"; two are "crane"
ROW = {wnid: row for row, wnid in enumerate(WNIDS)}


def label(folder):
    """What people call the class of a folder: "tench" for "n01440764", else the folder's name."""
    return NAMES[ROW[folder]] if folder in ROW else folder


def labels(photographs, classes):
    """The labels t (N,) as a net counts them, -1 where there are none, and its K labels' names.

    photographs: folder.Photographs.  classes: the class folder of each of the net's K labels,
    WNIDS for ImageNet's.  Raises ValueError if some of the photographs are of no class of the net.
    """
    row = {folder: i for i, folder in enumerate(classes)}
    if strange := [folder for folder in photographs.folders if folder not in row]:
        raise ValueError(f"{photographs.root}: {len(strange):,} of its classes ({strange[0]}) are "
                         f"none of the net's {len(classes):,} ({classes[0]}, ...); expected the "
                         "same names, or photographs without class folders")
    rows = np.array([row[folder] for folder in photographs.folders], np.int64)
    return (rows[photographs.t] if len(rows) else photographs.t), list(map(label, classes))
