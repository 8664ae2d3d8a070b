"""Which images lie in a folder and in the folders in it.  What is not read, a line on stderr says.
"""
import os
import sys
from pathlib import Path

from data.pictures import SUFFIXES, escape

TRAIN = ("train", "training")       # folders of the two parts, in upper or lower case
TEST = ("val", "valid", "validation", "test", "testing")        # the first of these that is there
SYSTEM = ("__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found",
          "#recycle", "#snapshot")  # folders that systems make; and all that start with a dot
NAMED = 10               # names that a line on stderr gives of what is not read


def list_folder(path):
    """The sorted names of the folders in a folder, and of the files, without hidden files.

    Raises ValueError if there is no such folder, OSError if it cannot be read.
    """
    def fail(error):
        raise OSError(f"{escape(path)}: cannot be read ({error.strerror}); make it readable or "
                      "move it elsewhere") from error
    if not os.path.isdir(path):
        raise ValueError(f"{escape(path)}: no such folder; expected a folder of photographs, "
                         "root/<class>/*.JPEG or root/*.JPEG")
    _, folders, files = next(os.walk(path, onerror=fail))   # a link to itself counts as a file
    return sorted(folders), sorted(name for name in files if not name.startswith("."))


def is_system(folder):
    """Whether a folder of this name belongs to the system, and not to the photographs."""
    return folder.startswith(".") or folder in SYSTEM


def is_image(name):
    """Whether this name of a file is an image's."""
    return name.lower().endswith(SUFFIXES)


def list_names(folder):
    """The sorted names of the image files in this folder itself, without hidden files."""
    return list(filter(is_image, list_folder(folder)[1]))


def find_parts(root):
    """The names of the folders of the training and of the test images; None if there are neither.

    A line on stderr reports which folders are not read.
    """
    folders = [name for name in list_folder(root)[0] if not is_system(name)]
    train, test = ([folder for name in names for folder in folders if folder.lower() == name]
                   for names in (TRAIN, TEST))
    if not train and not test:
        return None
    if not train or not test:
        raise ValueError(
            f"{escape(root)}: a folder {(train + test)[0]} alone; expected one of "
            f"{', '.join(TRAIN)} and one of {', '.join(TEST)}, or neither; name the folder itself, "
            "or rename it if it is a class")
    parts = train[0], test[0]
    if others := [name for name in folders if name not in parts]:
        print(f"{escape(root)}: reading {' and '.join(parts)}; not read: {list_some(others)}",
              file=sys.stderr, flush=True)
    return parts


def list_images(root):
    """{folder: the sorted names of its images} for "", root itself, and the folders in it.

    A line on stderr reports what is not read.
    """
    folders, files = list_folder(root)
    images, deeper = {"": list(filter(is_image, files))}, []
    others = [name for name in files if not is_image(name)]
    for folder in folders:
        if not is_system(folder):
            inner, files = list_folder(Path(root, folder))
            images[folder] = list(filter(is_image, files))
            others += [name for name in files if not is_image(name)]
            deeper += [f"{folder}/{name}/{file}" for name in inner if not is_system(name)
                       for file in list_names(Path(root, folder, name))]
    unread = {"system folders": list(filter(is_system, folders)),
              "folders without an image": [name for name in images if name and not images[name]],
              "images in deeper folders": deeper,
              "files of other kinds": [os.path.splitext(name)[1] or name for name in others]}
    if report := [f"{len(names):,} {what} ({list_some(names)})"
                  for what, names in unread.items() if names]:
        print(f"{escape(root)}: not read: {', '.join(report)}", file=sys.stderr, flush=True)
    return images


def list_some(names):
    """The first NAMED of these names, each once, with commas."""
    names = list(map(escape, dict.fromkeys(names)))
    return ", ".join(names[:NAMED] + ["..."] * (len(names) > NAMED))
