"""Every script that takes --weights, with a small net out of an ONNX file."""
import json

import numpy as np
import pytest
from PIL import Image
from toy_onnx import Graph
from toy_pictures import write_photographs

from experiments import attack, figure3_4, figure5, stability, table5
from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import alexnet
from experiments.shared import cache, measures
from experiments.shared.weights import read_weights

CLASSES, SIZE = ["blue", "green", "red"], 16


@pytest.fixture
def world(tmp_path, monkeypatch):
    """{weights, folder}: a net that names the strongest colour, and photographs of three colours.

    The net's layers: the mean of each channel over 4 x 4 pixels, tanh, the sum of a channel.
    """
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(measures, "RESAMPLES", 99)
    rng = np.random.default_rng(0)

    def pixels(name):
        x = rng.integers(90, 130, (20, 20, 3))
        x[:, :, 2 - CLASSES.index(name)] += 30
        return x
    folder = write_photographs(tmp_path / "photographs", {"train": 2, "test": 6}, CLASSES, pixels)
    g = Graph((3, SIZE, SIZE))
    mean = np.eye(3)[:, :, None, None] * np.ones((4, 4)) / 16
    g.add("Conv", g.store(mean.astype("float32")), strides=[4, 4]).add("Tanh")
    W = np.repeat(np.eye(3)[::-1], 16, 0) * rng.uniform(0.5, 1.5, (48, 1))
    W = W / W.sum(0) * 20
    g.add("Flatten").add("Gemm", g.store(W.astype("float32")), g.store(np.zeros(3, "float32")))
    return {"weights": g.save(tmp_path), "folder": str(folder),
            "out": {"out": str(tmp_path / "out"), "quiet": True}}


def test_figure5_with_the_classes_of_the_folder(world):
    numbers = figure5.main(world["weights"], data=world["folder"], target="green", count=4,
                           workers=1, **world["out"])
    assert numbers["target"] == "green" and numbers["not found"] == 0
    assert {row["before"] for row in numbers["images"]} == {"blue", "red"}
    assert 0 < numbers["av. distortion"] < 0.2


def test_figure3_4_names_the_net_and_compares_with_it_untrained(world, tmp_path, monkeypatch):
    monkeypatch.setattr(figure3_4, "DIRECTIONS", 6)
    figure3_4.main(world["weights"], data=world["folder"], layer=1, **world["out"])
    text = (tmp_path / "out" / "figure3_4.md").read_text()
    assert "single units of net.onnx against" in text and "AlexNet" not in text


def test_stability_bounds_a_net_with_tanh(world, monkeypatch):
    monkeypatch.setattr(stability, "NETS", ())
    monkeypatch.setattr(stability, "STEPS", 5)
    monkeypatch.setattr(stability.samples, "load", lambda data, quiet: (
        "mnist", (np.zeros((20, 1)), np.arange(20) % 10), None))
    row, = stability.main(count=3, workers=1, weights=world["weights"],
                          photographs=world["folder"], **world["out"]).values()
    assert row["images"] == 3 and row["bound / searched"] >= 1
    assert row["certificate / distortion, at most"] <= 1


def test_table5_has_a_row_for_each_layer_and_no_papers_numbers(world, tmp_path):
    numbers = table5.main(world["weights"], workers=1, **world["out"])
    assert list(numbers["layers"]) == ["conv1", "FC1"]
    assert numbers["layers"]["conv1"]["size"] == "3 x 4 x 4 x 3"
    assert numbers["layers"]["conv1"]["true operator"] == pytest.approx(1 / 4, rel=1e-3)
    assert "paper" not in numbers["products"]["these layers"]
    text = (tmp_path / "out" / "table5.md").read_text()
    assert "sees pixels of 0 to 1." in text and "its 2.75" not in text


def test_the_benchmark_takes_the_net(world, monkeypatch):
    jobs = benchmark.prepare_photographs(world["weights"], "none", world["folder"], 0, True)
    [(name, (net, x, *_))] = jobs.items()
    assert name == read_weights(world["weights"]).description == f"net.onnx ({SIZE} pixels)"
    assert x.shape == (min(alexnet.PHOTOGRAPHS, 18), 3, SIZE, SIZE)


def test_attack_of_a_photograph(world, tmp_path):
    image = f"{world['folder']}/test/red/0.png"
    numbers = attack.main(image, "class 0", weights=world["weights"], **world["out"])
    assert numbers["x"]["label"] == "class 2" and numbers["D(x, l)"]["label"] == "class 0"
    assert 0 < numbers["D(x, l)"]["distortion"] < 0.2
    with Image.open(tmp_path / "out" / "attack-adversarial.png") as png:
        assert (png.mode, png.size) == ("RGB", (SIZE, SIZE))
    record = json.loads((tmp_path / "out" / "attack.json").read_text())
    assert record["data"] == "none" and record["numbers"]["net"] == f"net.onnx ({SIZE} pixels)"
    assert "of which the centre, 16 x 16" in (tmp_path / "out" / "attack.md").read_text()
    nearest = attack.main(image, weights=world["weights"], **world["out"])
    by_number = attack.main(image, "1", weights=world["weights"], **world["out"])
    best = min(numbers["D(x, l)"]["distortion"], by_number["D(x, l)"]["distortion"])
    assert nearest["D(x, l)"]["distortion"] == pytest.approx(best, rel=0.01)
    with pytest.raises(ValueError, match="--target 3: choose a label from 0 to 2, or nearest; cl"):
        attack.main(image, "3", weights=world["weights"], **world["out"])


def test_attack_of_a_digit_on_ones_own_net(tmp_path):
    g = Graph((784,))
    g.add("Gemm", g.draw(784, 10)).add("Softmax")
    pixels = np.zeros((28, 28), np.uint8)
    pixels[5:23, 12:16] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    flags = {"weights": g.save(tmp_path), "out": str(tmp_path), "quiet": True}
    numbers = attack.main(str(tmp_path / "one.png"), **flags)
    assert isinstance(numbers["x"]["label"], int)
    assert numbers["D(x, l)"]["label"] != numbers["x"]["label"]
    with pytest.raises(ValueError, match="--target 10: choose a label from 0 to 9"):
        attack.main(str(tmp_path / "one.png"), "10", **flags)
    flags["weights"] = Graph((1, 14, 14)).end(196, 10).save(tmp_path)
    with pytest.raises(ValueError, match="grey images of 14 x 14 pixels, expected 28 x 28"):
        attack.main(str(tmp_path / "one.png"), **flags)


def test_of_a_thousand_labels_the_nearest_is_one_of_the_ten_likeliest(tmp_path):
    path = Graph((3, 4, 4)).end(48, 1000).save(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photograph.png")
    numbers = attack.main(str(tmp_path / "photograph.png"), weights=path, out=str(tmp_path),
                          quiet=True)
    assert numbers["D(x, l)"]["label"] != numbers["x"]["label"]
