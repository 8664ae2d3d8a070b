"""The lesson on gradients: right ones pass it, a wrong one anywhere fails it by name."""
import json

import numpy as np
import pytest
from PIL import Image

from experiments import gradients
from experiments.shared import cache, samples
from intriguing import objective
from nets.layers.basic import Dense, Flatten, Sigmoid
from nets.losses import softmax_cross_entropy
from nets.net import Net


class Negated(Sigmoid):
    def backward(self, dy, y):
        return -super().backward(dy, y)


class SlightlyOff(Dense):
    def backward(self, dy, x):
        return 1.0001 * super().backward(dy, x)


class Forgotten(Dense):
    def backward(self, dy, x):
        return 0 * x


class Shuffled(Dense):
    def gradients(self, dy, x):
        dW, db = super().gradients(dy, x)
        return [dW[::-1], db]


class Undefined(Dense):
    def gradients(self, dy, x):
        dW, db = super().gradients(dy, x)
        return [dW, db + np.nan]


def small(dense=Dense, sigmoid=Sigmoid):
    """A net for images of 3 x 3 pixels with random weights, label 0 the likeliest."""
    rng = np.random.default_rng(0)
    net = Net([Flatten(), Dense(9, 8, rng), sigmoid(), dense(8, 10, rng)])
    net.params[-1][0] = 2
    return net


@pytest.fixture
def lesson(monkeypatch, tmp_path):
    """lesson(net) runs the script on that net and four images, of which it has the first wrong."""
    x = np.random.default_rng(1).random((4, 1, 3, 3)).astype(np.float32)
    labels = np.array([5, 0, 0, 0])
    monkeypatch.setattr(samples, "load", lambda data, quiet: ("mnist", None, (x, labels)))

    def give(net):
        monkeypatch.setattr(cache, "load_or_train", lambda names, *_: dict.fromkeys(names, net))
        return gradients.main(out=str(tmp_path / "out"), quiet=True)

    return give


def test_right_gradients_pass_and_every_array_is_compared(lesson):
    errors = lesson(small())
    assert {where: list(found) for where, found in errors.items()} == {
        "loss": ["logits"], "4 Dense": ["x", "W", "b"], "3 Sigmoid": ["x"],
        "2 Dense": ["x", "W", "b"], "1 Flatten": ["x"], "objective": ["r"]}
    assert max(error for found in errors.values() for error in found.values()) < 1e-8


@pytest.mark.parametrize("net, where", [
    (small(sigmoid=Negated), "3 Negated: d loss / d x"),
    (small(SlightlyOff), "4 SlightlyOff: d loss / d x"),
    (small(Forgotten), "4 Forgotten: d loss / d x"),
    (small(Shuffled), "4 Shuffled: d loss / d W"),
    (small(Undefined), "4 Undefined: d loss / d b")], ids=lambda a: a if isinstance(a, str) else "")
def test_a_wrong_gradient_is_named_shown_and_not_saved(lesson, tmp_path, capsys, net, where):
    with pytest.raises(RuntimeError, match=f"^{where} is wrong"):
        lesson(net)
    assert "BACKWARD" in capsys.readouterr().out
    assert not list((tmp_path / "out").iterdir())


def test_a_loss_with_the_gradient_of_another_is_named(lesson, monkeypatch):
    def wrong(logits, target):
        loss, dlogits = softmax_cross_entropy(logits, target)
        return loss, dlogits / 2
    monkeypatch.setattr(gradients, "softmax_cross_entropy", wrong)
    with pytest.raises(RuntimeError, match="^loss: d loss / d logits is wrong"):
        lesson(small())


def test_an_objective_with_the_gradient_of_another_c_is_named(lesson, monkeypatch):
    def wrong(net, x, target, c, r):
        return objective(net, x, target, c, r)[0], objective(net, x, target, c / 2, r)[1]
    monkeypatch.setattr(gradients, "objective", wrong)
    with pytest.raises(RuntimeError, match="^objective: d loss / d r is wrong"):
        lesson(small())


def test_the_equations_are_those_of_the_layers_docstrings(lesson, capsys):
    lesson(small())
    text = " ".join(capsys.readouterr().out.split())
    for function in (Dense.forward, Dense.backward, Dense.gradients, Sigmoid.backward,
                     Flatten.forward):
        assert " ".join(function.__doc__.split()) in text


def test_the_lesson_fits_a_projector_and_names_the_image(lesson, tmp_path):
    lesson(small())
    text = (tmp_path / "out" / "gradients.md").read_text()
    lesson_lines = text.split("```")[1].splitlines()
    assert len(lesson_lines) > 40 and max(map(len, lesson_lines)) <= 100
    assert "test image 1, which the net labels 0" in text
    numbers = json.loads((tmp_path / "out" / "gradients.json").read_text())["numbers"]
    assert (numbers["image"], numbers["label"], numbers["l"]) == (1, 0, 1)


def test_the_picture_has_three_tiles_for_each_of_ten_labels(lesson, tmp_path):
    lesson(small())
    picture = Image.open(tmp_path / "out" / "gradients.png")
    tile = 3 * gradients.SCALE
    assert picture.width > 10 * tile and picture.height > 3 * tile


def test_a_net_that_has_no_image_right_is_an_error(lesson):
    net = small()
    net.params[-1][0] = -20
    net.params[-1][9] = 20                  # label 9 for every image, and none is a 9
    with pytest.raises(RuntimeError, match="no image of the test set right"):
        lesson(net)
