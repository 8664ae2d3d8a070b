"""Small archives of data sets, and what puts them on a disk or on a server of this machine."""
import hashlib
import io
import tarfile

import numpy as np
from PIL import Image

from data import cifar10, imagenette


def fill(folder, files):
    """Write these files, {name: bytes}, into the folder; the name says whether gzipped."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in files.items():
        (folder / name).write_bytes(raw)


def serve(files, place, contents):
    files.update({f"/{place}/{name}": body for name, body in contents.items()})


RNG = np.random.default_rng(0)


def tar(files):
    """A .tar.gz of {name: its bytes, or a TarInfo of whatever kind}."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as whole:
        for name, contents in files.items():
            if isinstance(contents, tarfile.TarInfo):
                whole.addfile(contents)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(contents)
                whole.addfile(member, io.BytesIO(contents))
    return file.getvalue()


def batch(count):
    """A file of CIFAR-10's: `count` records."""
    labels = RNG.integers(0, 10, (count, 1), np.uint8)
    return np.concatenate([labels, RNG.integers(0, 256, (count, 3072), np.uint8)], 1).tobytes()


def photograph():
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (8, 8, 3), np.uint8)).save(file, "JPEG")
    return file.getvalue()


BATCHES = {name: batch(3) for name in cifar10.FILES}
CIFAR = tar({"cifar-10-batches-bin/readme.html": b"", **{
    f"cifar-10-batches-bin/{name}": BATCHES[name] for name in reversed(BATCHES)}})
PHOTOGRAPHS = {f"imagenette2-320/{part}/{name}/{name}_{i}.JPEG": photograph()
               for part, count in (("train", 2), ("val", 1)) for name in imagenette.CLASSES
               for i in range(count)}
IMAGENETTE = tar({"imagenette2-320/noisy_imagenette.csv": b"", **PHOTOGRAPHS})


def known(monkeypatch, module, contents, place):
    """Let these bytes be the module's archive, to be had from that place."""
    monkeypatch.setattr(module, "ARCHIVE", module.ARCHIVE._replace(
        url=f"{place}/{module.ARCHIVE.name}", size=len(contents),
        sha256=hashlib.sha256(contents).hexdigest()))


def assert_cifar(loaded):
    """What was loaded is exactly the 18 images."""
    for photographs, names in zip(loaded, [cifar10.FILES[:5], cifar10.FILES[5:]], strict=True):
        rows = np.concatenate([np.frombuffer(BATCHES[n], np.uint8).reshape(3, -1) for n in names])
        assert photographs.classes == list(cifar10.CLASSES)
        assert photographs.t.tolist() == rows[:, 0].tolist() and photographs.t.dtype == np.int64
        x, _ = photographs.images()
        assert x.shape == (len(rows), 3, 32, 32) and x.dtype == np.float32
        assert (x.reshape(-1, 3072) == rows[:, 1:].astype(np.float32) / np.float32(255)).all()


def assert_imagenette(loaded):
    for photographs, count in zip(loaded, [2, 1], strict=True):
        assert photographs.folders == list(imagenette.CLASSES)
        assert photographs.t.tolist() == [label for label in range(10) for _ in range(count)]
        x, rows = photographs.images()
        assert x.shape == (10 * count, 3, 8, 8) and len(rows) == 10 * count
