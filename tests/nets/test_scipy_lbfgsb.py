"""SciPy's L-BFGS-B for many rows: each as SciPy alone would do it; conversations held together."""
import warnings

import numpy as np
import pytest
import scipy.optimize
from toys import attack, length

import intriguing
from experiments.benchmark.search import one_by_one
from nets.search import scipy_lbfgsb
from nets.search.scipy_lbfgsb import minimize, minimize_together

N, D = 7, 6


class Problems:
    """N functions of D numbers, Rosenbrock's and quartic, whose values do not depend on the batch.

    Every other row is Rosenbrock's curved valley, which takes many more evaluations.
    """

    def __init__(self):
        rng = np.random.default_rng(0)
        self.goal = rng.uniform(-1, 1.5, (N, D))
        self.start = rng.uniform(-0.5, 0.5, (N, D))
        self.lower = np.where(rng.uniform(size=(N, D)) < 0.5, -0.7, -np.inf)
        self.upper = np.where(rng.uniform(size=(N, D)) < 0.5, 0.7, np.inf)
        self.asked = []                                 # the rows of each call

    def fun(self, z, rows):
        self.asked.append(rows.tolist())
        assert z.shape == (len(rows), D)
        d = z - self.goal[rows]
        value, gradient = (d ** 4 + d ** 2).sum(1), 4 * d ** 3 + 2 * d
        valley = (rows % 2 == 0)[:, None] * 10.0
        bend = z[:, 1:] - z[:, :-1] ** 2
        value = value + (valley * bend ** 2).sum(1)
        gradient[:, 1:] += 2 * valley * bend
        gradient[:, :-1] -= 4 * valley * bend * z[:, :-1]
        return value, gradient

    @property
    def arguments(self):
        return self.fun, self.start, self.lower, self.upper


@pytest.fixture
def problems():
    return Problems()


@pytest.fixture
def recheck():
    """Let the door look at SciPy's private entry again, now and after the test."""
    scipy_lbfgsb.setulb_works.cache_clear()
    yield
    scipy_lbfgsb.setulb_works.cache_clear()


def alone(problems, i, **options):
    """Row i by scipy.optimize.minimize, called directly."""
    def fun(z):
        value, gradient = problems.fun(z[None], np.array([i]))
        return value[0], gradient[0]

    return scipy.optimize.minimize(fun, problems.start[i], jac=True, method="L-BFGS-B",
                          bounds=list(zip(problems.lower[i], problems.upper[i], strict=True)),
                          options={"maxcor": 10, "ftol": 1e-12, "gtol": 1e-9, **options})


def test_this_scipys_private_entry_works_without_a_warning(recheck):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert scipy_lbfgsb.setulb_works()


def test_row_i_of_a_batch_is_what_scipy_finds_for_row_i_alone(problems):
    found = minimize(*problems.arguments, ftol=1e-12, gtol=1e-9)
    for i in range(N):
        theirs = alone(problems, i)
        assert found.z[i] == pytest.approx(theirs.x, abs=1e-8)
        assert found.evaluations[i] == theirs.nfev


def test_together_and_one_by_one_agree_in_answers_and_evaluations(problems):
    settings = {"corrections": 4, "ftol": 1e-12, "gtol": 1e-9, "maxiter": 500}
    ours = minimize_together(*problems.arguments, **settings)
    theirs = one_by_one(*problems.arguments, **settings)
    assert ours.z == pytest.approx(theirs.z, abs=1e-10)
    assert (ours.evaluations == theirs.evaluations).all()


def test_rows_that_wait_share_a_call_and_rows_that_are_done_drop_out(problems):
    found = minimize(*problems.arguments)
    assert len(problems.asked) == found.evaluations.max()       # calls, not N times as many
    assert problems.asked[0] == list(range(N))
    assert len(problems.asked[-1]) < N
    counted = np.bincount(np.concatenate(problems.asked), minlength=N)
    assert (counted == found.evaluations).all()


def test_bounds_hold_at_every_point_asked_and_bind_where_they_should(problems):
    def fun(z, rows):
        assert (z >= problems.lower[rows]).all()
        assert (z <= problems.upper[rows]).all()
        d = z - problems.goal[rows]
        return (d * d).sum(1), 2 * d

    z = minimize(fun, problems.start, problems.lower, problems.upper, gtol=1e-9).z
    nearest = problems.goal.clip(problems.lower, problems.upper)
    assert (nearest != problems.goal).any()
    assert z == pytest.approx(nearest, abs=1e-6)


@pytest.mark.parametrize(("lower", "upper"), [(-np.inf, np.inf), (0.5, np.inf), (-np.inf, -0.5),
                                              (-0.25, 0.25), (0.25, 0.25)])
def test_both_one_or_no_bound_may_be_infinite(problems, lower, upper):
    def fun(z, rows):
        d = z - problems.goal[rows]
        return (d * d).sum(1), 2 * d

    box = np.full((N, D), lower), np.full((N, D), upper)
    assert minimize(fun, problems.start, *box, gtol=1e-9).z == \
        pytest.approx(problems.goal.clip(lower, upper), abs=1e-6)


@pytest.mark.parametrize("start", [-5.0, 5.0])
def test_a_start_outside_the_box_is_moved_into_it(problems, start):
    z0 = np.full((N, D), start)
    found = minimize(problems.fun, z0, np.zeros((N, D)), np.ones((N, D)), ftol=1e-12)
    assert found.z.min() >= 0
    assert found.z.max() <= 1
    assert (z0 == start).all()


@pytest.mark.parametrize("maxiter", [1, 3])
@pytest.mark.parametrize("solve", [minimize, one_by_one])
def test_maxiter_stops_each_row_where_scipy_stops(problems, solve, maxiter):
    found = solve(*problems.arguments, corrections=10, ftol=1e-12, gtol=1e-9, maxiter=maxiter)
    for i in range(N):
        theirs = alone(problems, i, maxiter=maxiter)
        assert theirs.nit == maxiter
        assert found.z[i] == pytest.approx(theirs.x, abs=1e-10)


@pytest.mark.parametrize("solve", [minimize, one_by_one])
@pytest.mark.parametrize(("name", "loose", "other"), [
    ("gtol", 1e-1, {"ftol": 1e-14}), ("ftol", 1e-2, {"gtol": 1e-9})])
def test_each_row_may_have_its_own_tolerance(problems, solve, name, loose, other):
    tight = 1e-12
    each = solve(*problems.arguments, **other, **{name: np.where(np.arange(N) % 2, loose, tight)})
    both = [solve(*problems.arguments, **other, **{name: tol}) for tol in (tight, loose)]
    for i in range(N):
        assert (each.z[i] == both[i % 2].z[i]).all()
    assert both[1].evaluations.sum() < both[0].evaluations.sum()


def test_no_rows_are_no_results():
    found = minimize(None, *[np.zeros((0, 3))] * 3)
    assert found.z.shape == (0, 3)
    assert found.evaluations.shape == (0,)


def test_the_starts_may_lie_in_memory_column_by_column(problems):
    fun, *arrays = problems.arguments
    by_row = minimize(fun, *arrays)
    by_column = minimize(fun, *[np.asfortranarray(a) for a in arrays])
    assert (by_row.z == by_column.z).all()


def stops_at_once(*arguments):
    """A setulb that says it has converged before it has begun."""
    arguments[11][0] = 4


def foreign(one, two):
    """A setulb of another signature."""


@pytest.mark.parametrize("setulb", [None, stops_at_once, foreign])
def test_without_a_setulb_that_works_one_warning_comes_and_the_same_minima(
        problems, monkeypatch, recheck, setulb):
    ours = minimize(*problems.arguments, ftol=1e-12, gtol=1e-9)
    scipy_lbfgsb.setulb_works.cache_clear()
    monkeypatch.setattr(scipy_lbfgsb, "setulb", setulb)
    with pytest.warns(RuntimeWarning, match="by_hand.py takes its place") as caught:
        theirs = minimize(*problems.arguments, ftol=1e-12, gtol=1e-9)
        minimize(*problems.arguments)
    assert len(caught) == 1
    assert theirs.z == pytest.approx(ours.z, abs=1e-6)


def test_without_setulb_D_finds_the_same_images_by_hand(sigmoid, monkeypatch, recheck):
    x, target = attack(sigmoid, 5, 6)
    ours = length(x, intriguing.D(sigmoid, x, target))
    scipy_lbfgsb.setulb_works.cache_clear()
    monkeypatch.setattr(scipy_lbfgsb, "setulb", None)
    with pytest.warns(RuntimeWarning, match="by_hand.py takes its place"):
        assert length(x, intriguing.D(sigmoid, x, target)) == pytest.approx(ours, rel=0.01)
