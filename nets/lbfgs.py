"""The one door to SciPy's L-BFGS-B: many problems at once.

Each image's search is one problem.  Called one at a time, `scipy.optimize.minimize` spends most
of its time between the solver and the function.  Here one solver per row runs in lockstep: all
rows that wait for a value are evaluated in one batch, and rows that finish drop out.

The lockstep calls the solver where `scipy.optimize.minimize` does, at `setulb`, which hands the
control back whenever it wants a value.  That entry is private to SciPy; so it is checked once per
process, and where it is absent or differs, `one_by_one` serves the rows through the public
function: the same answers to rounding, slower, and one warning says so.
"""
import functools
import warnings
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize as scipy_minimize
from threadpoolctl import ThreadpoolController

try:
    from scipy.optimize._lbfgsb import setulb
except ImportError:
    setulb = None

MAXLS = 20                                  # steps in one line search, SciPy's own default
# The solver works on short vectors, where several BLAS threads take four times as long as one.
ONE_THREAD = functools.partial(ThreadpoolController().limit, limits=1, user_api="blas")
NEW_ITERATION, WANTS_VALUE, STOP, MAXITER = 1, 3, 5, 504      # what setulb says in `task`


class Result(NamedTuple):
    """z (N, D), where each row ended, and evaluations (N,), how often it was evaluated."""
    z: np.ndarray
    evaluations: np.ndarray


def minimize(fun, z0, lower, upper, **options):
    """Minimise fun over the box [lower, upper], each row of z0 a problem of its own.

    fun(z, rows) takes the rows (n, D) that wait for a value and which they are (n,), and returns
    their values (n,) and gradients (n, D), all on the host.
    z0, lower, upper: (N, D) float64; infinite bounds are none.
    Options: corrections, L-BFGS's memory m; a row stops when an iteration gains less than
    ftol * max(|value|, 1), when no entry of the projected gradient exceeds gtol, or after
    maxiter iterations.  ftol, gtol: a number each, or one for each row (N,).  Returns a Result.
    """
    solve = lockstep if lockstep_works() else one_by_one
    return solve(fun, z0, lower, upper, **options)


class Solver:
    """SciPy's L-BFGS-B on one row: it reads the gradient in g and writes its points into z."""

    def __init__(self, z, g, lower, upper, corrections, ftol, gtol, maxiter):
        m, D = corrections, len(z)
        bounded_below, bounded_above = np.isfinite(lower), np.isfinite(upper)
        kind = np.where(bounded_below, np.where(bounded_above, 2, 1),
                        np.where(bounded_above, 3, 0)).astype(np.int32)
        self.point = (m, z, np.where(bounded_below, lower, 0.0),
                       np.where(bounded_above, upper, 0.0), kind)
        self.task = np.zeros(2, np.int32)
        self.state = (g, ftol / np.finfo(float).eps, gtol,
                      np.zeros(2 * m * D + 5 * D + 11 * m * m + 8 * m),
                      np.zeros(3 * D, np.int32), self.task, np.zeros(4, np.int32),
                      np.zeros(44, np.int32), np.zeros(29), MAXLS, np.zeros(2, np.int32))
        self.left = maxiter

    def step(self, value):
        """Run on from z's value and gradient; True if it wrote a z that wants them, else done."""
        while True:
            setulb(*self.point, value, *self.state)
            if self.task[0] == NEW_ITERATION:
                self.left -= 1
                if self.left <= 0:
                    self.task[:] = STOP, MAXITER
                continue
            return self.task[0] == WANTS_VALUE


def lockstep(fun, z0, lower, upper, corrections=10, ftol=2.2e-9, gtol=1e-5, maxiter=1000):
    """`minimize`, one solver per row, all rows that wait evaluated together."""
    z = np.clip(z0, lower, upper, order="C")
    g = np.zeros_like(z)
    solvers = [Solver(*row, corrections, *tols, maxiter) for *row, tols in
               zip(z, g, lower, upper, _tolerances(ftol, gtol, len(z)), strict=True)]
    evaluations = np.zeros(len(z), int)
    rows = [i for i, solver in enumerate(solvers) if solver.step(0.0)]
    while rows:
        values, g[rows] = fun(z[rows], np.array(rows))
        evaluations[rows] += 1
        with ONE_THREAD():
            rows = [i for i, value in zip(rows, values, strict=True) if solvers[i].step(value)]
    return Result(z, evaluations)


def one_by_one(fun, z0, lower, upper, corrections=10, ftol=2.2e-9, gtol=1e-5, maxiter=1000):
    """`minimize`, by SciPy's public function on each row alone: the oracle of the lockstep."""
    z, tols = np.empty_like(z0), _tolerances(ftol, gtol, len(z0))
    evaluations = np.zeros(len(z0), int)

    def fun_of_row(z, i):
        value, gradient = fun(z[None], np.array([i]))
        return value[0], gradient[0]

    for i in range(len(z0)):
        with ONE_THREAD():
            found = scipy_minimize(
                fun_of_row, z0[i], args=(i,), jac=True, method="L-BFGS-B",
                bounds=np.stack([lower[i], upper[i]], 1),
                options={"maxcor": corrections, "ftol": tols[i][0], "gtol": tols[i][1],
                         "maxiter": maxiter, "maxfun": np.inf, "maxls": MAXLS})
        z[i], evaluations[i] = found.x, found.nfev
    return Result(z, evaluations)


def _tolerances(ftol, gtol, N):
    """(ftol, gtol) of each of N rows."""
    return np.stack([np.broadcast_to(ftol, N), np.broadcast_to(gtol, N)], 1)


@functools.cache
def lockstep_works():
    """Whether the private entry does what the public function does, on two tiny problems."""
    target = np.array([[0.3, 2.0, -1.0], [5.0, 0.1, 0.2]])

    def bowl(z, rows):
        d = z - target[rows]
        return (d ** 4 + d ** 2).sum(1), 4 * d ** 3 + 2 * d

    problem = (bowl, np.full((2, 3), 0.9), np.zeros((2, 3)),
               np.array([[1.0, 1.0, np.inf]] * 2), 5, 1e-12, 1e-8, 100)
    try:
        ours, theirs = lockstep(*problem), one_by_one(*problem)
        if np.allclose(ours.z, theirs.z, rtol=0, atol=1e-12) and \
                (ours.evaluations == theirs.evaluations).all():
            return True
        why = "gives other results than scipy.optimize.minimize"
    except Exception as error:              # whatever a foreign signature answers with
        why = f"answers {error!r}" if setulb else "is not there"
    warnings.warn(f"SciPy's private setulb {why}: each search runs by itself, which is several "
                  "times slower", RuntimeWarning, stacklevel=2)
    return False
