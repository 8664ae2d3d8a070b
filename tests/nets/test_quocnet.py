"""QuocNet: the sizes of the print, the objective's gradient as a whole, the features."""
import math

import numpy as np
import pytest

from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.layers.basic import Dense
from nets.models import quocnet
from nets.models.features import AllStages, GridMean, compute_features, last_stage
from nets.models.quocnet import (
    BELOW,
    EPSILON,
    SIZES,
    Size,
    make_decoders,
    reconstruction,
    stage_shapes,
)
from nets.net import Net
from nets.training import costs, loop

TOY = Size(12, 3, 2, 3, maps=2, stages=2)   # as many stages as 12 pixels have room for
DEEP = Size(14, 2, 2, 3, maps=2)            # all three


def toy(size, seed=0):
    """A net, decoders and images; all filters differ, as if trained."""
    rng = np.random.default_rng(seed)
    net = quocnet.quocnet(size, rng, equal=False)
    back = make_decoders(net)
    for decoder in back:
        decoder.params[0] += to_device(0.1 * rng.normal(size=decoder.params[0].shape))
    return net, back, to_device(rng.uniform(size=(3, 3, size.pixels, size.pixels)))


def params_of(net, back):
    return net.params + [decoder.params[0] for decoder in back]


# ---- Sizes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "grids", "last", "weights", "outputs"), [
    ("S", [27, 18, 9], 5, 1_562_976, 200),
    ("M", [40, 27, 14], 9, 7_905_600, 648),
    ("L", [88, 72, 56], 48, 58_185_216, 18_432),
    ("full", [183, 158, 133], 125, 1_144_863_072, 125_000),
])
def test_the_sizes_have_the_weights_and_outputs_of_the_print(name, grids, last, weights, outputs):
    of_stages = stage_shapes(SIZES[name])
    assert [shape[:2] for shape, _, _ in of_stages] == [(grid, grid) for grid in grids]
    assert sum(math.prod(shape) for shape, _, _ in of_stages) == weights    # none is allocated
    assert of_stages[-1][2] == last
    assert SIZES[name].maps * last ** 2 == outputs


def test_the_billion_of_the_full_net_is_made_of_three_stages():
    of_stages = stage_shapes(SIZES["full"])
    assert [math.prod(shape) for shape, _, _ in of_stages] == \
        [260_410_464, 517_653_504, 366_799_104]
    assert [math.prod(shape[3:]) for shape, _, _ in of_stages] == [972, 2592, 2592]
    assert [(pooled, side) for _, pooled, side in of_stages] == [(179, 175), (154, 150), (129, 125)]


@pytest.mark.parametrize("size", [TOY, DEEP, SIZES["S"]])
def test_a_net_has_the_shapes_that_were_computed(size):
    net = quocnet.quocnet(size, np.random.default_rng(0), dtype="float32")
    phi = net.activations(to_device(np.zeros((2, 3, size.pixels, size.pixels), "float32")))
    assert [W.shape for W in net.params] == [shape for shape, _, _ in stage_shapes(size)]
    assert [y.shape for y in phi[1:]] == \
        [(2, size.maps, side, side) for _, _, side in stage_shapes(size)]
    assert all(a.dtype == "float32" for a in [*net.params, *phi])


def test_images_too_small_for_so_many_stages_are_an_error():
    with pytest.raises(ValueError, match="stage 3 of .*pixels=12.* has nothing left"):
        stage_shapes(TOY._replace(stages=3))


def test_the_decoders_start_along_the_encoders_and_have_weights_of_their_own():
    net = quocnet.quocnet(TOY, np.random.default_rng(0))
    back = make_decoders(net)
    for W1, W2 in zip(net.params, params_of(net, back)[2:], strict=True):
        assert to_host(W2) == pytest.approx(to_host(W1) / quocnet.START_LENGTH, rel=1e-12)
        assert to_host((W2 * W2).sum((3, 4, 5))) == pytest.approx(1)
        W2 += 1
        assert (to_host(W1) != to_host(W2)).all()


# ---- The objective ----------------------------------------------------------------------------


def value(net, back, x, lam, inputs=None, targets=None):
    """The objective by its formula; stages' inputs and targets are held at those given."""
    total, x = 0.0, 4 * x - 2
    for k, (W1, W2) in enumerate(zip(net.params, params_of(net, back)[len(back):], strict=True)):
        pool, norm = net.layers[3 * k + 2:3 * k + 4]
        given, target = x if inputs is None else inputs[k], x if targets is None else targets[k]
        h = quocnet.Local(W1).forward(given)[0]
        again = quocnet.LocalTranspose(W2).forward(h)[0]
        n = pool.size
        H = sum((h * h)[:, :, u:h.shape[2] - n + 1 + u, v:h.shape[3] - n + 1 + v]
                for u in range(n) for v in range(n))
        total += float(((again - target) ** 2).sum() + lam * ((EPSILON + H) ** 0.5).sum()) / len(x)
        x = norm.forward(pool.forward(h)[0])[0]
    return total


@pytest.mark.parametrize("size", [TOY, DEEP])
@pytest.mark.parametrize("below", BELOW)
def test_the_gradient_of_the_whole_objective_is_its_slope(size, below):
    """At entries drawn from every parameter, and along a direction in all of them at once."""
    net, back, x = toy(size)
    rng, lam, phi = np.random.default_rng(1), 0.7, net.activations(x)
    phi[0] = 4 * x - 2
    held = {"input and target": {}, "input": {"targets": phi},
            "nothing": {"inputs": phi, "targets": phi}}[below]
    ours, grads = reconstruction(net, back, lam, below)(x)
    assert ours == pytest.approx(value(net, back, x, lam), rel=1e-12)
    params = params_of(net, back)
    assert len(grads) == len(params) == 2 * size.stages
    for p, grad in zip(params, map(to_host, grads), strict=True):
        assert grad.shape == p.shape
        largest = np.unravel_index(abs(grad).argmax(), grad.shape)
        drawn = [largest, *(tuple(rng.integers(p.shape)) for _ in range(7))]
        slopes = numeric_gradient(lambda: value(net, back, x, lam, **held), p, drawn)
        assert relative_error(np.array([grad[place] for place in drawn]), slopes) < BOUND
    steps = [to_device(rng.normal(size=p.shape)) for p in params]
    slope = sum(float((step * grad).sum()) for step, grad in zip(steps, grads, strict=True))
    ends = []
    for sign in (1, -2):                    # forth, and back beyond where we were
        for p, step in zip(params, steps, strict=True):
            p += sign * 1e-6 * step
        ends.append(value(net, back, x, lam, **held))
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(slope, rel=1e-6)


def test_what_a_stage_moves_below_is_all_that_the_choices_differ_in():
    net, back, x = toy(TOY)
    both, given, none = (reconstruction(net, back, 0.1, below)(x) for below in BELOW)
    assert both[0] == given[0] == none[0]
    for i, (a, b, c) in enumerate(zip(both[1], given[1], none[1], strict=True)):
        same = i != 0                       # the encoder of the stage below the last
        assert [bool((to_host(a) == to_host(z)).all()) for z in (b, c)] == [same, same]


def test_the_parts_of_the_stages_add_up_to_the_value():
    net, back, x = toy(DEEP)
    parts = quocnet.stage_losses(quocnet.forward_stages(net, back, x))
    assert len(parts) == 3 and all(part > 0 for both in parts for part in both)
    assert sum(error + 0.3 * sparsity for error, sparsity in parts) == \
        pytest.approx(reconstruction(net, back, 0.3)(x)[0])


def test_an_image_more_or_less_changes_nothing_for_the_others():
    net, back, x = toy(TOY)
    one = reconstruction(net, back)
    (all_value, all_grads), alone = one(x), [one(x[i:i + 1]) for i in range(3)]
    assert all_value == pytest.approx(np.mean([v for v, _ in alone]))
    for i, grad in enumerate(all_grads):
        assert to_host(grad) == pytest.approx(np.mean([to_host(g[i]) for _, g in alone], 0))


@pytest.mark.parametrize("below", BELOW)
def test_training_lowers_the_objective_and_unties_the_filters(below):
    rng = np.random.default_rng(2)
    net, other = (quocnet.quocnet(TOY, np.random.default_rng(3), dtype="float32") for _ in "ab")
    rough = rng.uniform(size=(200, 3, 4, 4)).repeat(3, 2).repeat(3, 3)
    x, found = to_device(rough.astype("float32")), []
    for each in (net, other):
        back, rng = make_decoders(each), np.random.default_rng(4)
        descent, cost = quocnet.AdamWithUnitDecoders(each, back), reconstruction(each, back,
                                                                                 below=below)
        before = cost(x)[0]
        for rates in loop.make_rates("linear", 0.01, 20, 200, 100):
            loop.train_epoch(descent, cost, x, x[:, 0, 0, 0], rates, rng, 100)
        found.append([to_host(p) for p in params_of(each, back)])
        assert cost(x)[0] < before / 2
        for decoder in back:                # however long the steps were
            assert to_host((decoder.params[0] ** 2).sum((3, 4, 5))) == pytest.approx(1, rel=1e-5)
    for a, b in zip(*found, strict=True):
        assert (a == b).all() and a.dtype == "float32"  # repeatable
        assert (a[0, 0] != a[-1, -1]).any()
    assert (found[0][0] != quocnet.START_LENGTH * found[0][2]).any()  # W2 has left W1's direction


# ---- Features --------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "H", "W"), [(4, 5, 23), (4, 8, 14), (1, 3, 2), (4, 2, 3)])
def test_the_mean_over_a_grid_is_its_equation_number_by_number(n, H, W):
    rng = np.random.default_rng(5)
    x, layer = rng.normal(size=(2, 3, H, W)), GridMean(n)
    y, cache = layer.forward(to_device(x))
    assert y.shape == (2, 3 * n * n)
    y = to_host(y).reshape(2, 3, n, n)
    for i, j in np.ndindex(n, n):
        part = x[:, :, i * H // n:math.ceil((i + 1) * H / n), j * W // n:math.ceil((j + 1) * W / n)]
        assert y[:, :, i, j] == pytest.approx(part.mean((2, 3)))
    dy, x = to_device(rng.normal(size=(2, 3 * n * n))), to_device(x)
    slopes = numeric_gradient(lambda: (layer.forward(x)[0] * dy).sum(), x,
                              [(0, 1, 1, 1), (1, 2, H - 1, 0)])
    dx = to_host(layer.backward(dy, cache))
    assert [dx[0, 1, 1, 1], dx[1, 2, H - 1, 0]] == pytest.approx(slopes, rel=1e-6)
    assert dx.sum() == pytest.approx(float(dy.sum()))   # a mean passes all of it on


@pytest.mark.parametrize("of", [last_stage, lambda net: Net([AllStages(net, 2)])])
def test_the_logit_of_a_classifier_on_features_has_the_right_gradient_in_the_pixels(of):
    net, _, x = toy(DEEP)
    below = of(net)
    width = below.forward(x)[0].shape[1]
    f = Net([*below.layers, Dense(width, 2, np.random.default_rng(6))])
    logits, caches = f.forward(x)
    dy = to_device(np.random.default_rng(7).normal(size=logits.shape))
    dx = to_host(f.backward(dy, caches))
    places = [np.unravel_index(i, x.shape) for i in range(0, x.size, 41)]
    slopes = numeric_gradient(lambda: (f.forward(x)[0] * dy).sum(), x, places)
    assert relative_error(np.array([dx[place] for place in places]), slopes) < BOUND


def test_the_features_are_the_last_stage_as_a_row_or_the_means_of_all_stages():
    net, _, x = toy(DEEP)
    x = np.round(255 * to_host(x)).astype(np.uint8)     # as files have them
    phi = [to_host(a) for a in net.activations(to_device(x / np.float32(255)))[1:]]
    assert (compute_features(last_stage(net), x) == phi[-1].reshape(3, -1)).all()
    found = compute_features(AllStages(net, 1), x)
    assert found == pytest.approx(np.concatenate([a.mean((2, 3)) for a in phi], 1), rel=1e-5)
    assert compute_features(AllStages(net), x).shape == (3, 3 * 2 * 16)


def test_features_are_computed_in_chunks_of_a_batch(monkeypatch):
    net, _, x = toy(TOY)
    x = np.round(255 * to_host(x)).astype(np.uint8)
    whole = compute_features(last_stage(net), x)
    monkeypatch.setattr("nets.models.features.BATCH", 2)
    assert compute_features(last_stage(net), x) == pytest.approx(whole, rel=1e-12)


def test_training_a_classifier_on_all_stages_leaves_the_net_as_it_is():
    net, _, x = toy(TOY)
    f = Net([AllStages(net), Dense(64, 2, np.random.default_rng(8))])
    before = [to_host(W).copy() for W in net.params]
    assert len(f.params) == 2
    t = to_device(np.array([0, 1, 1]))
    loop.fit_adam(f.params, costs.cross_entropy(f), x, t, 100, 0.1, np.random.default_rng(9))
    assert loop.error(f, to_host(x), t) == 0
    assert all((to_host(W) == W0).all() for W, W0 in zip(net.params, before, strict=True))
