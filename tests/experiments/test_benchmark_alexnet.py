"""The benchmark of AlexNet, run small."""
import json

import numpy as np
import pytest

from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import alexnet, timing
from nets.backend import to_device
from nets.layers.basic import Dense
from nets.layers.conv import Conv, MaxPool


def test_operations_are_those_of_the_products_forward_and_backward():
    rng = np.random.default_rng(0)
    x = to_device(rng.normal(size=(2, 4, 5, 5)))
    conv = Conv(4, 6, 3, rng, groups=2)     # each of 2 x 6 x 3 x 3 sums has 2 x 3 x 3 terms
    assert alexnet.count_operations(conv, conv.forward(x)[0]) == 2 * 2 * (2 * 6 * 9) * 18
    dense = Dense(7, 3, rng)
    y, _ = dense.forward(to_device(np.ones((5, 7))))
    assert alexnet.count_operations(dense, y) == 2 * 2 * (5 * 3) * 7
    assert alexnet.count_operations(MaxPool(2, 2), x) == 0


def test_each_layer_is_measured_and_their_operations_are_the_nets(monkeypatch):
    monkeypatch.setattr(timing, "REPEATS", 1)
    found, layers = alexnet.measure(67, 1 / 32)
    assert list(found) == [1, 16, 32]
    names = [name for name, *_ in layers]
    assert names.count("Conv") == 5 and names.count("Dense") == 3 and names[0] == "Preprocess"
    products = [gflop for name, *_, gflop in layers if name in ("Conv", "Dense")]
    assert all(g > 0 for g in products)
    for row in found.values():
        assert row["GFLOP"] == pytest.approx(sum(products)) and row["ms"] > 0
    evaluation = alexnet.measure_evaluation(67, 1 / 32)
    assert evaluation["GFLOP"] == pytest.approx(sum(products))
    assert evaluation["net"] > 0 < evaluation["solver"] < 1000
    memory = [row["MB"] for row in found.values()]
    assert 0 < memory[0] <= memory[1] <= memory[2]


def test_the_report_has_every_batch_and_every_layer(monkeypatch, tmp_path):
    layers = [["Conv", 1.0, 2.0, 0.5], ["ReLU", 0.1, 0.1, 0.0]]
    answers = iter([({n: {"ms": 50.0, "MB": 900.0, "GFLOP": 3.0} for n in (1, 16)}, layers), 120.0])
    monkeypatch.setattr(timing, "run_in_processes", lambda *args: enumerate(answers))
    numbers = benchmark.main(which="alexnet", out=str(tmp_path), quiet=True)
    text = (tmp_path / "benchmark-alexnet.md").read_text()
    assert "120 GFLOP/s" in text and "| Conv" in text and "| 16 " in text
    assert "| 60 " in text and "| 50 " in text          # 3 GFLOP in 50 ms; of 120, in %
    record = json.loads((tmp_path / "benchmark-alexnet.json").read_text())
    assert record["command"].startswith("python -m experiments.benchmark --which alexnet")
    assert record["numbers"]["layers"] == layers == numbers["layers"]
