"""Nets that PyTorch exports, by both of its exporters, against PyTorch itself.

For torchvision's nets the modules are torchvision's, with a sixteenth of the channels and units.
"""
import contextlib
import logging
import warnings

import numpy as np
import pytest
from toy_onnx import import_onnx

from nets.backend import to_device, to_host
from nets.onnx_net import read_net

MEND = "; pip install -r requirements-torch.txt"
torch = pytest.importorskip("torch", reason="PyTorch is not installed" + MEND)


@pytest.fixture(params=["by tracing", "dynamo"])
def export(request, tmp_path):
    """export(module, x) -> the path of an ONNX file."""
    dynamo = request.param == "dynamo"
    import_onnx()
    if dynamo:
        pytest.importorskip("onnxscript", reason="onnxscript, for dynamo, is not installed" + MEND)

    def export(module, x):
        path = str(tmp_path / "net.onnx")
        with warnings.catch_warnings(), contextlib.redirect_stdout(None):
            warnings.simplefilter("ignore")
            torch.onnx.export(module, (x,), path, dynamo=dynamo,
                              **({"external_data": False, "verbose": False} if dynamo else {}))
        return path

    logging.disable(logging.WARNING)
    yield export
    logging.disable(logging.NOTSET)


def shrink(module):
    """Replace each Conv2d and Linear of a module by one with a sixteenth of the numbers."""
    def scale(n):
        return n if n in (3, 7) else n // 16

    for name, child in module.named_children():
        if isinstance(child, torch.nn.Conv2d):
            child = torch.nn.Conv2d(scale(child.in_channels), scale(child.out_channels),
                                    child.kernel_size, child.stride, child.padding)
        elif isinstance(child, torch.nn.Linear):
            child = torch.nn.Linear(scale(child.in_features), scale(child.out_features))
        elif isinstance(child, torch.nn.BatchNorm2d):
            child = torch.nn.BatchNorm2d(scale(child.num_features))
            torch.nn.init.uniform_(child.running_var, 0.5, 2)
            torch.nn.init.normal_(child.running_mean)
            torch.nn.init.normal_(child.bias)
        else:
            shrink(child)
        setattr(module, name, child)
    return module


def agrees(export, module, *shape):
    module.eval()
    x = torch.rand(1, *shape, generator=torch.Generator().manual_seed(0))
    net = read_net(export(module, x)).net
    with torch.no_grad():
        expected = module(x).numpy()
    logits = to_host(net.forward(to_device(x.numpy()))[0])
    assert logits.shape == expected.shape
    assert abs(logits - expected).max() < 1e-4 * np.ptp(expected) and np.ptp(expected) > 1e-3
    return net


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "vgg11_bn"])
def test_torchvisions_nets(torchvision, export, name):
    torch.manual_seed(0)
    with torch.device("meta"):              # no memory for the weights that are replaced
        module = getattr(torchvision.models, name)(num_classes=7)
    net = agrees(export, shrink(module), 3, 224, 224)
    assert len([layer for layer in net.layers if layer.params]) == {"alexnet": 8}.get(name, 11)


def test_ones_own_net_for_mnist(export):
    torch.manual_seed(0)
    n = torch.nn
    agrees(export, n.Sequential(
        n.Conv2d(1, 8, 5, stride=2, padding=2), n.BatchNorm2d(8), n.Tanh(), n.Dropout2d(0.5),
        n.MaxPool2d(3, 2, 1, ceil_mode=True), n.Conv2d(8, 8, (3, 1), bias=False), n.Sigmoid(),
        n.Flatten(), n.Linear(8 * 6 * 8, 20), n.ReLU(),
        n.Dropout(0.5), n.Linear(20, 10)), 1, 28, 28)


def test_equal_biases_which_torch_shares_by_an_identity(export):
    n = torch.nn
    module = n.Sequential(n.Flatten(), n.Linear(16, 12), n.ReLU(), n.Linear(12, 12), n.ReLU(),
                          n.Linear(12, 5))
    for layer in module[1], module[3]:
        torch.nn.init.constant_(layer.bias, 0.25)
    agrees(export, module, 1, 4, 4)
