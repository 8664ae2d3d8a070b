"""Training the scaled AlexNet: crops and mirrors, the ten views, and whole small runs, one of
them interrupted."""
import json

import numpy as np
import pytest
from toy_pictures import write_photographs

import data as datasets
from experiments import train_alexnet
from experiments.shared import cache
from experiments.shared.weights import read_weights
from experiments.train_alexnet import cut_crops, list_ten_views, measure_accuracy
from nets.backend import to_device, to_host
from nets.net import Net
from nets.training import costs, optimisers

X = np.random.default_rng(0).integers(0, 256, (6, 3, 9, 9)).astype(np.uint8)


@pytest.fixture
def photographs(tmp_path, monkeypatch):
    """A folder: 20 reddish and 20 bluish photographs of 32 x 32 to train on, 5 and 5 to test on.
    Caches go to a folder of the test's own."""
    monkeypatch.setattr(cache, "CACHE", tmp_path / "cache")
    rng = np.random.default_rng(1)

    def pixels(name):
        x = rng.integers(0, 150, (32, 32, 3))
        x[:, :, 0 if name == "red" else 2] += 100
        return x
    return str(write_photographs(tmp_path / "photographs", {"train": 20, "test": 5},
                                 ["red", "blue"], pixels))


def run(folder, out, **flags):
    flags = {"epochs": 4, "width": 1 / 32, "quiet": True} | flags
    return train_alexnet.main(folder, weights=str(out / "net.npz"), out=str(out), **flags)


# ---- Crops and mirrors -----------------------------------------------------------------------


def test_crops_are_the_squares_at_their_places_mirrored_or_not_in_0_to_1():
    top, left = np.array([0, 4, 2, 1, 0, 3]), np.array([4, 0, 2, 3, 0, 1])
    mirror = np.array([0, 1, 0, 1, 1, 0], bool)
    found = to_host(cut_crops(to_device(X), 5, top, left, mirror))
    assert found.dtype == np.float32
    for i in range(6):
        square = X[i, :, top[i]:top[i] + 5, left[i]:left[i] + 5]
        square = square[:, :, ::-1] if mirror[i] else square
        assert (found[i] == (square / np.float32(255)).astype(np.float32)).all()


def test_one_place_serves_for_all_photographs():
    found = to_host(cut_crops(to_device(X), 7, 2, 1, True))
    assert (found == (X[:, :, 2:9, 1:8][..., ::-1] / np.float32(255))).all()


def test_the_centre_is_what_the_other_experiments_cut_out_of_the_file(photographs):
    _, _, whole = datasets.load_photographs(photographs, 75, quiet=True)
    _, _, cut = datasets.load_photographs(photographs, 67, 75, quiet=True)
    x, rows = whole.pixels()
    assert x.dtype == np.uint8 and x.shape == (10, 3, 75, 75) and rows.tolist() == [*range(10)]
    centre = to_host(cut_crops(to_device(x), 67, 4, 4, False))
    assert abs(centre - cut.images()[0]).max() < 1.01 / 255     # rounded, at another place


def test_broken_photographs_are_left_out_with_their_labels(photographs, tmp_path, capsys):
    (tmp_path / "photographs" / "test" / "blue" / "1.png").write_bytes(b"no image")
    _, _, test = datasets.load_photographs(photographs, 20, quiet=True)
    x, rows = test.pixels()
    assert len(x) == 9 and test.t[rows].tolist() == [0] * 4 + [1] * 5
    assert (x[4] == np.round(255 * test.images([5])[0][0])).all()
    assert "1.png: a broken image" in capsys.readouterr().err


def test_training_sees_every_place_and_both_sides_but_no_other(monkeypatch):
    seen = set()
    monkeypatch.setattr(train_alexnet, "cut_crops", lambda x, size, top, left, mirror: seen.update(
        zip(top.tolist(), left.tolist(), mirror.tolist(), strict=True)))
    monkeypatch.setattr(costs, "cross_entropy", lambda net: lambda x, t, rng: (0.0, []))
    ticks = []
    cost = train_alexnet.make_augmented_cost(None, 7, ticks.append)
    for seed in range(60):
        cost(X, None, np.random.default_rng(seed))
    assert seen == {(i, j, m) for i in range(3) for j in range(3) for m in (False, True)}
    assert ticks == [len(X)] * 60


def test_the_ten_views_are_corners_and_centre_mirrored_and_not():
    assert list_ten_views(8) == [(i, j, m) for i, j in [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
                                 for m in (False, True)]


class FirstPixels:
    """Logits (N, 3): 5 times the first pixel of each channel."""

    params = []

    def forward(self, x, rng=None):
        return 5 * x[:, :, 0, 0], None


def test_accuracy_is_that_of_the_mean_softmax_of_the_views():
    x = np.random.default_rng(1).integers(0, 256, (600, 3, 9, 9)).astype(np.uint8)
    net, views, p = Net([FirstPixels()]), [(0, 0, False), (2, 1, False), (4, 4, True)], 0
    for top, left, mirror in views:
        e = np.exp(5.0 * x[:, :, top, left + 4 if mirror else left] / 255)
        p = p + e / e.sum(1, keepdims=True)
    t = p.argmax(1)
    assert measure_accuracy(net, x, t, 5, views) == 100  # of 600, in two parts
    t[:150] = (t[:150] + 1) % 3
    assert measure_accuracy(net, x, t, 5, views) == 75
    assert measure_accuracy(net, x, x[:, :, 2, 1].argmax(1), 5, views[1:2]) == 100


# ---- Whole runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
def test_a_small_net_learns_red_from_blue_and_comes_back_from_its_file(
        photographs, tmp_path, optimiser):
    found = run(photographs, tmp_path, optimiser=optimiser, epochs=30)
    assert found["test accuracy %"] == found["test accuracy %, ten views"] == 100
    assert len(found["curve"]) == 30
    assert found["curve"][-1]["loss"] < found["curve"][0]["loss"]
    back = read_weights(str(tmp_path / "net.npz"))
    assert (back.name, back.size, back.short) == ("krizhevsky2012", 67, 75)
    assert back.classes == ["blue", "red"]
    _, _, test = datasets.load_photographs(photographs, 67, 75, quiet=True)
    assert (back.net.predict(test.images()[0]) == test.t).all()


def test_the_record_holds_the_command_and_the_curve(photographs, tmp_path, capsys):
    run(photographs, tmp_path, epochs=2)
    [path] = tmp_path.glob("**/train_alexnet.json")
    record = json.loads(path.read_text())
    assert f"--data {photographs} --width 0.03125 --epochs 2" in record["command"]
    assert [sorted(row) for row in record["numbers"]["curve"]] == [
        ["loss", "seconds", "test accuracy %"]] * 2
    said = capsys.readouterr().out
    assert "40 training and 10 test photographs in 2 classes" in said
    assert said.index("epoch  1: loss ") < said.index("epoch  2: loss ") < said.index("# AlexNet")


def test_an_interrupted_run_goes_on_to_the_same_weights_bit_for_bit(
        photographs, tmp_path, monkeypatch, capsys, interrupt):
    whole = run(photographs, tmp_path / "whole")
    monkeypatch.setattr(cache, "CACHE", tmp_path / "another")
    begun = interrupt()
    with pytest.raises(KeyboardInterrupt):
        run(photographs, tmp_path / "again")
    assert not (tmp_path / "again" / "net.npz").exists()
    capsys.readouterr()
    again = run(photographs, tmp_path / "again")
    said = capsys.readouterr().out
    assert "Going on after epoch 2;" in said and "epoch  3:" in said and "epoch  2:" not in said
    for a, b in zip(read_weights(str(tmp_path / "whole" / "net.npz")).net.params,
                    read_weights(str(tmp_path / "again" / "net.npz")).net.params, strict=True):
        assert (to_host(a) == to_host(b)).all()
    for a, b in zip(whole["curve"], again["curve"], strict=True):
        assert a["loss"] == b["loss"] and a["test accuracy %"] == b["test accuracy %"]
    run(photographs, tmp_path / "again")                # done: nothing is trained again
    assert len(begun) == 5


def test_every_epoch_draws_its_own_order_places_and_dropout(photographs, tmp_path, first_numbers):
    for seed in (0, 1):
        run(photographs, tmp_path, seed=seed)
    assert len(set(first_numbers)) == 8


def test_another_run_does_not_go_on_from_this_one(photographs, tmp_path, capsys):
    run(photographs, tmp_path, epochs=2)
    for flags in ({"seed": 1}, {"epochs": 3}, {"optimiser": "sgd"}, {"width": 1 / 16},
                  {"batch": 64}):
        run(photographs, tmp_path, **({"epochs": 2} | flags))
        assert "Going on" not in capsys.readouterr().out, flags


def test_a_loss_that_is_no_number_stops_the_run_in_one_line(photographs, tmp_path, monkeypatch,
                                                            recwarn):
    monkeypatch.setitem(train_alexnet.OPTIMISERS, "sgd", (optimisers.Momentum, 1e9, 0.0))
    with pytest.raises(RuntimeError, match="^the loss became (nan|inf): the steps were too long; "
                       "try another --seed or --optimiser$"):
        run(photographs, tmp_path, optimiser="sgd", epochs=20)
    assert not recwarn.list


@pytest.mark.parametrize(("flags", "said"), [
    ("--optimiser lion", "--optimiser lion: choose adamw or sgd"),
    ("--size 66", "--size 66: expected 67 to 227 pixels"),
    ("--size 228", "--size 228: expected 67 to 227 pixels"),
    ("--width 0", "--width 0.0: expected a share of the net's, above 0 and at most 1"),
    ("--epochs 0", "--epochs 0: expected 1 or more"),
    ("--batch 0", "--batch 0: expected 1 or more"),
    ("--weights net.onnx", "--weights net.onnx: expected a file that ends in .npz"),
    ("--data photographs/train", "1 classes; expected two at least, each a folder of its "
     "photographs"),
])
def test_what_cannot_be_is_said_in_one_line(photographs, tmp_path, refusal, flags, said):
    (tmp_path / "photographs" / "train" / "red").rename(tmp_path / "elsewhere")
    line = refusal(train_alexnet.main, "--out", tmp_path, *flags.split())
    assert line.endswith(said)
