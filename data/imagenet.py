"""The 1,000 classes of ILSVRC 2012: their WordNet ids, which name ImageNet's folders, and names.

imagenet_classes.txt has one line for each class, sorted by id.  The logits of all nets trained on
ImageNet have this order.  Source and licence: data/README.md.
"""

from pathlib import Path

import numpy as np

CLASSES = [tuple(line.split(" ", 1)) for line in
           Path(__file__).with_name("imagenet_classes.txt").read_text("utf-8").splitlines()]
WNIDS, NAMES = map(list, zip(*CLASSES, strict=True))    # "n01440764", "tench"; two are "crane"
ROW = {wnid: row for row, wnid in enumerate(WNIDS)}


def class_name(folder):
    """The name of the class of a folder: "tench" for "n01440764"; for others the folder's name."""
    return NAMES[ROW[folder]] if folder in ROW else folder


def match_labels(photographs, classes):
    """The labels t (N,) of photographs as a net counts them, and the names of the net's K labels.

    Args:
        photographs: folder.Photographs.
        classes: the class folder of each of the net's K labels; WNIDS for ImageNet.

    Returns:
        t: -1 where a photograph has no class.  And a list of K names.

    Raises:
        ValueError: the net does not have some of the photographs' classes.
    """
    row = {folder: i for i, folder in enumerate(classes)}
    if unknown := [folder for folder in photographs.folders if folder not in row]:
        raise ValueError(f"{photographs.root}: {len(unknown):,} of its classes ({unknown[0]}) are "
                         f"none of the net's {len(classes):,} ({classes[0]}, ...); expected the "
                         "same names, or photographs without class folders")
    rows = np.array([row[folder] for folder in photographs.folders], np.int64)
    return (rows[photographs.t] if len(rows) else photographs.t), list(map(class_name, classes))
