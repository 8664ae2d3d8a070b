"""What the benchmark says of the search and of training: counts against counting by hand."""
import os
import time

import numpy as np
import pytest
from toys import attack, least, length, on_numpy

import intriguing
from experiments.benchmark import __main__ as benchmark
from experiments.benchmark import search as benchmark_search
from experiments.benchmark import timing, training
from experiments.shared import models
from intriguing import D, distortion
from nets.backend import to_device, to_host, xp
from nets.layers.basic import Dense, Flatten, Sigmoid
from nets.net import Net
from nets.search import scipy_lbfgsb
from nets.training import costs, optimisers


@pytest.fixture(scope="module")
def net():
    rng = np.random.default_rng(0)
    return Net([Flatten(), Dense(36, 8, rng), Sigmoid(), Dense(8, 10, rng)])


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(1).random((5, 1, 6, 6)).astype("float32")


def slowed(function, seconds):
    """The function, so many seconds later."""
    def run(*args):
        time.sleep(seconds)
        return function(*args)
    return run


@on_numpy
@pytest.mark.parametrize("part", [benchmark_search.PRODUCTS, benchmark_search.OTHER,
                                  benchmark_search.SOLVER, benchmark_search.PYTHON])
def test_time_is_put_down_to_the_part_that_takes_it(net, x, part, monkeypatch):
    target = (net.predict(x) + 1) % 10
    owner, name = {benchmark_search.PRODUCTS: (Dense, "forward"),
                   benchmark_search.OTHER: (Sigmoid, "backward"),
                   benchmark_search.SOLVER: (scipy_lbfgsb, "setulb"),
                   benchmark_search.PYTHON: (intriguing, "margin")}[part]
    scipy_lbfgsb.setulb_works()
    plain = vars(owner)[name]
    monkeypatch.setattr(owner, name, slowed(plain, 0.005))
    if owner is scipy_lbfgsb:                      # called once for each row and evaluation
        monkeypatch.setattr(owner, name, slowed(plain, 0.003))
    shares = benchmark_search.measure_shares(net, x, target)
    assert max(shares, key=shares.get) == part and sum(shares.values()) == pytest.approx(100)


@on_numpy
def test_batches_are_searched_in_that_many_rows_and_weigh_what_their_solvers_do(net, x,
                                                                                monkeypatch):
    monkeypatch.setattr(benchmark_search, "REPEATS", 1)
    target = (net.predict(x) + 1) % 10
    most = []

    def watched(net, x, target):
        most.append(min(len(x), intriguing.SEARCHES_AT_ONCE))
        return D(net, x, target)
    monkeypatch.setattr(benchmark_search, "D", watched)
    found = benchmark_search.measure_batches(net, x, target)
    assert list(found) == [1, 4] and set(most) == {1, 4} and intriguing.SEARCHES_AT_ONCE == 64
    solver = 8 * 36 * (2 * scipy_lbfgsb.CORRECTIONS + 5)          # bytes of its largest array
    assert found[4]["MB"] > 4 * solver / 1e6
    assert found[1]["MB"] < found[4]["MB"] < 100 * solver / 1e6


def test_speed_is_images_a_second_added_up_over_the_processes(
        net, x, monkeypatch, in_this_process):
    class Slow(Net):
        """So slow that all else takes hardly any time."""
        def forward(self, x, rng=None):
            time.sleep(0.003)
            return super().forward(x, rng)
    slow, target = Slow(net.layers), to_host(net.forward(to_device(x))[0]).argsort(1)[:, -2]
    monkeypatch.setattr(benchmark_search, "SHARD", 2)
    monkeypatch.setattr(benchmark_search, "SHARDS", 3)
    D(net, x[:2], target[:2])               # loads what it needs
    begin = time.perf_counter()
    D(slow, x[:2], target[:2])
    seconds = time.perf_counter() - begin
    found = benchmark_search.measure_workers(slow, x, target, [1, 3], True)
    assert found[1] == pytest.approx(2 / seconds, rel=0.4)
    assert found[3] == pytest.approx(3 * found[1], rel=0.4)


def test_the_processes_are_powers_of_two_up_to_the_cores(monkeypatch):
    for cores, expected in ((1, [1]), (2, [1, 2]), (6, [1, 2, 4]), (8, [1, 2, 4, 8])):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        assert benchmark.list_worker_counts() == (expected if xp is np else [1])


def test_operations_of_a_step_are_those_of_its_products(net, x):
    first, second = 2 * 36 * 8, 2 * 8 * 10              # of one image and one pass
    counted = 1e9 * training.count_training_operations([net], to_device(x))
    assert counted == pytest.approx(5 * (2 * first + 3 * second))
    above = [net.below(1), net.above(1)]
    assert 1e9 * training.count_training_operations(above, to_device(x)) == pytest.approx(counted)


@on_numpy
def test_an_epoch_is_scaled_to_all_images(monkeypatch):
    monkeypatch.setattr(timing, "REPEATS", 1)
    x, t = np.random.default_rng(0).random((100, 1, 28, 28)).astype("float32"), np.arange(100) % 10
    found = training.measure_epochs(x, t)
    assert len(found) == 4
    weights = sum(p.size for p in models.build("FC100-100-10", 0).params[::2])
    row, operations = found["FC100-100-10"], 60_000 * (6 * weights - 2 * 784 * 100) / 1e9
    assert row["s an epoch"] * row["GFLOP/s"] == pytest.approx(operations)


def test_one_epoch_takes_a_step_for_every_whole_batch(net, x):
    net = net.astype("float32")
    adam = optimisers.Adam(net.params)
    training.run_epoch(adam, costs.cross_entropy(net), to_device(x),
                       to_device(np.arange(5)), 2)
    assert int(adam.steps) == 2


def test_all_of_imagenet_costs_images_times_evaluations_times_their_time():
    numbers = {"device": "CPU", "GFLOP/s": 100.0,
               "AlexNet": {"net": 40.0, "solver": 10.0, "GFLOP": 2.0},
               "search": {"small": {benchmark_search.TOGETHER: {"evaluations": 72.0}}}}
    said = benchmark.estimate_imagenet(numbers, ["small"])
    assert "as small takes here, 72, a search would take 3.6 s" in said      # 72 x 50 ms
    assert "1,281,167" in said and "images 1,281 hours of one" in said      # x 3.6 s
    assert "the same 50 % of its peak" in said          # 2 GFLOP in 40 ms, of 100 a second
    assert "data sheet, 1.5 hours" in said      # 1,281,167 x 72 x 2 GFLOP / 33.5 T
    assert "host, 256 hours of a core" in said  # x 72 x 10 ms
    assert "72" not in benchmark.estimate_imagenet(numbers, [])


def test_distortions_are_compared_with_the_nearest_image_of_any_search(net, x):
    target = to_host(net.forward(to_device(x))[0]).argsort(1)[:, -2]        # the likeliest wrong
    found = benchmark_search.compare_searches(net, x, target, [benchmark_search.TOGETHER,
                                                               benchmark_search.ONTO_BOUNDARY], 1)
    sizes = [distortion(x, D(net, x, target, onto_boundary=last)) for last in (False, True)]
    nearest = np.minimum(*sizes).mean()
    for row, size in zip(found.values(), sizes, strict=True):
        assert row["above best %"] == pytest.approx(100 * (size.mean() / nearest - 1))
    assert benchmark_search.IMAGE_BY_IMAGE not in found


def test_ddn_finds_images_with_the_label_a_little_farther_than_the_last_step(linear):
    x, target = attack(linear, 10)
    found = benchmark_search.ddn(linear.astype("float32"), x, target)
    assert found.dtype == np.float32 and 0 <= found.min() <= found.max() <= 1
    assert (linear.astype("float32").predict(found) == target).all()
    farther = length(x, found) / least(linear, x, target)
    assert 1 < farther.mean() < 1.05
