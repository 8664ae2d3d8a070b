"""L-BFGS by hand (nets/search/lbfgs.py) for many searches at once: the engine for a GPU.

Each search holds a row of the arrays.  When the minimisation of a row ends, the search of this row
receives a Minimum.  It answers with the next c, or it ends and a new search takes the row.  No row
waits for another.  Between host and device go one flag for each row, and a few numbers for each
row that ends.  Images go only when a search begins (its box) and when it ends (its r).
"""
import numpy as np

from nets.backend import to_device, to_host, xp
from nets.search.answers import SHORT, Best, Minimum, Result, are_better
from nets.search.lbfgs import Rows, dot
from nets.search.line_search import CLOSE

CORRECTIONS = 5         # m, the number of pairs.  More save nothing on LeNet
ROUGH_FACTOR = 6        # factor on the tolerances while |margin| > CLOSE, where no search can end.
                        # LeNet: 38 evaluations; 58 with 1; 35 with 10, but r is 0.1 % longer
HERE = object()         # the r of every Minimum: the next minimisation starts where this one ended


def minimize(evaluate, z0, lower, upper, corrections=10, ftol=2.2e-9, gtol=1e-5, maxiter=1000):
    """As `scipy_lbfgsb.minimize`, with the same arguments (N, D) and results."""
    z, evaluations, live = np.clip(z0, lower, upper), np.zeros(len(z0), int), np.arange(len(z0))
    ftol, gtol = (np.broadcast_to(tolerance, len(z0)).astype(float) for tolerance in (ftol, gtol))
    iterations = np.full(len(z0), -1)               # the start is not an iteration
    rows = Rows(*(to_device(a.astype(float)) for a in (lower, upper)), corrections)
    rows.start(slice(None), to_device(z))
    while len(live):
        accepted = to_host(rows.take(*map(to_device, evaluate(to_host(rows.trial), live))))
        evaluations[live] += 1
        iterations[live] += accepted
        if evaluations[live[0]] == 1:               # a first step of length 1 at most
            rows.t = 1 / xp.sqrt(dot(rows.g, rows.g)).clip(1, None)
        ended = to_host(rows.ended(to_device(ftol[live]), to_device(gtol[live])))
        ended |= iterations[live] >= maxiter
        if ended.any():
            z[live[ended]] = to_host(rows.r)[ended]
            live = live[~ended]
            rows.keep(to_device(np.flatnonzero(~ended)))
        rows.step()
    return Result(z, evaluations)


def solve(searches, evaluate, lower, upper, ftol, gtol, width, tick):
    """The engine: as `scipy_lbfgsb.solve`, with the same arguments and results."""
    n = min(width, len(searches))
    if not n:
        return []
    answer = evaluate(xp.zeros((n, lower.shape[1])), np.arange(n))
    rows = Searches(searches, lower, upper, ftol, gtol, n, answer[1].dtype, tick)
    while True:
        rows.take_point(*answer)
        rows.talk()
        if not rows.holders:
            return rows.results
        rows.step()
        answer = evaluate(rows.trial, np.array(rows.holders))


class Searches(Rows):
    """Rows that minimise for searches.  Each search holds one row until it is done."""

    def __init__(self, searches, lower, upper, ftol, gtol, n, dtype, tick):
        D = lower.shape[1]
        super().__init__(*xp.zeros((2, n, D), dtype), CORRECTIONS)
        box = np.where(np.isfinite(upper - lower), upper - lower, 0).max(1)
        self.searches, self.box, self.tick = searches, (lower, upper), tick
        self.tolerances = ftol, gtol, np.where(box > 0, SHORT * box, np.inf)
        self.results, self.coming = [None] * len(searches), iter(range(len(searches)))
        self.holders = [None] * n                           # the search that holds each row
        self.ftol, self.small, self.log_c = xp.zeros((3, n))
        self.point, self.best = xp.zeros((2, n, 4))         # |r|^2, margin, has_label, log c
        self.best_r = xp.zeros((n, D), dtype)
        self.begin(self.open(range(n)))

    def take_point(self, loss, dr, margin, has_label):
        """`take`, and remember margin and label of r and of the best r."""
        accepted = self.take(loss, dr)
        square = dot(self.trial, self.trial)
        point = xp.stack([square, margin, has_label, self.log_c], 1)        # (n, 4)
        better = are_better(square, margin, has_label, self.best[:, 0], self.best[:, 1],
                            self.best[:, 2] > 0)
        xp.copyto(self.point, point, where=accepted[:, None])
        xp.copyto(self.best, point, where=better[:, None])
        xp.copyto(self.best_r, self.trial, where=better[:, None])

    def ended_rows(self):
        """Which rows have ended (n,), with looser tolerances where |margin| > CLOSE."""
        rough = xp.where((abs(self.point[:, 1]) > CLOSE) & (self.gain < xp.inf), ROUGH_FACTOR, 1)
        return self.ended(rough * self.ftol, rough * self.small)

    def talk(self):
        """Send a Minimum to the search of each row that has ended.

        The search answers with the next c, or it ends and leaves the row.
        """
        while len(ended := np.flatnonzero(to_host(self.ended_rows()))):
            points = to_host(xp.concatenate([self.point, self.best], 1)[to_device(ended)])
            questions, done = [], {}
            for row, (_, margin, has_label, _, *best) in zip(ended.tolist(), points.tolist(),
                                                             strict=True):
                square, best_margin, best_label, log_c = best
                minimum = Minimum(HERE, margin, bool(has_label),
                                  Best(None, square, best_margin, bool(best_label), log_c))
                try:
                    questions.append((row, *self.searches[self.holders[row]].send(minimum)))
                except StopIteration as end:
                    done[row] = end.value
            self.close(done)
            self.begin(questions + self.open(list(done)))
        held = [row for row, holder in enumerate(self.holders) if holder is not None]
        if len(held) < len(self.holders):
            self.holders = [self.holders[row] for row in held]
            self.keep(to_device(np.array(held, int)))

    def close(self, done):
        """Take the results {row: Best} of searches that ended, add the best r, free the rows."""
        rows = to_device(np.array(list(done), int))
        for (row, best), r in zip(done.items(), to_host(self.best_r[rows]), strict=True):
            self.results[self.holders[row]] = best._replace(r=r.astype(float))
            self.holders[row] = None
            self.tick(1)
        self.start(rows)

    def open(self, rows):
        """Give rows to new searches, while there are some.  Returns their first questions."""
        new = dict(zip(rows, self.coming))                          # noqa: B905
        at, some = to_device(np.array(list(new), int)), list(new.values())
        for row, search in new.items():
            self.holders[row] = search
        self.lower[at], self.upper[at] = (
            to_device(end[some].astype(self.r.dtype)) for end in self.box)
        self.point[at] = self.best[at] = to_device(np.array([np.inf, -np.inf, 0, 0]))
        self.best_r[at] = 0
        return [(row, *next(self.searches[search])) for row, search in new.items()]

    def begin(self, questions):
        """Begin a minimisation for each question (row, log c, HERE or 0, tolerance)."""
        if not questions:
            return
        rows, log_c, start, tolerance = map(list, zip(*questions, strict=True))
        ftol, gtol, short = (a[[self.holders[row] for row in rows]] for a in self.tolerances)
        c2, share = 2 * np.exp(log_c), np.array(tolerance)
        small = share * np.minimum(gtol / c2, short)    # 2 c times a step is its gradient
        at = to_device(np.array(rows))
        numbers = to_device(np.stack([c2, log_c, share * ftol, small]))
        self.c2[at], self.log_c[at], self.ftol[at], self.small[at] = numbers
        new, old = (to_device(np.array([row for row, r in zip(rows, start, strict=True)
                                        if (r is HERE) == here], int)) for here in (False, True))
        self.start(new)
        self.go_on(old)
