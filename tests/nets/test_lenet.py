"""LeNet: its sizes, its gradient through all layers, that it learns; the search on its kinks."""
import numpy as np
import pytest
from toys import attack, images, length, on_numpy, reference

import data as datasets
from data import strokes
from experiments.benchmark.timing import CountingNet
from intriguing import D, objective, phi
from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.layers.basic import Dense, Flatten, ReLU
from nets.layers.conv import Conv, MaxPool
from nets.models import lenet
from nets.net import Net
from nets.training import costs, loop


@pytest.fixture(scope="module")
def net():
    return lenet.lenet(np.random.default_rng(0))


@pytest.fixture(scope="module")
def kinked():
    """A conv net for `toys.images` with every kind of LeNet's layers, trained."""
    rng = np.random.default_rng(0)
    net = Net([Conv(1, 6, 2, rng), MaxPool(2, 1), ReLU(), Flatten(), Dense(36, 12, rng), ReLU(),
               Dense(12, 5, rng)])
    x, t = map(to_device, images(5, 400, seed=1))
    loop.fit_adam(net.params, costs.classification(net, [1e-3] * 3), x, t, 40, 0.02, rng, batch=50)
    return net


def test_its_layers_have_the_sizes_that_it_says(net):
    x = strokes.draw(3, 0)[0]
    assert [phi(net, x, k).shape for k in range(5)] == [
        (3, 784), (3, 20 * 12 * 12), (3, 800), (3, 500), (3, 10)]
    assert [p.size for p in net.params] == [500, 20, 25_000, 50, 400_000, 500, 5_000, 10]


def test_pooling_before_the_rectifier_is_pooling_after_it(net):
    x = to_device(strokes.draw(3, 0)[0].astype(float))
    conv, pool, relu, *rest = net.layers
    swapped = Net([conv, relu, pool, *rest])
    assert (to_host(swapped.forward(x)[0]) == to_host(net.forward(x)[0])).all()


def test_the_objectives_gradient_through_the_whole_net_is_its_slope(net):
    rng = np.random.default_rng(1)
    x = to_device(rng.uniform(0.1, 0.9, (1, 1, 28, 28)))        # no two pixels alike: no ties
    r = to_device(rng.normal(0, 0.05, x.shape))
    target, c = to_device(np.array([3])), to_device(np.array([0.5]))
    dr = to_host(objective(net, x, target, c, r)[1])
    places = [(0, 0, *rng.integers(0, 28, 2)) for _ in range(40)]
    slopes = numeric_gradient(lambda: objective(net, x, target, c, r)[0][0], r, places)
    assert relative_error(np.array([dr[place] for place in places]), slopes) < BOUND


def test_the_costs_gradient_is_its_slope_in_every_parameter(net):
    rng = np.random.default_rng(2)                      # black paper would lie on the kinks
    x, t = map(to_device, (rng.uniform(0.1, 0.9, (2, 1, 28, 28)), np.array([3, 5])))
    cost = costs.classification(net, [0.1] * 4)
    for p, dp in zip(net.params, cost(x, t)[1], strict=True):
        places = [np.unravel_index(i, p.shape) for i in rng.integers(0, p.size, 6)]
        slopes = numeric_gradient(lambda: cost(x, t)[0], p, places)
        ours = np.array([float(dp[place]) for place in places])
        assert abs(ours - slopes).max() < 1e-6 * abs(to_host(dp)).max()


@pytest.mark.mnist
@on_numpy
def test_after_one_pass_over_a_sixth_of_mnist_it_errs_on_less_than_a_tenth():
    _, (x, t), (x_test, t_test) = datasets.load("mnist", quiet=True)
    rng, shares = np.random.default_rng(0), []
    net = lenet.lenet(rng).astype("float32")
    adam = lenet.make_adam(1, 0.002)
    adam.fit(net, [0.0] * 4, x[:10_000], t[:10_000], rng, "half", shares.append)
    assert loop.error(net, x_test[:2000], t_test[:2000]) < 0.1
    assert sum(shares) == pytest.approx(1)


def test_where_the_gradient_jumps_the_search_ends_all_the_same(kinked):
    x, target = attack(kinked, 5)
    counting = CountingNet(kinked)
    found = D(counting, x, target)
    assert (kinked.predict(found.astype(float)) == target).all()
    assert counting.evaluations < 100 * len(x)          # by its gradient alone, thousands each


def test_logits_a_hundred_times_as_large_are_searched_as_well(kinked, sigmoid):
    x, target = attack(kinked, 5)
    for net in (kinked, sigmoid):
        louder = net.astype("float64")
        for p in louder.params[-2:]:        # the same labels everywhere, another loss
            p *= 100
        ours, theirs = (length(x, D(n, x, target)) for n in (louder, net))
        assert np.isfinite(ours).all()
        assert ours.mean() == pytest.approx(theirs.mean(), rel=0.03)


@on_numpy
def test_on_a_net_with_kinks_D_is_as_near_as_scipys_tight_search_image_by_image(kinked):
    x, target = attack(kinked, 5, N=8)
    ours, theirs = (length(x, find(kinked, x, target)) for find in (D, reference))
    assert ours.mean() < 1.02 * theirs.mean()
