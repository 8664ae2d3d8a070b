"""What nets/README.md shows: a layer of one's own, and a PyTorch module as a net."""
import re
from pathlib import Path

import numpy as np
import pytest
from toys import attack, length, on_numpy

from intriguing import D
from nets.backend import to_host
from nets.gradcheck import check_gradients

README = (Path(__file__).parents[2] / "nets" / "README.md").read_text()
LAYER, TORCH = re.findall(r"```python\n(.*?)```", README, re.S)


def run(code):
    """What the code of the README defines."""
    names = {}
    exec(compile(code, "nets/README.md", "exec"), names)
    return names


def test_the_layer_of_ones_own_has_right_gradients_and_prints_its_table(capsys):
    run(LAYER)
    assert capsys.readouterr().out.splitlines()[1].startswith("Tanh              x[")


def test_with_a_wrong_sign_it_raises_the_sentence_that_the_readme_shows(capsys):
    wrong, = re.findall(r"With\s+`(-dy .*?)` it raises", README)
    sentence, = re.findall(r"`AssertionError: (.*?)`", README)
    with pytest.raises(AssertionError) as error:
        run(LAYER.replace("return " + wrong[1:], "return " + wrong))
    assert str(error.value).splitlines()[0] == sentence


# ---- PyTorch ---------------------------------------------------------------------------------


@pytest.fixture
def torch():
    """PyTorch on one thread."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed (pip install -r "
                                "requirements-torch.txt)")
    torch.set_num_threads(1)
    return torch


@pytest.fixture
def module(torch, sigmoid):
    """A module with the weights of `sigmoid`, in float64, with dropout that eval() turns off."""
    W, b, V, c = (torch.tensor(to_host(p)) for p in sigmoid.params)
    nn = torch.nn
    module = nn.Sequential(nn.Flatten(), nn.Linear(20, 12), nn.Sigmoid(), nn.Dropout(),
                           nn.Linear(12, 5)).double()
    with torch.no_grad():
        for p, value in zip(module.parameters(), (W.T, b, V.T, c), strict=True):
            p.copy_(value)
    return module


@on_numpy
def test_D_finds_with_a_torch_module_what_it_finds_with_our_net(module, sigmoid):
    x, target = attack(sigmoid, 5, 12)
    net = run(TORCH)["TorchNet"](module)
    found, ours = D(net, x, target), D(sigmoid, x, target)
    assert not np.isnan(ours).any() and abs(found - ours).max() < 1e-5
    assert (net.predict(found.astype(float)) == target).all()
    assert not module.training and all(p.grad is None for p in module.parameters())


@on_numpy
def test_in_float32_it_finds_images_as_near(module, sigmoid):
    x, target = attack(sigmoid, 5, 12)
    net = run(TORCH)["TorchNet"](module.float())
    found = D(net, x, target)
    assert (net.predict(found.astype(float)) == target).all()
    ours = length(x, D(sigmoid, x, target))
    assert length(x, found) == pytest.approx(ours, rel=1e-3)


@on_numpy
@pytest.mark.parametrize("dtype, error", [("float64", 1e-7), ("float32", 0.02)])
def test_the_gradient_of_a_torch_module_is_its_slope(torch, module, sigmoid, dtype, error):
    x, target = attack(sigmoid, 5, 3)
    net = run(TORCH)["TorchNet"](module.to(getattr(torch, dtype)))
    for row in check_gradients(net, x, target):
        assert row.layer == "TorchNet" and row.error < error and row.analytic != 0


@on_numpy
def test_a_torch_module_that_is_still_training_is_told_so(module, sigmoid):
    net = run(TORCH)["TorchNet"](module)
    net.module.train()
    x, target = attack(sigmoid, 5, 3)
    problem = check_gradients(net, x, target, raises=False).problem
    assert problem.startswith("TorchNet: forward gives two results for the same x")
