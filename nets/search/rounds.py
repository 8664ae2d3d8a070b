"""An engine from any function that minimises many rows.  It works in rounds, one c for each search:
a round ends when the slowest minimisation ends."""
import numpy as np

from nets.backend import to_device, to_host
from nets.search.answers import Best, Minimum, are_better


def make_engine(minimize):
    """An engine, with the arguments of `scipy_lbfgsb.solve`, that calls `minimize`.

    Args:
        minimize: takes the arguments of `scipy_lbfgsb.minimize`, ftol and gtol (n,) by name, and
            returns a Result.
    """
    def solve(searches, evaluate, lower, upper, ftol, gtol, width, tick):
        results, questions = [None] * len(searches), [next(search) for search in searches]
        nearest, live = _Nearest(lower.shape), np.arange(len(searches))
        while len(live):
            rows = live[:width]
            log_c, start, tolerance = zip(*(questions[i] for i in rows), strict=True)
            s = np.sqrt(2 * np.exp(log_c))[:, None]         # z = s r, as in `scipy_lbfgsb.answer`
            objective = _Objective(evaluate, rows, s, nearest, np.array(log_c))
            z0 = s * np.stack([np.broadcast_to(r, lower.shape[1:]) for r in start])
            z = minimize(objective, z0, s * lower[rows], s * upper[rows],
                         ftol=tolerance * ftol[rows], gtol=tolerance * gtol[rows] / s[:, 0]).z
            if (z != objective.z).any():                    # the last evaluation was elsewhere
                objective(z, np.arange(len(rows)))
            for i, *minimum in zip(rows, z / s, objective.margin, objective.has_label, strict=True):
                try:
                    questions[i] = searches[i].send(Minimum(*minimum, nearest.best_of(i)))
                except StopIteration as end:
                    results[i], live = end.value, live[live != i]
                    tick(1)
        return results
    return solve


class _Objective:
    """|z|^2 / 2 + loss of some searches, and its gradient in z: what a solver minimises."""

    def __init__(self, evaluate, rows, s, nearest, log_c):
        self.evaluate, self.rows, self.s = evaluate, rows, s
        self.nearest, self.log_c = nearest, log_c
        self.z = np.full((len(rows), *nearest.r.shape[1:]), np.nan)     # the last points
        self.margin, self.has_label = np.empty(len(rows)), np.empty(len(rows), bool)

    def __call__(self, z, k):
        s, rows, self.z[k] = self.s[k], self.rows[k], z
        loss, dr, margin, has_label = map(to_host, self.evaluate(to_device(z / s), rows))
        self.margin[k], self.has_label[k] = margin, has_label
        self.nearest.update(rows, z / s, margin, has_label, self.log_c[k])
        return (z * z).sum(1) / 2 + loss, z + dr / s


class _Nearest:
    """The Best of every search, in arrays."""

    def __init__(self, shape):
        N, _ = shape
        self.r, self.has_label, self.log_c = np.zeros(shape), np.zeros(N, bool), np.zeros(N)
        self.square, self.margin = np.full(N, np.inf), np.full(N, -np.inf)

    def update(self, rows, r, margin, has_label, log_c):
        """Replace the bests of `rows` by the points r (n, D) that are better, as `Best.or_better`.
        """
        square = (r * r).sum(1)
        better = are_better(square, margin, has_label, self.square[rows], self.margin[rows],
                            self.has_label[rows])
        for best, new in ((self.r, r), (self.square, square), (self.margin, margin),
                          (self.has_label, has_label), (self.log_c, log_c)):
            best[rows[better]] = new[better]

    def best_of(self, i):
        """The Best of search i."""
        return Best(self.r[i].copy(), self.square[i], self.margin[i], bool(self.has_label[i]),
                    self.log_c[i])
