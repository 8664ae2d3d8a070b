"""The benchmark of QuocNet, run on a toy size."""
import json
import math

import numpy as np
import pytest

from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import quocnet as benchmark_quocnet
from experiments.benchmark import timing
from experiments.shared import memory
from nets.backend import to_device, xp
from nets.layers import local
from nets.models import quocnet

TOY = quocnet.Size(pixels=16, field=3, pool=2, norm=3, maps=2)


@pytest.fixture
def toy(monkeypatch):
    """Toys in place of all sizes, one run of each, and memory without end."""
    monkeypatch.setattr(timing, "REPEATS", 1)
    monkeypatch.setattr(memory, "read_free_memory", lambda: math.inf)
    for name in quocnet.SIZES:
        monkeypatch.setitem(quocnet.SIZES, name, TOY._replace(maps=4) if name == "full" else TOY)


def test_the_operations_of_training_are_those_that_it_does(monkeypatch):
    rng = np.random.default_rng(0)
    net = quocnet.quocnet(TOY, rng)
    back, done = quocnet.make_decoders(net), []

    def counting(name):
        function = getattr(local, name)

        def counted(W, *args):
            done.append(2 * W.size * len(args[0]))      # each weight once an image
            return function(W, *args)
        return counted

    for name in ("encode", "decode", "filter_gradient"):
        monkeypatch.setattr(local, name, counting(name))
    quocnet.reconstruction(net, back)(to_device(rng.random((5, 3, 16, 16))))
    assert sum(done) == 5 * benchmark_quocnet.count_operations(TOY)
    assert sum(W.size for W in net.params) == benchmark_quocnet.count_weights(TOY)


def test_the_full_nets_operations_are_six_and_a_half_billion_multiplications_an_image():
    full = quocnet.SIZES["full"]
    assert benchmark_quocnet.count_weights(full) == 1_144_863_072
    assert benchmark_quocnet.count_operations(full) / 2 == 6 * 1_144_863_072 - 260_410_464


def test_every_size_goes_forward_back_and_to_another_label(toy):
    images, steps = benchmark_quocnet.measure()
    assert list(images) == ["S", "M", "L", "full"] and list(steps) == ["S", "M"]
    for row in images.values():
        assert row["ms forward"] > 0 and row["ms back"] > 0 and row["MB"] > 0
        assert row["D"]["evaluations"] > 1 and row["D"]["ms"] > 0 and 0 < row["D"]["distortion"] < 1
    assert images["S"]["weights"] == images["S"]["GB"] * 1e9 / 4 < images["full"]["weights"]
    for row in steps.values():
        assert row["GFLOP/s"] == pytest.approx(100 * row["GFLOP"] / (row["ms"] / 1000))


def test_a_step_trains(toy, monkeypatch):
    moved = []

    def fastest(step):
        before = [W.copy() for W in step()]
        moved.extend(bool((b != W).any()) for W, b in zip(step(), before, strict=True))
        return 1.0

    monkeypatch.setattr(benchmark_quocnet, "time_fastest", fastest)
    benchmark_quocnet.measure_step(TOY)
    assert moved == [True] * 6               # encoder and decoder of three stages


@pytest.mark.skipif(xp is not np, reason="is about the memory of the host")
def test_what_the_memory_does_not_hold_is_left_out_and_said_so(toy, monkeypatch):
    full = 4 * benchmark_quocnet.count_weights(quocnet.SIZES["full"])
    monkeypatch.setattr(memory, "read_free_memory", lambda: full + 10 ** 9 - 1)
    images, _ = benchmark_quocnet.measure()
    assert images["full"] == "it takes 1.0 GB of memory, and 1.0 GB are free"
    assert all(isinstance(images[name], dict) for name in ("S", "M", "L"))


def test_free_memory_is_what_the_system_says(monkeypatch, tmp_path):
    assert memory.read_free_memory() > 10 ** 7
    (tmp_path / "meminfo").write_text("MemTotal: 16 kB\nMemFree:  1 kB\nMemAvailable:  8 kB\n")
    monkeypatch.setattr(memory, "Path", lambda path: tmp_path / "meminfo")
    assert memory.read_free_memory() == 8 * 1024
    (tmp_path / "meminfo").unlink()
    assert memory.read_free_memory() == math.inf


def test_the_calculation_by_hand():
    flop = 2 * (6 * 1_144_863_072 - 260_410_464)
    slow = benchmark_quocnet.estimate_training(5, 100)   # 5 % of 67 TFLOP/s: the memory keeps up
    assert slow["TFLOP/s"] == pytest.approx(3.35) and slow["PFLOP"] == pytest.approx(flop / 1e8)
    assert slow["days here"] == pytest.approx(1e7 * flop / 5e9 / 3600 / 24)
    assert slow["GB"] == pytest.approx(8 * 4 * 1.144863072)
    step = 100 * flop / 3.35e12 + 120 * 2 * 1_144_863_072 / 3.35e12
    assert slow["hours"] == pytest.approx(1e5 * step / 3600)
    fast = benchmark_quocnet.estimate_training(50, 100)  # 50 %: it does not
    assert fast["TFLOP/s"] == pytest.approx(6.7) and fast["hours"] < slow["hours"]


def test_the_report_has_every_size_what_was_left_out_and_the_calculation(monkeypatch, tmp_path):
    row = {"weights": 1_562_976, "GB": 0.00625, "ms forward": 6.0, "ms back": 2.0, "MB": 99_000.0,
           "D": {"ms": 4500.0, "evaluations": 22.0, "distortion": 0.0073}}
    steps = {name: {"ms": 200.0, "GFLOP": 0.018, "GFLOP/s": 9.0} for name in ("S", "M")}
    answers = iter([({"S": row, "full": "it takes 5.6 GB of memory, and 3.2 GB are free"}, steps),
                    100.0])
    monkeypatch.setattr(timing, "run_in_processes", lambda *args: enumerate(answers))
    numbers = benchmark.main(which="quocnet", out=str(tmp_path), quiet=True)
    stem = timing.name_page("benchmark", "quocnet")
    text = (tmp_path / f"{stem}.md").read_text()
    for part in ("that reaches 100 GFLOP/s", "| S    | 32     | 1,562,976 |", "| 0.0073 ", "| 4.5 ",
                 "Left out: size full; it takes 5.6 GB of memory, and 3.2 GB are free.",
                 "6.61 billion multiplications", "132 x 10^15", "36.6 GB in float32",
                 "1.15 million core-hours", "| 64   |"):
        assert part in text, part
    record = json.loads((tmp_path / f"{stem}.json").read_text())
    assert record["command"].startswith("python -m experiments.benchmark --which quocnet")
    assert record["numbers"]["training"] == numbers["training"]
    assert record["numbers"]["images"]["S"] == row
