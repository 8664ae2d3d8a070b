"""SciPy's L-BFGS-B for many searches at once: the engine that answers `intriguing.search_one`.

`answer` is the conversation with the search of one image.  It reads as if there were no other
image.  `run_together` runs many conversations and evaluates their questions in one batch.  No image
waits for another: when one is done, a new one takes its place.  If this solver gets stuck, or finds
nothing, the search continues by hand (nets/search/by_hand.py).

The solver is SciPy's `setulb`, which `scipy.optimize.minimize` calls too.  It returns whenever it
needs a value.  It is private to SciPy.  So it is checked once per process against the public
function.  If it is gone or differs, `by_hand` takes its place, and there is one warning.
"""
import functools
import math
import warnings
from typing import NamedTuple

import numpy as np
import scipy.optimize
from threadpoolctl import ThreadpoolController

from nets.backend import to_device, to_host
from nets.search import by_hand
from nets.search.answers import SHORT, Best, Minimum, Result

try:
    from scipy.optimize._lbfgsb import setulb
except ImportError:
    setulb = None

CORRECTIONS = 5         # L-BFGS's memory in the search; a warm start needs no more
EPS = np.finfo(float).eps                   # setulb's ftol is in units of it
MAXLS = 20              # points tried along one direction: SciPy's own default
NEW_ITERATION, WANTS_VALUE, STOP, MAXITER = 1, 3, 5, 504      # codes of setulb in `task`
# The solver works on short vectors, where several BLAS threads take four times as long as one.
ONE_THREAD = functools.partial(ThreadpoolController().limit, limits=1, user_api="blas")


# ---- Many conversations at once --------------------------------------------------------------


def run_together(conversations, evaluate, width):
    """Run the conversations, `width` of them at a time, and return what each one returns.

    Args:
        conversations: N generators.  Each yields questions, and is sent the answers.
        evaluate: evaluate(questions, rows) answers questions (n of them) of conversations `rows`
            (n,), in one batch: n answers.
        width: how many are open at a time.

    Returns:
        A list of N results.
    """
    results = [None] * len(conversations)
    new, asking = iter(enumerate(conversations)), []            # (row, conversation, question)

    def go_on(row, conversation, answer):
        """Send the answer.  The next question goes to `asking`, or the result to `results`."""
        try:
            asking.append((row, conversation, conversation.send(answer)))
        except StopIteration as end:
            results[row] = end.value

    while True:
        answered, answers, asking = asking, (), []
        if answered:
            rows, _, questions = zip(*answered, strict=True)
            answers = evaluate(questions, np.array(rows))
        with ONE_THREAD():
            for (row, conversation, _), answer in zip(answered, answers, strict=True):
                go_on(row, conversation, answer)
            while len(asking) < width and (begun := next(new, None)):
                go_on(*begun, None)         # None starts a generator
        if not asking:
            return results


def minimize(evaluate, z0, lower, upper, corrections=10, ftol=2.2e-9, gtol=1e-5, maxiter=1000):
    """Minimise a function over the box [lower, upper].  Each row of z0 is a problem of its own.

    A row stops when an iteration gains less than ftol * max(|value|, 1), when no entry of the
    projected gradient exceeds gtol, or after maxiter iterations.

    Args:
        evaluate: evaluate(z, rows) takes points z (n, D) of problems `rows` (n,), and returns
            their values (n,) and gradients (n, D), on the host.
        z0, lower, upper: (N, D) float64; lower and upper may be infinite.
        corrections: L-BFGS's memory m.
        ftol, gtol: a number each, or one for each row (N,).

    Returns:
        A Result.
    """
    minimize_rows = minimize_together if setulb_works() else by_hand.minimize
    return minimize_rows(evaluate, z0, lower, upper, corrections, ftol, gtol, maxiter)


def minimize_together(evaluate, z0, lower, upper, corrections, ftol, gtol, maxiter):
    """`minimize`, all rows at once."""
    ftol, gtol = (np.broadcast_to(tolerance, len(z0)) for tolerance in (ftol, gtol))
    evaluations = np.zeros(len(z0), int)

    def minimize_row(i):
        solver = Solver(lower[i], upper[i], corrections)
        solver.begin(z0[i], ftol[i], gtol[i], maxiter)
        wants_value = True
        while wants_value:
            value, solver.g[:] = yield solver.z
            wants_value = solver.step(value)
        return solver.z

    def evaluate_rows(points, rows):
        evaluations[rows] += 1
        return zip(*evaluate(np.stack(points), rows), strict=True)

    z = run_together([minimize_row(i) for i in range(len(z0))], evaluate_rows, len(z0))
    return Result(np.reshape(z, z0.shape), evaluations)


# ---- The conversation with one search --------------------------------------------------------


class Point(NamedTuple):
    """A point r, and the loss, gradient, margin and label at x + r."""
    r: np.ndarray           # (D,)
    loss: float
    dr: np.ndarray          # d loss / dr (D,)
    margin: float           # as a share of |margin(x)|
    has_label: bool


def solve(searches, evaluate, lower, upper, ftol, gtol, width, tick):
    """The engine: minimise c |r|^2 + loss for every search, at each c that it asks for.

    Args:
        searches: N generators, see `intriguing.search_one`: each yields (log c, the r to start
            from, the tolerance as a share of the usual one) and is sent a Minimum.
        evaluate: evaluate(r, rows) takes r (n, D), on the device, of searches `rows` (n,), on the
            host, and returns on the device losses (n,), d loss / dr (n, D), margins as a share of
            |margin(x)| (n,), and which have the label (n,).
        lower, upper: (N, D), the box of r.
        ftol, gtol: (N,), the usual tolerances: of an iteration's gain, and of d loss / dr.
        width: how many searches go on at a time.
        tick: called with 1 whenever a search is done.

    Returns:
        What each search returns, a list of N Best.
    """
    if not setulb_works():
        return by_hand.solve(searches, evaluate, lower, upper, ftol, gtol, width, tick)

    def evaluate_points(points, rows):
        loss, dr, margin, has_label = map(to_host, evaluate(to_device(np.stack(points)), rows))
        return zip(points, loss.tolist(), dr, margin.tolist(), has_label.tolist(), strict=True)

    def converse(i):
        best, handed_over[i] = yield from answer(
            searches[i], *(a[i].astype(float) for a in (lower, upper)), ftol[i], gtol[i])
        if handed_over[i] is None:
            tick(1)
        return best

    handed_over = [None] * len(searches)
    best = run_together([converse(i) for i in range(len(searches))], evaluate_points, width)
    rows = np.array([i for i, search in enumerate(handed_over) if search], int)
    more = by_hand.solve([handed_over[i] for i in rows], lambda r, k: evaluate(r, rows[k]),
                         *(a[rows] for a in (lower, upper, ftol, gtol)), width, tick)
    for i, other in zip(rows, more, strict=True):
        best[i] = best[i].or_other(other)
    return best


def answer(search, lower, upper, ftol, gtol):
    """Answer one search: yields each r (D,) to evaluate, and is sent the fields of the Point there.

    Returns the Best, and None.  Or, if the search asks for smaller tolerances, the Best so far and
    the search itself, for `by_hand`.  Then this solver got stuck or found nothing, because SciPy's
    L-BFGS-B ends at the kinks of ReLU and max pooling.

    The solver begins as if every curvature were 1.  In z = s r, s = sqrt(2 c), the curvature of
    c |r|^2 = |z|^2 / 2 is 1 for every c.  In r it is 2 c, and for small c the first steps would be
    too short.
    """
    log_c, r, tolerance = next(search)
    iterate, best = None, Best(None, math.inf, -math.inf, False, log_c)
    solver = Solver(lower, upper, CORRECTIONS)
    width = (upper - lower).max(where=np.isfinite(upper - lower), initial=0) or math.inf
    while True:
        s = math.sqrt(2 * math.exp(log_c))
        # A gradient g_z means a step of g_z / s in r.  If c is small, gtol alone would allow a step
        # as long as the box, and the search would end where it began.
        gtol_z = min(gtol / s, SHORT * width * s)
        solver.begin(s * r, tolerance * ftol, tolerance * gtol_z, scale=s)
        point = iterate                     # the same r as before: only c |r|^2 changes
        if iterate is None or iterate.r is not r:
            point = Point(*(yield solver.z / s))
        while True:
            z = solver.z
            square_z = z @ z                # 2 c |r|^2
            best = best.or_better(point, square_z / (s * s), log_c)
            np.divide(point.dr, s, solver.g)
            solver.g += z                   # d/dz of |z|^2 / 2 + loss
            wants_value = solver.step(square_z / 2 + point.loss)
            if solver.accepted:             # the point takes the last iterate's place
                iterate = point
            if not wants_value:
                break
            point = Point(*(yield z / s))
        try:
            log_c, r, tolerance = search.send(
                Minimum(iterate.r, iterate.margin, iterate.has_label, best))
        except StopIteration as end:
            return end.value, None
        if tolerance < 1:
            return best, resume(search, (log_c, r, tolerance))


def resume(search, question):
    """The rest of a search, beginning with a question that it has asked already."""
    while True:
        answer = yield question
        try:
            question = search.send(answer)
        except StopIteration as end:
            return end.value


# ---- The solver of one row -------------------------------------------------------------------


class Solver:
    """SciPy's L-BFGS-B on one row.  It writes a point to z; the caller evaluates it and fills g.

    There is one for each search, because its arrays are large.  It begins anew for each c.
    """

    def __init__(self, lower, upper, corrections):
        m, D = corrections, len(lower)
        below, above = np.isfinite(lower), np.isfinite(upper)
        self.lower, self.upper = np.where(below, lower, 0.0), np.where(above, upper, 0.0)
        self.z, self.g, *self.box = np.zeros((4, D))
        kind = np.where(below, np.where(above, 2, 1), np.where(above, 3, 0)).astype(np.int32)
        self.point = (m, self.z, *self.box, kind)
        self.task, self.line_task = np.zeros((2, 2), np.int32)
        self.work = (np.zeros(2 * m * D + 5 * D + 11 * m * m + 8 * m), np.zeros(3 * D, np.int32),
                     self.task, np.zeros(4, np.int32), np.zeros(44, np.int32), np.zeros(29), MAXLS,
                     self.line_task)

    def begin(self, z0, ftol, gtol, maxiter=1000, scale=1.0):
        """Start from z0, moved into the box times `scale`."""
        for bound, scaled in zip((self.lower, self.upper), self.box, strict=True):
            np.multiply(bound, scale, scaled)
        self.z[:], self.task[:], self.line_task[:] = z0, 0, 0
        self.state = (self.g, ftol / EPS, gtol, *self.work)
        self.left, self.begun = maxiter, False
        setulb(*self.point, 0.0, *self.state)           # it asks for the value at z0

    def step(self, value):
        """Continue with the value and gradient at z.  True: there is a new z to evaluate.

        False: it is done, and z is the last iterate.  Afterwards `accepted` says whether the point
        just evaluated became an iterate.
        """
        self.accepted = not self.begun
        self.begun = True
        while True:
            setulb(*self.point, value, *self.state)
            if self.task[0] != NEW_ITERATION:
                return self.task[0] == WANTS_VALUE
            self.accepted = True
            self.left -= 1
            if self.left <= 0:
                self.task[:] = STOP, MAXITER


@functools.cache
def setulb_works():
    """Whether the private entry does what the public function does, on two tiny problems."""
    goals = np.array([[0.3, 2.0, -1.0], [5.0, 0.1, 0.2]])
    start, upper = np.full((2, 3), 0.9), np.array([[1.0, 1.0, np.inf]] * 2)

    def bowls(z, rows):
        d = z - goals[rows]
        return (d ** 4 + d ** 2).sum(1), 4 * d ** 3 + 2 * d

    try:
        ours = minimize_together(bowls, start, 0 * start, upper, 5, 1e-12, 1e-8, 100)
        for i in range(2):
            theirs = scipy.optimize.minimize(
                lambda z, i=i: [part[0] for part in bowls(z[None], [i])], start[i], jac=True,
                method="L-BFGS-B", bounds=list(zip(0 * start[i], upper[i], strict=True)),
                options={"maxcor": 5, "ftol": 1e-12, "gtol": 1e-8, "maxiter": 100})
            if not np.allclose(ours.z[i], theirs.x, rtol=0, atol=1e-12) or \
                    ours.evaluations[i] != theirs.nfev:
                raise ValueError("gives other results than scipy.optimize.minimize")
        return True
    except Exception as error:              # another signature may raise anything
        why = f"does not work ({error})" if setulb else "is not there"
    warnings.warn(f"SciPy's private setulb {why}: nets/search/by_hand.py takes its place",
                  RuntimeWarning, stacklevel=2)
    return False
