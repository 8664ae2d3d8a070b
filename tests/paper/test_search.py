"""The search of section 4.1: c for one image, what it finds against brute force, what D takes."""
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from toys import attack, descend, images, least, length, on_numpy, trained

import intriguing
from intriguing import D, distortion, search_one
from nets.backend import to_device, to_host
from nets.layers.basic import Dense, Flatten, ReLU
from nets.layers.conv import Conv, MaxPool
from nets.models.lenet import lenet
from nets.net import Net
from nets.search.answers import Best, Minimum
from nets.search.line_search import CLOSE, LOG_C_TOLERANCE, line_search, scan
from nets.search.scipy_lbfgsb import run_together, solve

# ---- The line search over c, for one image ---------------------------------------------------


def converse(steps, margin):
    """Every log c that a line search asks for, answered by margin(log c); whether one succeeds."""
    asked = [next(steps)]
    while True:
        m = margin(asked[-1])
        try:
            asked.append(steps.send((m, m >= 0)))
        except StopIteration:
            return asked, any(margin(log_c) >= 0 for log_c in asked)


@pytest.mark.parametrize("boundary", [0.3, -1.7, 4.0, -9.0, 11.0])
@pytest.mark.parametrize("margin", [
    lambda d: -d, lambda d: -0.1 * d - d ** 3, lambda d: math.exp(-d) - 1,
    lambda d: 0.02 if d < 0 else -1.0])
def test_the_line_search_ends_at_the_largest_c_that_succeeds(boundary, margin):
    asked, success = converse(line_search(0.0), lambda log_c: margin(log_c - boundary))
    succeeded = [log_c for log_c in asked if margin(log_c - boundary) >= 0]
    assert success and len(asked) <= 30
    assert margin(max(succeeded) -
                  boundary) < CLOSE or 0 <= boundary - max(succeeded) < LOG_C_TOLERANCE


def test_strides_double_until_c_is_bracketed():
    asked, _ = converse(line_search(0.0), lambda log_c: -20 - log_c)
    assert np.diff(asked[:5]) == pytest.approx([-math.log(2) * 2 ** i for i in range(4)])
    assert len(asked) < 10                  # single strides would take 29 to get there


def test_a_straight_line_through_the_margins_is_hit_at_once_and_a_bent_one_faster_than_by_halves():
    asked, _ = converse(line_search(0.0), lambda log_c: 0.4 - log_c)
    assert len(asked) == 3

    def bent(log_c):
        return math.exp(4 * (0.4 - log_c)) - 1
    asked, _ = converse(line_search(0.0), bent)
    assert len(asked) <= 9                  # 25 where an end that stays keeps its margin


def test_where_no_c_succeeds_the_line_search_and_the_second_look_end_and_say_so():
    for steps in (line_search(0.0), scan(0.0)):
        asked, success = converse(steps, lambda log_c: -1 - math.exp(log_c))
        assert not success and len(asked) < 30


def test_the_second_look_finds_a_middle_range_of_c_that_the_first_jumps_over():
    def margin(log_c):
        return 0.1 - abs(log_c + 4.1) / 4   # succeeds from -4.5 to -3.7
    asked, success = converse(line_search(0.0), margin)
    assert not success
    asked, success = converse(scan(0.0), margin)
    assert success and max(log_c for log_c in asked if margin(log_c) >= 0) > -3.72


def test_one_search_starts_each_minimisation_where_the_last_one_ended_and_returns_the_best():
    search = search_one(0.0)
    log_c, r, tolerance = next(search)
    assert (log_c, r, tolerance) == (0, 0, 1)
    best = Best("best", 1.0, 0.1, True, 0.0)
    log_c, r, tolerance = search.send(Minimum("r of 0", 0.1, True, best))
    assert log_c > 0 and r == "r of 0" and tolerance == 1
    with pytest.raises(StopIteration) as end:
        search.send(Minimum("r", CLOSE / 2, True, best))
    assert end.value.value is best


def test_only_a_search_without_any_success_looks_twice_and_more_exactly_from_r_0():
    search = search_one(0.0)
    request, best = next(search), Best("best", 1.0, -0.1, False, 0.0)
    while request[2] == 1:
        request = search.send(Minimum("r", -0.1, False, best))
    log_c, r, tolerance = request
    assert r == 0 and tolerance < 1


# ---- Many conversations at once --------------------------------------------------------------


def test_a_finished_conversation_gives_its_place_to_a_new_one_so_batches_stay_full():
    def count_down(n):
        for i in range(n, 0, -1):
            assert (yield i) == -i
        return f"{n} done"
    batches = []

    def negate(questions, rows):
        batches.append(rows.tolist())
        return [-q for q in questions]
    lengths = [3, 1, 0, 4, 1, 2, 1]
    found = run_together([count_down(n) for n in lengths], negate, 2)
    assert found == [f"{n} done" for n in lengths]
    assert all(len(rows) == 2 for rows in batches[:-1]) and len(batches) == sum(lengths) / 2


def test_how_many_searches_go_on_together_changes_nothing(sigmoid, monkeypatch):
    x, target = attack(sigmoid, 5)
    together = D(sigmoid, x, target)
    for width in (1, 5):
        monkeypatch.setattr(intriguing, "SEARCHES_AT_ONCE", width)
        assert length(x, D(sigmoid, x, target)) == pytest.approx(length(x, together), rel=1e-6)


def test_a_new_c_begins_with_the_value_and_gradient_that_are_known(sigmoid):
    x, target = attack(sigmoid, 5, 6)
    asked = []

    def watched(searches, evaluate, *rest):
        def record(r, rows):
            asked.extend(zip(rows.tolist(), map(bytes, to_host(r)), strict=True))
            return evaluate(r, rows)
        return solve(searches, record, *rest)
    D(sigmoid, x, target, solver=watched)
    assert len(set(asked)) == len(asked)    # the net is never asked twice for the same x + r


# ---- What is found, against brute force ------------------------------------------------------


def linear_net(W, b):
    """logits = x W + b, float64."""
    W = np.array(W, float)
    net = Net([Dense(*W.shape, np.random.default_rng(0))])
    net.params[0][...], net.params[1][...] = to_device(W), to_device(np.array(b, float))
    return net


GRID = np.exp(np.arange(-25, 10, 0.5))      # of c


def by_brute_force(W, b, x, target, pixels):
    """The distance of the minimiser over `pixels` (n, D) for the largest c of GRID that succeeds.

    None where no c succeeds.
    """
    logits = pixels @ W + b
    z = logits - logits.max(1, keepdims=True)
    loss = np.log(np.exp(z).sum(1)) - z[:, target]
    square = ((pixels - x) ** 2).sum(1)
    at = (GRID[:, None] * square + loss).argmin(1)
    success = logits.argmax(1)[at] == target
    return np.sqrt(square[at[success][-1]]) if success.any() else None


@pytest.mark.parametrize("seed", range(4))
def test_on_random_linear_nets_of_one_or_two_pixels_whatever_a_c_reaches_is_found(seed):
    rng, reached = np.random.default_rng(seed), 0
    line, side = np.linspace(0, 1, 2001)[:, None], np.linspace(0, 1, 121)
    square = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    for _ in range(150):
        pixels, K, scale = rng.integers(1, 3), rng.integers(2, 11), 10 ** rng.uniform(-1, 3)
        W, b = scale * rng.normal(size=(pixels, K)), scale * rng.choice([.01, .1, .5]) * \
            rng.normal(size=K)
        x = rng.random(pixels).astype("float32").astype(float)
        label = (x @ W + b).argmax()
        target = rng.choice(np.delete(np.arange(K), label))
        nearest = by_brute_force(W, b, x, target, line if pixels == 1 else square)
        if nearest is not None:
            found, reached = D(linear_net(W, b), x[None], int(target)), reached + 1
            assert length(x[None], found) < 1.02 * nearest + (1e-3 if pixels == 1 else 1e-2)
    assert reached > 20


@pytest.mark.parametrize("case", json.loads(Path(__file__).with_name("search.json").read_text()))
def test_searches_that_once_found_nothing_come_as_near_as_brute_force(case):
    x = np.array([case["x"]], np.float32)
    net = linear_net(case["W"], case["b"])
    assert distortion(x, D(net, x, case["target"])) < 1.01 * case["minimiser_rms"] + 1e-6
    nearer = distortion(x, D(net, x, case["target"], onto_boundary=True))
    assert nearer < 1.01 * case["minimiser_rms"] + 1e-6


@pytest.mark.parametrize(("W", "b", "x", "target", "right"), [
    ([[1000, 0, -1000]], [0, .5, .6], .5, 1, .0004),
    ([[114, -18, -205]], [-.38, .08, .13], .206, 1, .003)])
def test_a_label_between_two_steep_ones_is_found(W, b, x, target, right):
    [[found]] = D(linear_net(W, b), np.array([[x]]), target)
    assert found == pytest.approx(right, rel=0.25)


def test_large_logits_are_searched_as_they_are_too():
    W = [[64.565, -233.707, -1025.833, 492.857, 51.107]]
    b = [-1.6909, 2.9004, 6.1102, 1.4352, 3.1372]
    [[found]] = D(linear_net(W, b), np.array([[.5526]]), 4)     # divided, no c reaches the label
    assert .0027 < found < .0039


@pytest.mark.parametrize("solver", ["scipy", "by-hand"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_black_image_on_the_boundary_is_moved(solver, dtype):
    net = linear_net([[1, -1], [-2, 1]], [0, 0])
    found = D(net, np.zeros((1, 2)), 1, solver=solver, dtype=dtype)
    assert net.predict(found.astype(float)) == 1 and 0 < length(np.zeros((1, 2)), found) < 1e-6


@pytest.mark.parametrize("solver", ["scipy", "by-hand"])
def test_without_a_box_the_nearest_image_is_found_too(solver):
    net = linear_net([[1, -1], [-2, 1]], [0.3, 0])
    x = np.array([[4.0, -3.0]])
    found = D(net, x, 1, box=(-np.inf, np.inf), solver=solver)
    W = np.array([2, -3])                   # d(logit_0 - logit_1)/dx
    assert length(x, found) == pytest.approx((x @ W + 0.3)[0] / np.sqrt(13), rel=0.01)


@pytest.mark.parametrize("log_c", [-4, -6, -8, -10, -16])
def test_at_small_c_a_minimisation_does_not_end_where_it_begins(log_c):
    net, ends = linear_net([[8, 0]], [0, 4]), []

    def search(_):
        ends.append((yield log_c, 0, 1))
        return ends[0].best
    def engine(searches, *rest):
        return solve([search(0)], *rest)
    D(net, np.array([[.9]]), 1, solver=engine)
    assert ends[0].r == pytest.approx([-.9], abs=1e-2)


@pytest.mark.parametrize("d", [0, 1e-8, 1e-7, 3e-7, 1e-6])
def test_next_to_the_boundary_the_neighbouring_number_of_float32_is_found(d):
    x = np.float32(0.5 + d)
    [[found]] = D(linear_net([[1, 0]], [-.5, 0]), np.array([[x]]), 1)
    assert found == np.nextafter(np.float32(0.5), np.float32(0)) or 0 < x - found < 2e-6
    assert found < 0.5


@pytest.mark.parametrize("distance", [1e-8, 1e-6])
def test_a_boundary_nearer_than_float32_resolves_is_crossed(distance):
    rng = np.random.default_rng(0)
    for _ in range(40):
        W = rng.normal(size=(784, 2)) / 28
        x = (rng.random((1, 784)) * (rng.random((1, 784)) < 0.5)).astype(np.float32)
        g = W[:, 1] - W[:, 0]
        net = linear_net(W, [0, -(x @ g)[0] - distance * np.linalg.norm(g)])
        assert length(x, D(net, x, 1)) < 2e-5


def test_a_tie_is_decided_as_predict_decides_it():
    net = linear_net([[-1, -1, 1]], [1, 1, 0])          # labels 0 and 1 tie everywhere
    [[found]] = D(net, np.array([[.9]]), 0)
    assert .45 < found < .5 and net.predict(np.array([[found]])) == 0


def test_a_label_that_no_c_reaches_is_found_by_the_step_onto_the_boundary():
    net, x = linear_net([[-1, -3, 0]], [.5, 1, 0]), np.array([[1.0]])
    [[found]] = D(net, x, 0, onto_boundary=True)
    assert found == pytest.approx(.5, abs=1e-3)


@pytest.mark.parametrize("scale", [1e-12, 1e-8, 1e-6, 1e-4, 1])
def test_onto_the_boundary_the_least_distance_is_found_however_small_the_logits(scale):
    rng = np.random.default_rng(0)
    W, b = rng.normal(size=(40, 10)), 0.1 * rng.normal(size=10)
    x = rng.random((12, 40)).astype(np.float32)
    net = linear_net(W, b)
    target = (net.predict(x) + 1 + np.arange(12) % 9) % 10
    exact = least(net, x, target)
    ours = length(x, D(linear_net(scale * W, scale * b), x, target, onto_boundary=True))
    assert ours.mean() == pytest.approx(exact.mean(), rel=1e-3)


@on_numpy
def test_onto_the_boundary_of_a_sigmoid_net_hardly_a_nearer_image_is_left():
    net = trained((20, 30, 30, 5))
    x, target = attack(net, 5, 40)
    found = D(net, x, target, onto_boundary=True)
    ours, exact = length(x, found), []
    for image, near, k in zip(x.reshape(-1, 20).astype(float), found.reshape(-1, 20), target,
                              strict=True):
        def margins(r, image=image, k=k):
            z = net.forward((image + r)[None])[0][0]
            return z[k] - np.delete(z, k)

        def slopes(r, image=image, k=k):
            z, caches = net.forward(np.repeat((image + r)[None], 5, 0))
            J = net.backward(np.eye(5), caches)
            return J[k] - np.delete(J, k, 0)
        nearest = minimize(
            lambda r: (r @ r, 2 * r), near - image, jac=True, method="SLSQP",
            bounds=np.stack([-image, 1 - image], 1), options={"ftol": 1e-12, "maxiter": 500},
            constraints={"type": "ineq", "fun": margins, "jac": slopes})
        exact.append(np.sqrt(nearest.fun))
    assert ours.mean() < 1.003 * np.mean(exact)         # 1.005 by one linearisation


def test_a_minimisation_that_hardly_moves_goes_on_more_exactly_from_x():
    W = [[-247.65805962537357, 147.2254167923888, -268.6919458962127, -208.17851524302333,
          11.23164758539202, 160.0309529023756],
         [-92.40712865797684, -91.35437322410738, -32.79433505642248, 89.87255892021167,
          15.789489853831007, -28.98093503993305]]
    b = [0.815209078860865, -0.1939142098146676, -0.4922678550432472, -1.0034479066309654,
         2.125913231099475, 0.9286110143046434]
    x = np.array([[0.14068371057510376, 0.8140304088592529]])
    assert length(x, D(linear_net(W, b), x, 4)) < 1.06 * 0.2641


@on_numpy
def test_where_the_margin_is_flat_at_x_a_label_is_found_all_the_same():
    class Step:
        """One pixel p: logits (0, .1 - 20 max(.5 - p, 0))."""

        def forward(self, x):
            return np.concatenate([0 * x, .1 - 20 * np.maximum(.5 - x, 0)], 1), x

        def backward(self, dlogits, x):
            return dlogits[:, 1:] * 20 * (x < .5)

        def predict(self, x):
            return self.forward(x)[0].argmax(1)
    assert np.isnan(D(Step(), np.array([[.9]]), 0))     # the loss is flat too: no way to follow
    [[found]] = D(Step(), np.array([[.499]]), 0)
    assert found == pytest.approx(.495, abs=1e-3)


@pytest.mark.parametrize("scale", [1e-3, 1e3, 1e6])
def test_a_factor_on_the_logits_hardly_moves_what_is_found(sigmoid, scale):
    x, target = attack(sigmoid, 5)
    net = sigmoid.astype("float64")
    for p in net.params[-2:]:
        p[...] *= 20 / 8                    # logits that spread as those of MNIST's nets do
    plain = length(x, D(net, x, target)).mean()
    for p in net.params[-2:]:
        p[...] *= scale
    assert length(x, D(net, x, target)).mean() == pytest.approx(plain, rel=0.02)


def test_what_is_found_for_a_float32_net_has_its_label_in_any_batch():
    rng = np.random.default_rng(0)
    net = lenet(rng).astype("float32")
    x = rng.random((30, 1, 28, 28)).astype(np.float32)
    target = to_host(net.forward(to_device(x))[0]).argsort(1)[:, -2]
    edge = D(net.astype("float64"), x, target, onto_boundary=True)
    near = (edge + np.float32(1e-2) * (x - edge)).clip(0, 1)    # where rounding can decide a label
    found = D(net, near, target)
    whole = ~np.isnan(found[:, 0, 0, 0]) & (net.predict(near) != target)    # D(x, f(x)) is x
    assert whole.mean() > 0.5
    for size in (1, 2, 7, 16):
        batches = [net.predict(found[whole][i:i + size]) for i in range(0, whole.sum(), size)]
        assert (np.concatenate(batches) == target[whole]).all()


@pytest.mark.parametrize("solver", ["scipy", "by-hand"])
def test_on_a_net_with_kinks_whatever_plain_descent_reaches_is_found(solver):
    rng, missed, reached = np.random.default_rng(0), 0, 0
    for _ in range(3):
        net = Net([Conv(1, 6, 3, rng, padding=1), ReLU(), MaxPool(3, 2), Conv(6, 8, 3, rng), ReLU(),
                   Flatten(), Dense(8 * 4 * 4, 4, rng)])
        for p in net.params:
            p *= 2
        x = rng.random((30, 1, 13, 13)).astype(np.float32)
        target = (net.predict(x.astype(float)) + 1 + np.arange(30) % 3) % 4
        by_descent = descend(net, x.astype(float), target)
        found = ~np.isnan(D(net, x, target, solver=solver)[:, 0, 0, 0])
        missed, reached = missed + (by_descent & ~found).sum(), reached + by_descent.sum()
    assert missed == 0 and reached > 30


# ---- What D takes ----------------------------------------------------------------------------


def test_without_a_target_the_nearest_other_label_is_found(sigmoid):
    x, _ = images(5, 12)
    label = sigmoid.predict(x)
    every = np.stack([length(x, D(sigmoid, x, k)) for k in range(5)])
    every[label, np.arange(12)] = np.inf
    found, details = D(sigmoid, x, details=True)
    assert length(x, found) == pytest.approx(every.min(0), rel=1e-6)
    assert (details.label == every.argmin(0)).all()
    assert (sigmoid.predict(found) == details.label).all()
    likeliest = to_host(sigmoid.forward(to_device(x))[0]).argsort(1)[:, -2]
    assert (D(sigmoid, x, among=1) == D(sigmoid, x, likeliest)).all()


def test_details_of_an_image_that_is_not_found_and_of_several_targets(sigmoid):
    net = sigmoid.astype("float64")
    net.params[-1][...] = to_device(np.array([0, 0, 0, 0, -1e3]))
    x = images(5, 3)[0]
    _, details = D(net, x, np.array([4, 1, 4]), details=True)
    assert details.label.tolist() == [-1, 1, -1]
    assert np.isnan(details.c).tolist() == np.isnan(details.distortion).tolist() == [1, 0, 1]
    likeliest = to_host(net.forward(to_device(x))[0]).argsort(1)[:, -3:-1]
    each = [D(net, x, likeliest[:, j], details=True)[1].evaluations for j in (0, 1)]
    both = D(net, x, among=2, details=True)[1].evaluations
    assert both == pytest.approx(sum(each), rel=0.2) and (both > np.maximum(*each)).all()


def test_details_say_label_c_evaluations_and_distortion(sigmoid):
    x, target = attack(sigmoid, 5, 8)
    target[0] = sigmoid.predict(x[:1])[0]
    found, details = D(sigmoid, x, target, details=True)
    assert (details.label == target).all()
    assert details.distortion == pytest.approx(distortion(x, found))
    assert details.evaluations[0] == 0 and (details.evaluations[1:] > 3).all()
    assert (details.c[1:] > 0).all() and np.isfinite(details.c[1:]).all()


def test_tick_is_called_with_every_image_once(sigmoid):
    x, target = attack(sigmoid, 5)
    for target_or_none in (target, None):
        ticks = []
        D(sigmoid, x, target_or_none, tick=ticks.append)
        assert sum(ticks) == len(x) and min(ticks) > 0 and len(ticks) > 3


def test_a_mask_holds_pixels_fast_to_the_last_bit(sigmoid):
    x, target = attack(sigmoid, 5)
    free = np.random.default_rng(0).random(x.shape) < 0.7
    found = D(sigmoid, x, target, box=(np.where(free, 0, x), np.where(free, 1, x)))
    whole = ~np.isnan(found[:, 0, 0, 0])
    assert whole.any() and (found[whole][~free[whole]] == x[whole][~free[whole]]).all()
    assert (length(x, found)[whole] >= length(x, D(sigmoid, x, target))[whole] * 0.999).all()


def test_each_pixels_change_can_be_bounded(sigmoid):
    x, target = attack(sigmoid, 5)
    box = (x - np.float32(0.2)).clip(0), (x + np.float32(0.2)).clip(None, 1)
    found = D(sigmoid, x, target, box=box)
    whole = ~np.isnan(found[:, 0, 0, 0])
    assert whole.any()
    assert (found[whole] >= box[0][whole]).all() and (found[whole] <= box[1][whole]).all()


def test_images_from_minus_one_to_one_are_searched_as_those_from_0_to_1(sigmoid):
    x, target = attack(sigmoid, 5)
    W, b = sigmoid.params[:2]
    net = sigmoid.astype("float64")         # the same net of 2 x - 1
    net.params[0][...], net.params[1][...] = W / 2, b + W.sum(0) / 2
    found = D(net, 2 * x - 1, target, box=(-1, 1))
    assert length(2 * x - 1, found) / 2 == pytest.approx(length(x, D(sigmoid, x, target)), rel=2e-3)


def test_the_search_may_run_in_float32_and_the_label_holds_for_the_net_as_given(sigmoid):
    x, target = attack(sigmoid, 5)
    found = D(sigmoid, x, target, dtype="float32")
    assert (sigmoid.predict(found.astype(float)) == target).all()
    assert length(x, found).mean() == pytest.approx(length(x, D(sigmoid, x, target)).mean(),
                                                    rel=5e-3)


def test_a_line_search_of_ones_own_chooses_c(sigmoid):
    x, target = attack(sigmoid, 5, 6)

    def tens(log_c):
        """c by factors of ten, the first success kept."""
        while True:
            _, success = yield log_c
            if success:
                return
            log_c -= math.log(10)
    coarse = length(x, D(sigmoid, x, target, line_search=tens))
    assert (coarse >= length(x, D(sigmoid, x, target)) * 0.99).all() and np.isfinite(coarse).all()


# ---- What D refuses, before the first search -------------------------------------------------


class Watched:
    """A net that counts how often it is asked for a gradient."""

    def __init__(self, net):
        self.net, self.forward, self.predict, self.asked = net, net.forward, net.predict, 0

    def backward(self, dlogits, caches):
        self.asked += len(dlogits)
        return self.net.backward(dlogits, caches)


@pytest.mark.parametrize(("target", "says"), [
    ([0] * 599 + [7], "target 7 of image 599; the net has labels 0 to 4"),
    ([0] * 599 + [-1], "target -1 of image 599"),
    (np.full(600, 1.0), "targets of type float64 and shape"),
    (np.full(600, True), "targets of type bool"),
    (np.full(600, "1"), "targets of type <U1"),
    (np.full(600, None), "targets of type object"),
    (np.zeros((600, 1), int), r"targets of type int64 and shape \(600, 1\); expected an array"),
    ("1", "targets of type <U1")])
def test_bad_targets_are_refused_before_the_first_search(sigmoid, target, says):
    net = Watched(sigmoid)
    with pytest.raises(ValueError, match=says):
        D(net, np.full((600, 20), 0.5), target)
    assert net.asked <= 600                 # one look at each image, and no search


def test_a_net_that_gives_NaN_for_a_late_image_is_named_with_the_row(sigmoid):
    class Late(Watched):
        def __init__(self, net, part):
            super().__init__(net)
            self.forward = lambda x: self.spoil(net.forward(x), x, part == "logits")
            self.backward = lambda d, caches: self.spoil([net.backward(d, caches[1:])], caches[0],
                                                         part == "gradient")[0]

        @staticmethod
        def spoil(result, x, now):
            first, *rest = result
            first = first.copy()
            if now:
                first[(x[:, 0] == 0.75)] = np.nan
            return (first, [x, *rest[0]]) if rest else (first,)
    x = np.full((300, 20), 0.5)
    x[250, 0] = 0.75
    with pytest.raises(ValueError, match="logits of image 250 hold NaN or infinity"):
        D(Late(sigmoid, "logits"), x, 1)
    with pytest.raises(ValueError, match="gradient at image 250 holds NaN or infinity"):
        D(Late(sigmoid, "gradient"), x, 1)


@pytest.mark.parametrize(("x", "box", "says"), [
    (np.full((3, 20), 0.5), (0.6, 1), "image 0 has pixels from 0.5 to 0.5; expected all within"),
    (np.full((3, 20), 0.5), (0, 0.4), "image 0 has pixels"),
    (np.full((3, 20), 0.5), (np.zeros(7), 1), r"a box of shapes \(7,\) and \(\) for images"),
    (np.full((3, 20), 0.5), (np.nan, 1), "image 0 has pixels"),
    (np.full((3, 20), 0.5), (0, 1, 2), "box"),
])
def test_images_outside_their_box_are_refused(sigmoid, x, box, says):
    with pytest.raises(ValueError, match=says):
        D(sigmoid, x, 1, box=box)


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 28), (4, 28, 28, 1), (4, 784)])
def test_images_of_a_wrong_shape_are_named_beside_the_nets(shape):
    net = lenet(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"this net takes images \(N, C, H, W\)") as error:
        D(net, np.zeros(shape), 3)
    assert str(shape) in str(error.value)


def test_one_image_without_its_own_axis_is_named(sigmoid):
    with pytest.raises(ValueError, match=r"x of shape \(20,\); expected images \(N, ...\)"):
        D(sigmoid, np.zeros(20), 3)
    with pytest.raises(ValueError, match=r"images \(N, ...\) of 20 numbers each.* \(4, 5\)"):
        D(sigmoid, np.zeros((4, 5)), 3)


def test_an_unknown_solver_is_named(sigmoid):
    with pytest.raises(ValueError, match="no solver is called 'newton'; choose auto, scipy"):
        D(sigmoid, images(5, 2)[0], 1, solver="newton")


@on_numpy
def test_probabilities_in_place_of_logits_get_one_warning(sigmoid):
    class Softmax(Watched):
        def __init__(self, net):
            super().__init__(net)
            self.forward = self.softmax

        def softmax(self, x):
            z, caches = self.net.forward(x)
            p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
            return p, (p, caches)

        def backward(self, dp, cache):
            p, caches = cache
            return self.net.backward(p * (dp - (dp * p).sum(1, keepdims=True)), caches)
    x, target = attack(sigmoid, 5, 6)
    with pytest.warns(UserWarning, match="look like probabilities") as caught:
        D(Softmax(sigmoid), x, target)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        D(sigmoid, x, target)


@on_numpy
def test_where_nothing_is_found_a_wrong_gradient_is_named(sigmoid):
    class Wrong(Watched):
        def backward(self, dlogits, caches):
            return -self.net.backward(dlogits, caches)
    x, target = attack(sigmoid, 5, 6)
    with pytest.warns(UserWarning, match="wrong sign"):
        assert np.isnan(D(Wrong(sigmoid), x, target)).all()
