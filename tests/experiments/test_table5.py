"""Table 5, run small: its columns, its products, and what it says of the weights."""
import functools
import json
import math

import numpy as np
import pytest
from toys import on_numpy

from experiments import table5
from experiments.shared import processes
from experiments.shared.weights import save_npz
from nets import norms
from nets.layers.conv import Conv
from nets.models import alexnet

SIZES = {"krizhevsky2012": 67, "bvlc": 67, "torchvision": 64}


@pytest.fixture
def here(monkeypatch, in_this_process):
    """All in this process, on few frequencies."""
    monkeypatch.setattr(norms, "POINTS", 8)


@pytest.fixture(params=SIZES)
def model(request, tmp_path, here):
    """(name, net, file) of a small AlexNet."""
    size = SIZES[request.param]
    net = getattr(alexnet, request.param)(np.random.default_rng(0), 1 / 32, size, 3)
    net = net.astype("float32")
    path = tmp_path / "net.npz"
    save_npz(path, request.param, net, size, size, ["a", "b", "c"])
    return request.param, net, str(path)


def run(out, **flags):
    numbers = table5.main(out=str(out), quiet=True, **flags)
    text = (out / "table5.md").read_text()
    record = json.loads((out / "table5.json").read_text())
    assert record["numbers"] == numbers
    return numbers, text, record


def test_every_column_is_the_norm_that_it_says(model, tmp_path):
    name, net, path = model
    numbers, text, _ = run(tmp_path, weights=path)
    pairs = [(layer, shape) for layer, shape in norms.input_shapes(net, (3, *[SIZES[name]] * 2))
             if layer.params]
    assert list(numbers["layers"]) == list(table5.PAPER) and len(pairs) == 8
    for (layer, shape), row in zip(pairs, numbers["layers"].values(), strict=True):
        W = layer.params[0]
        if isinstance(layer, Conv):
            how = (W, layer.stride, layer.groups, norms.points_for(layer, shape))
            assert row["corrected"] == pytest.approx(norms.conv_norm(*how))
            assert row["as printed"] == pytest.approx(norms.conv_norm(*how, as_printed=True))
            assert row["true operator"] == norms.operator_norm(layer, shape)
            assert row["size"] == f"{shape[0]} x {W.shape[2]} x {W.shape[3]} x {len(W)}"
        else:
            assert {row[c] for c in table5.COLUMNS} == {norms.dense_norm(W)}
        assert row["true operator"] <= row["corrected"] * (1 + 1e-5)
        assert f"{row['corrected']:.4g}" in text


def test_the_last_product_is_the_bound_of_the_net_and_the_first_the_papers(model, tmp_path):
    name, net, path = model
    rows = run(tmp_path, weights=path)[0]["products"]
    bound = norms.lipschitz_bound(net, (3, *[SIZES[name]] * 2))[1]
    assert rows["preprocessing"]["corrected"] == pytest.approx(bound, rel=1e-6)
    assert rows["the eight layers"]["paper"] == pytest.approx(7.93e5, rel=1e-3)
    lrn = {"krizhevsky2012": 2 ** -1.5, "bvlc": 1, "torchvision": 1}[name]
    assert rows["LRN, as seen"]["factor"] == pytest.approx(lrn)
    ratio = 1 if name == "torchvision" else 4.06
    assert rows["LRN, proven / seen"]["factor"] == pytest.approx(ratio, abs=0.01)
    assert rows["max pooling"]["factor"] == pytest.approx(4)    # the last pools 3 x 3 pixels: 8
    assert rows["dropout, in testing"]["factor"] == (0.25 if name == "krizhevsky2012" else 1)
    for column in (*table5.COLUMNS, "paper"):
        assert rows["preprocessing"][column] == pytest.approx(
            rows["the eight layers"][column] * math.prod(row["factor"] for row in rows.values()))


def test_published_numbers_stand_beside_torchvisions_net_alone(model, tmp_path):
    name, _, path = model
    text = run(tmp_path, weights=path)[1]
    assert ("| published |" in text) == ("14.98" in text) == (name == "torchvision")
    assert ("0 to 1, less" in text) == (name == "torchvision")
    assert "random" not in text.partition("\n")[0]


def test_at_full_size_all_three_poolings_overlap():
    net = alexnet.krizhevsky2012(np.random.default_rng(0), 1 / 64, 227, 2)
    factors = table5.multiply_bounds(dict.fromkeys(table5.PAPER, dict.fromkeys(table5.COLUMNS, 1)),
                                     norms.input_shapes(net, (3, 227, 227)), table5.PAPER)
    assert factors["max pooling"]["factor"] == 8
    assert factors["LRN, as seen"]["paper"] == pytest.approx(2.24e6, rel=1e-2)


def test_without_weights_it_is_the_net_of_2012_at_its_start_and_says_so(
        here, monkeypatch, tmp_path):
    monkeypatch.setitem(table5.IMAGE_SIZES, "krizhevsky2012", 67)
    monkeypatch.setattr(alexnet, "krizhevsky2012",
                        functools.partial(alexnet.krizhevsky2012, width=1 / 32, size=67))
    numbers, text, record = run(tmp_path)
    assert numbers["random"] and "its weights are random" in text.partition("\n")[0]
    assert record["command"].startswith("python -m experiments.table5 --out")
    assert run(tmp_path)[0] == numbers != run(tmp_path, seed=1)[0]


@on_numpy
def test_processes_give_the_same_numbers(tmp_path):
    net = alexnet.bvlc(np.random.default_rng(0), 1 / 32, 67, 3).astype("float32")
    jobs = [(layer, s) for layer, s in norms.input_shapes(net, (3, 67, 67)) if isinstance(layer,
                                                                                          Conv)]
    found = dict(processes.run_in_processes(table5.measure_layer, jobs[1:3], 1, 2, "", True))
    assert [found[i] for i in (0, 1)] == [table5.measure_layer(*job) for job in jobs[1:3]]
