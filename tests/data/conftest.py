"""Fixtures of the tests of data/."""
import pytest
from toy_archives import CIFAR, IMAGENETTE, known, serve

from data import cifar10, imagenette
from data import files as data_files


@pytest.fixture
def raw(tmp_path, monkeypatch, server):
    """data/raw, empty, for a CIFAR-10 of 18 images and an Imagenette of 30, at a local server."""
    address, files, _ = server
    serve(files, "good", {"cifar-10-binary.tar.gz": CIFAR, "imagenette2-320.tgz": IMAGENETTE})
    monkeypatch.setattr(cifar10, "IMAGES", 3)
    monkeypatch.setattr(imagenette, "IMAGES", {"train": 20, "val": 10})
    known(monkeypatch, cifar10, CIFAR, f"{address}/good")
    known(monkeypatch, imagenette, IMAGENETTE, f"{address}/good")
    monkeypatch.setattr(data_files, "RAW", tmp_path / "raw")
    monkeypatch.delenv("INTRIGUING_DATA", raising=False)
    return tmp_path / "raw"
