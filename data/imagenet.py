"""The 1,000 classes of ILSVRC 2012: their WordNet ids, which name ImageNet's folders, and names.

imagenet_classes.txt has one line for each class, sorted by id.  The logits of all nets trained on
ImageNet have this order.  Source and licence: data/README.md.
"""

from pathlib import Path

import numpy as np

from data.pictures import escape

CLASSES = [tuple(line.split(" ", 1)) for line in
           Path(__file__).with_name("imagenet_classes.txt").read_text("utf-8").splitlines()]
WNIDS, NAMES = map(list, zip(*CLASSES, strict=True))    # "n01440764", "tench"; two are "crane"
ROW = {wnid: row for row, wnid in enumerate(WNIDS)}


def class_name(folder):
    """The name of the class of a folder: "tench" for "n01440764"; for others the folder's name."""
    return NAMES[ROW[folder]] if folder in ROW else escape(folder)


def find_label(target, classes):
    """The number of the label called `target`, a name or a class folder (in ImageNet its id).

    Args:
        target: the name.
        classes: the class folder of each of the net's K labels.

    Returns:
        0 to K - 1; or None if no label is called so.

    Raises:
        ValueError: several labels are called so.
    """
    if target in classes:
        return classes.index(target)
    labels = [label for label, folder in enumerate(classes)
              if class_name(folder) == escape(target)]
    if len(labels) > 1:
        raise ValueError(f"{escape(target)}: {len(labels)} labels are called so; choose "
                         f"{' or '.join(escape(classes[label]) for label in labels)}")
    return labels[0] if labels else None


def match_labels(photographs, classes):
    """The labels t (N,) of photographs as a net counts them, and the names of the net's K labels.

    Args:
        photographs: folder.Photographs.
        classes: the class folder of each of the net's K labels; WNIDS for ImageNet.

    Returns:
        t: -1 where a photograph has no class.  And a list of K names; where two are the same, they
        have their folders behind them.

    Raises:
        ValueError: the net does not have some of the photographs' classes.
    """
    row = {folder: i for i, folder in enumerate(classes)}
    if unknown := [folder for folder in photographs.folders if folder not in row]:
        raise ValueError(f"{escape(photographs.root)}: {len(unknown):,} of its classes "
                         f"({escape(unknown[0])}) are none of the net's {len(classes):,} "
                         f"({escape(classes[0])}, ...); expected the same names, or photographs "
                         "without class folders")
    rows = np.array([row[folder] for folder in photographs.folders], np.int64)
    names = [class_name(folder) for folder in classes]
    names = [f"{name} ({folder})" if names.count(name) > 1 and name != folder else name
             for name, folder in zip(names, classes, strict=True)]
    return (rows[photographs.t] if len(rows) else photographs.t), names
