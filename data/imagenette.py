"""Imagenette at 320 pixels: photographs of ten ImageNet classes, in ImageNet's own folders.

It looks for imagenette2-320/ in $INTRIGUING_DATA/imagenette, then in data/raw/imagenette.  Else it
unpacks the archive into the second, and downloads it first if it is in neither.
Sources and licence: data/README.md.
"""

import os
import tarfile

from data import files, folder, listing
from data.files import damage_error

ARCHIVE = files.Archive(
    "Imagenette", "imagenette",
    "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-320.tgz", 341_663_724,
    "569b4497c98db6dd29f335d1f109cf315fe127053cedf69010d047f0188e158c")
UNPACKED = "imagenette2-320"                 # the archive's own folder
IMAGES = {"train": 9469, "val": 3925}
CLASSES = ("n01440764", "n02102040", "n02979186", "n03000684", "n03028079", "n03394916",
           "n03417042", "n03425413", "n03445777", "n03888257")      # the folders; names: imagenet


def load(size, short=None, strict=False, quiet=False):
    """(train, val): 9,469 and 3,925 images, two folder.Photographs.

    Args:
        size, short, strict, quiet: as for folder.load.

    Returns:
        train and val.  Their t are indices into CLASSES.  For ImageNet's labels:
        imagenet.match_labels.

    Raises:
        files.Damaged: a ValueError; the archive or the unpacked folder is not whole.
        files.Unavailable: an OSError; neither is here, and the archive cannot be downloaded.
        ValueError: INTRIGUING_DATA names no folder, or short < size.
    """
    places = (place / UNPACKED for place in files.search_folders(ARCHIVE.folder))
    root = next(filter(os.path.isdir, places), None) or unpack(
        files.find(ARCHIVE) or files.download(ARCHIVE, quiet))
    for part, count in IMAGES.items():
        found = {path.name: len(listing.list_names(path)) for path in root.glob(f"{part}/*/")
                 if not listing.is_system(path.name)}
        if sum(found.values()) != count or set(found) != set(CLASSES) or 0 in found.values():
            raise damage_error(
                root / part, f"{sum(found.values()):,} images in {len(found)} classes",
                f"{count:,} in Imagenette's own {len(CLASSES)}")
    train, val = (folder.load(root / part, size, short, strict, quiet) for part in IMAGES)
    return train, val


def unpack(path):
    """Unpack a verified archive into data/raw, under its name only when it is whole.

    Returns the folder.  Raises files.Unavailable, an OSError, if it cannot write, and files.Damaged
    if the archive is cut, or a member is neither a file nor a folder, or lies outside.
    """
    target = files.RAW / ARCHIVE.folder / UNPACKED
    with files.open_temporary_for(ARCHIVE) as temporary:
        with files.open_tar(path) as tar:
            tar.extractall(temporary, filter=allow_files_only)
        if not (temporary / UNPACKED).is_dir():
            raise damage_error(path, f"no folder {UNPACKED} in it", "Imagenette's own folder")
        try:
            os.replace(temporary / UNPACKED, target)
        except OSError:
            if not target.is_dir():         # else another process was faster
                raise
    return target


def allow_files_only(member, path):
    """tarfile's filter "data", without links: Imagenette has none, and links can lead outside."""
    if not (member.isfile() or member.isdir()):
        raise tarfile.SpecialFileError(member)
    return tarfile.data_filter(member, path)
