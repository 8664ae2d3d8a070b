"""L-BFGS by hand: the classic problems with bounds against SciPy, and D by both engines."""
import numpy as np
import pytest
from scipy.optimize import minimize
from toys import attack, length, trained

import intriguing
from intriguing import D
from nets.backend import to_device, to_host, xp
from nets.layers.basic import Dense, Flatten, ReLU
from nets.layers.conv import MaxPool
from nets.models.fc import fc
from nets.net import Net
from nets.search import by_hand, lbfgs, scipy_lbfgsb

TIGHT = {"ftol": 1e-14, "gtol": 1e-8}


# ---- The classic problems: value and gradient at z (D,), the usual start, the minimiser ------


def rosenbrock(z):
    bend, rest = z[1:] - z[:-1] ** 2, 1 - z[:-1]
    gradient = np.zeros_like(z)
    gradient[1:] += 200 * bend
    gradient[:-1] -= 400 * bend * z[:-1] + 2 * rest
    return (100 * bend ** 2 + rest ** 2).sum(), gradient


def beale(z):
    x, y = z
    k = np.array([1, 2, 3])
    residual = np.array([1.5, 2.25, 2.625]) - x * (1 - y ** k)
    return (residual ** 2).sum(), np.array([(-2 * residual * (1 - y ** k)).sum(),
                                            (2 * residual * x * k * y ** (k - 1)).sum()])


def wood(z):
    a, b, c, d = z
    value = (100 * (b - a * a) ** 2 + (1 - a) ** 2 + 90 * (d - c * c) ** 2 + (1 - c) ** 2
             + 10.1 * ((b - 1) ** 2 + (d - 1) ** 2) + 19.8 * (b - 1) * (d - 1))
    return value, np.array([
        -400 * a * (b - a * a) - 2 * (1 - a),
        200 * (b - a * a) + 20.2 * (b - 1) + 19.8 * (d - 1),
        -360 * c * (d - c * c) - 2 * (1 - c),
        180 * (d - c * c) + 20.2 * (d - 1) + 19.8 * (b - 1)])


def powell(z):
    a, b, c, d = z
    one, two, three, four = a + 10 * b, c - d, b - 2 * c, a - d
    value = one ** 2 + 5 * two ** 2 + three ** 4 + 10 * four ** 4
    return value, np.array([2 * one + 40 * four ** 3, 20 * one + 4 * three ** 3,
                            10 * two - 8 * three ** 3, -10 * two - 40 * four ** 3])


def brown(z):
    x, y = z
    one, two, three = x - 1e6, y - 2e-6, x * y - 2
    return one ** 2 + two ** 2 + three ** 2, np.array([2 * one + 2 * three * y,
                                                       2 * two + 2 * three * x])


PROBLEMS = {
    "rosenbrock": (rosenbrock, [-1.2, 1.0, -1.2, 1.0, -1.2], [1.0] * 5),
    "beale": (beale, [1.0, 1.0], [3.0, 0.5]),
    "wood": (wood, [-3.0, -1.0, -3.0, -1.0], [1.0] * 4),
    "powell": (powell, [3.0, -1.0, 0.0, 1.0], [0.0] * 4),
    "brown": (brown, [1.0, 1.0], [1e6, 2e-6]),
}
FREE = np.inf
BOXES = {               # of a problem's start and minimiser: its lower and upper bounds
    "none": lambda z0, best: (best - FREE, best + FREE),
    "above": lambda z0, best: (best - FREE, best - 0.1),        # binds, one-sided
    "below": lambda z0, best: (best + 0.1, best + FREE),        # most starts are outside
    "both": lambda z0, best: (best - 0.3, best + 0.2),
    "fixed": lambda z0, best: (np.where(np.arange(len(best)) == 0, z0, -FREE),
                               np.where(np.arange(len(best)) == 0, z0, FREE)),
}


def in_rows(*functions):
    """The function evaluate(z, rows) of as many problems."""
    def evaluate(z, rows):
        values, gradients = zip(*(functions[i](row) for i, row in zip(rows, z, strict=True)),
                                strict=True)
        return np.array(values), np.array(gradients)
    return evaluate


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_problems_gradients_are_the_slopes_of_their_values(name):
    function, _, best = PROBLEMS[name]
    z = np.array(best) + 0.1
    steps = np.diag(1e-6 * abs(z).clip(1, None))
    slopes = [(function(z + step)[0] - function(z - step)[0]) / (2 * step.max()) for step in steps]
    assert function(z)[1] == pytest.approx(np.array(slopes), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("name", PROBLEMS)
def test_the_classic_problems_end_as_low_as_scipys_solver(name, box):
    function, z0, best = PROBLEMS[name]
    z0 = np.array(z0)
    lower, upper = BOXES[box](z0, np.array(best))
    found = by_hand.minimize(in_rows(function), z0[None], lower[None], upper[None], **TIGHT)
    theirs = minimize(function, z0, jac=True, method="L-BFGS-B", bounds=np.stack([lower, upper], 1),
                      options={"maxiter": 1000, **TIGHT})
    z = found.z[0]
    assert ((lower <= z) & (z <= upper)).all()
    assert function(z)[0] <= theirs.fun + 1e-8 * max(1, abs(theirs.fun))
    assert found.evaluations[0] < 3 * theirs.nfev + 20


# ---- Many rows -------------------------------------------------------------------------------

N, K = 30, 8


def valleys():
    """evaluate, z0, lower, upper of N problems (N, K), every other one a curved valley."""
    rng = np.random.default_rng(0)
    goal = rng.uniform(-1, 1.5, (N, K))

    def evaluate(z, rows):
        d, bend = z - goal[rows], z[:, 1:] - z[:, :-1] ** 2
        steep = 10.0 * (rows % 2 == 0)[:, None]
        gradient = 4 * d ** 3 + 2 * d
        gradient[:, 1:] += 2 * steep * bend
        gradient[:, :-1] -= 4 * steep * bend * z[:, :-1]
        return (d ** 4 + d ** 2).sum(1) + (steep * bend ** 2).sum(1), gradient

    lower = np.where(rng.uniform(size=(N, K)) < 0.5, -0.7, -np.inf)
    upper = np.where(rng.uniform(size=(N, K)) < 0.5, 0.7, np.inf)
    return evaluate, rng.uniform(-0.5, 0.5, (N, K)), lower, upper


def test_rows_end_where_scipys_solver_ends():
    evaluate, *problem = valleys()
    ours = by_hand.minimize(evaluate, *problem, **TIGHT)
    theirs = scipy_lbfgsb.minimize(evaluate, *problem, **TIGHT)
    assert ours.z == pytest.approx(theirs.z, abs=1e-5)
    assert ours.evaluations.sum() < 2 * theirs.evaluations.sum()


def test_a_row_does_not_depend_on_its_company():
    evaluate, *problem = valleys()
    together = by_hand.minimize(evaluate, *problem, **TIGHT)
    for i in range(0, N, 5):
        alone = by_hand.minimize(lambda z, rows, i=i: evaluate(z, rows + i),
                                 *(a[i:i + 1] for a in problem), **TIGHT)
        assert alone.z[0] == pytest.approx(together.z[i], abs=1e-9)
        assert alone.evaluations[0] == together.evaluations[i]


def test_every_point_asked_is_in_the_box_and_the_start_is_left_as_it_is():
    evaluate, z0, lower, upper = valleys()
    z0 = z0 + 5
    before = z0.copy()

    def checked(z, rows):
        assert ((lower[rows] <= z) & (z <= upper[rows])).all()
        return evaluate(z, rows)

    by_hand.minimize(checked, z0, lower, upper)
    assert (z0 == before).all()


@pytest.mark.parametrize(("name", "loose"), [("ftol", 1e-2), ("gtol", 1e-1)])
def test_each_row_may_have_its_own_tolerance(name, loose):
    evaluate, *problem = valleys()
    odd = np.arange(N) % 2 == 1
    mixed = by_hand.minimize(evaluate, *problem, **TIGHT | {name: np.where(odd, loose, 1e-12)})
    tight, rough = (by_hand.minimize(evaluate, *problem, **TIGHT | {name: tolerance})
                    for tolerance in (1e-12, loose))
    assert mixed.z == pytest.approx(np.where(odd[:, None], rough.z, tight.z), abs=1e-9)
    assert rough.evaluations.sum() < tight.evaluations.sum()


def test_maxiter_ends_a_row_early():
    evaluate, *problem = valleys()
    assert (by_hand.minimize(evaluate, *problem, maxiter=2).evaluations < 20).all()


def test_no_rows_are_no_results():
    found = by_hand.minimize(None, *[np.zeros((0, 3))] * 3)
    assert found.z.shape == (0, 3)
    assert found.evaluations.shape == (0,)


def test_at_a_kink_a_row_ends_and_is_at_the_bottom():
    goal = np.random.default_rng(0).uniform(-1, 2, (N, K))
    weight = np.arange(1, K + 1)

    def evaluate(z, rows):                              # sum_k k |z_k - goal_k| + |z|^2 / 2
        d = z - goal[rows]
        return (weight * abs(d)).sum(1) + (z * z).sum(1) / 2, weight * np.sign(d) + z

    zero, one = np.zeros((N, K)), np.ones((N, K))
    found = by_hand.minimize(evaluate, zero, zero, one)
    value, _ = evaluate(found.z, np.arange(N))
    bottom, _ = evaluate(goal.clip(0, 1), np.arange(N))
    assert value == pytest.approx(bottom, rel=0.02)
    assert found.evaluations.max() < 500


# ---- D by both engines -----------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("sizes", [(20, 12, 5), (20, 10), (20, 8, 8, 3)])
def test_D_by_hand_comes_as_near_as_by_scipys_solver(sizes, dtype):
    net = trained(sizes)
    x, target = attack(net, sizes[-1], 60)
    ours, theirs = (length(x, D(net, x, target, solver=solver, dtype=dtype))
                    for solver in ("by-hand", "scipy"))
    assert ours.mean() == pytest.approx(theirs.mean(), rel=3e-3)
    assert (ours < 1.05 * theirs).all()


def test_by_hand_asks_the_net_less_often_than_scipys_solver(sigmoid):
    x, target = attack(sigmoid, 5, 60)
    ours, theirs = (D(sigmoid, x, target, solver=solver, details=True)[1].evaluations.mean()
                    for solver in ("by-hand", "scipy"))
    assert ours < 0.8 * theirs


def test_what_D_finds_does_not_depend_on_the_other_images(sigmoid):
    x, target = attack(sigmoid, 5)
    together = length(x, D(sigmoid, x, target, solver="by-hand"))
    alone = [length(x[i:i + 1], D(sigmoid, x[i:i + 1], target[i:i + 1], solver="by-hand"))[0]
             for i in range(len(x))]
    assert together == pytest.approx(alone, rel=1e-4)


def test_few_rows_at_a_time_find_the_same_as_many(sigmoid, monkeypatch):
    x, target = attack(sigmoid, 5)
    many = length(x, D(sigmoid, x, target, solver="by-hand"))
    monkeypatch.setattr(intriguing, "SEARCHES_AT_ONCE", 3)
    done = []
    few = length(x, D(sigmoid, x, target, solver="by-hand", tick=done.append))
    assert few == pytest.approx(many, rel=1e-4)
    assert sum(done) == len(x)


def test_at_the_kinks_of_ReLU_and_max_pooling_D_ends_and_finds_as_many_as_scipys_solver():
    found = []
    for seed in range(2):                               # which of two valleys is found is luck
        rng = np.random.default_rng(seed)
        net = Net([MaxPool(2, 2), Flatten(), Dense(4, 16, rng), ReLU(), Dense(16, 3, rng)])
        x = rng.uniform(size=(40, 1, 4, 4)).astype(np.float32)
        target = (net.predict(x.astype(float)) + 1) % 3
        found.append([length(x, D(net, x, target, solver=s)) for s in ("by-hand", "scipy")])
    ours, theirs = np.concatenate(found, 1)
    both = ~np.isnan(ours + theirs)
    assert (~np.isnan(ours)).sum() > 0.95 * (~np.isnan(theirs)).sum() > 50
    assert np.median(ours[both] / theirs[both]) < 1.01


def test_a_box_without_bounds_and_pixels_held_fast():
    net = trained((20, 12, 5))
    x, target = attack(net, 5)
    held = np.arange(20).reshape(1, 4, 5) % 3 == 0
    found = D(net, x, target, solver="by-hand",
              box=(np.where(held, x, -np.inf), np.where(held, x, np.inf)))
    assert not np.isnan(found).any()
    assert (found == x)[np.broadcast_to(held, x.shape)].all()
    assert (net.predict(found.astype(float)) == target).all()


def test_a_label_that_cannot_be_had_is_not_found_and_spares_the_others(sigmoid):
    net = fc((20, 12, 5), np.random.default_rng(0))
    for ours, theirs in zip(net.params, sigmoid.params, strict=True):
        ours[...] = theirs
    net.params[-1][4] = -1e3
    x, target = attack(sigmoid, 5)
    found = D(net, x, target, solver="by-hand")
    assert (np.isnan(length(x, found)) == (target == 4)).all()


def test_auto_is_by_hand_on_a_GPU_and_scipy_elsewhere():
    assert intriguing.choose_solver("auto") == ("scipy" if xp is np else "by-hand")


def draw_pairs(D):
    """Three pairs (s, y of the loss) of a quadratic, (1, D) each, a c, and a gradient."""
    rng = np.random.default_rng(0)
    A = np.diag(np.arange(1.0, D + 1)) + 0.1
    pairs = [(s, s @ A) for s in rng.normal(size=(3, 1, D))]
    return [tuple(map(to_device, pair)) for pair in pairs], 0.5, to_device(rng.normal(size=(1, D)))


def test_H_takes_the_newest_pairs_y_to_its_s_at_any_c():
    pairs, _, _ = draw_pairs(6)
    s, y_loss = pairs[0]
    for c2 in (0.0, 0.5, 1e3):
        d = lbfgs.direction(y_loss + c2 * s, s == s, pairs, to_device(np.array([c2])))
        assert to_host(d) == pytest.approx(-to_host(s))         # the secant equation


def test_the_direction_of_the_free_pixels_is_as_if_there_were_no_others():
    pairs, c2, g = draw_pairs(6)
    c2, free = to_device(np.array([c2])), to_device(np.arange(6)[None] < 4)
    d = to_host(lbfgs.direction(g, free, pairs, c2))
    alone = lbfgs.direction(g[:, :4], free[:, :4], [(s[:, :4], y[:, :4]) for s, y in pairs], c2)
    assert d[:, :4] == pytest.approx(to_host(alone))
    assert (d[:, 4:] == 0).all()


def test_where_every_step_is_uphill_a_row_gives_up_soon():
    def evaluate(z, rows):                              # |z|, whose slope at 0 is taken to be 1
        return abs(z).sum(1), np.where(z < 0, -1.0, 1.0)

    zero = np.zeros((1, 1))
    found = by_hand.minimize(evaluate, zero, zero - 1, zero + 1)
    assert found.z[0, 0] == 0
    assert found.evaluations[0] == 1 + lbfgs.REJECTIONS
