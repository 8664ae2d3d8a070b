"""L-BFGS with the box, by hand, in arrays: many minimisations side by side, one in each row.

Row i minimises c_i |r|^2 + loss_i(r) over the box lower <= r <= upper.  One iteration evaluates
all rows together, once.  Every row has its own c, its own step, and ends on its own.

    g = d loss / dr + 2 c r                     the gradient
    p = clip(r - g / 2c) - r                    the projected step straight down the gradient
    d = -H g                                    on the free pixels, those that p moves
    trial = clip(r + t d)                       t = 1 first, smaller after each rejection

H is L-BFGS's estimate of the inverse Hessian.  It comes from pairs (s, y): s is a step, y the
change of the gradient along it.  Three ideas adapt it to the search over c:

- The pairs are of the loss alone.  c |r|^2 adds 2 c s to y, for any c.  So the pairs remain valid
  when c changes.
- The value and the gradient at the next c follow from the loss and its gradient where the row
  stands.  The net is not asked again.
- A rejected trial gives a pair too.  So each evaluation gives each row one pair.  When a row starts
  again, its pairs are set to zero.

Memory: (3 m + 13) arrays of rows x pixels for m pairs.  On a GPU an iteration launches 26 m + 99
kernels beside the net's own, 229 for m = 5, and some 20 more when a minimisation ends.
"""
from nets.backend import xp
from nets.losses import column

CURVATURE = 1e-6        # a pair counts if the cosine between s and y is larger than this
ARMIJO = 0.1            # a step must gain this share of the gain that the gradient predicts.  1e-4
                        # accepts steps that are twice too long and gain almost nothing: a row ends
                        # there, in 14 of 1,638 hard linear cases; with 0.1 in one case
SHRINK = 0.1, 0.5       # a rejection multiplies t by a factor between these
REJECTIONS = 15         # in a row: they end a minimisation, because at a kink no step succeeds
ROUNDING = 10           # by so many units in the last place (of 1 at least) a value may rise


class Rows:
    """Minimisations side by side: n rows of D pixels, arrays of the device.

    A row that waits for its first evaluation has value = inf and t = 0: its trial is r, and
    any finite value there is accepted.
    """

    def __init__(self, lower, upper, corrections):
        n, dtype = len(lower), lower.dtype
        self.lower, self.upper = lower, upper                       # the box (n, D)
        self.r, self.trial, self.dr, self.g, self.p, self.d = (
            xp.zeros(lower.shape, dtype) for _ in range(6))         # dr = d loss / dr
        self.loss, self.slope, self.t = xp.zeros((3, n))
        self.value, self.gain, self.size = xp.full((3, n), xp.inf)
        self.c2 = xp.zeros(n, dtype)                                # 2 c
        self.rejections = xp.zeros(n, int)
        self.pairs, self.corrections = [], corrections              # newest first

    def keep(self, rows):
        """Keep these rows and drop the others."""
        for name, a in vars(self).items():
            if isinstance(a, xp.ndarray):
                setattr(self, name, a[rows])
        self.pairs = [(s[rows], y[rows]) for s, y in self.pairs]

    def start(self, rows, r=0):
        """Start some rows at r; they wait for their first value."""
        self.r[rows] = self.trial[rows] = r
        self.value[rows] = self.gain[rows] = self.size[rows] = xp.inf
        self.t[rows] = self.rejections[rows] = 0
        for s, y in self.pairs:
            s[rows] = y[rows] = 0

    def go_on(self, rows):
        """Continue some rows from r with another c.  Value and gradient follow from the loss's."""
        r = self.r[rows]
        self.value[rows] = self.loss[rows] + self.c2[rows] * dot(r, r) / 2
        self.gain[rows], self.t[rows], self.rejections[rows] = xp.inf, 1, 0
        self.project(rows)

    def project(self, rows=slice(None)):
        """Compute the gradient g, the projected step p, and the largest entry of p."""
        r, c2 = self.r[rows], column(self.c2[rows], self.r)
        self.g[rows] = g = self.dr[rows] + c2 * r
        unit = xp.where(c2 > 0, c2, 1)                              # the curvature of c |r|^2
        self.p[rows] = p = clip(r - g / unit, self.lower[rows], self.upper[rows]) - r
        self.size[rows] = abs(p).max(1)

    def step(self):
        """Compute the next trial of each row."""
        d = direction(self.g, self.p != 0, self.pairs, self.c2)
        self.d = xp.where(column(self.rejections > 0, d), self.d, d)
        t = column(self.t, d).astype(d.dtype)
        trial, straight = (clip(self.r + t * step, self.lower, self.upper)
                           for step in (self.d, self.p))
        # Without a pair d is 0, and clipping can turn d uphill.  Then go along p.
        downhill = dot(self.g, trial - self.r) < 0
        self.trial = xp.where(column(downhill, d), trial, straight)
        self.slope = dot(self.g, self.trial - self.r).astype(float)

    def ended(self, ftol, small):
        """Which rows have ended (n,): a small gain, a small projected step, or a kink."""
        tiny = (self.gain < xp.inf) & (self.gain <= ftol * abs(self.value).clip(1, None))
        short = (self.size <= small) & (self.size < xp.inf)         # inf: not evaluated yet
        return tiny | short | (self.rejections >= REJECTIONS)

    def take(self, loss, dr):
        """Take loss (n,) and d loss / dr (n, D) at the trial.  Returns which are accepted (n,)."""
        value = loss + self.c2 * dot(self.trial, self.trial) / 2
        self.pairs = [(self.trial - self.r, dr - self.dr), *self.pairs[:self.corrections - 1]]
        rounding = ROUNDING * float(xp.finfo(dr.dtype).eps) * abs(value).clip(1, None)
        accepted = value <= self.value + ARMIJO * self.slope + rounding
        # The parabola through value, slope and trial value has its minimum at shrink * t.
        bend = value - self.value - self.slope
        shrink = -self.slope / (2 * xp.where(bend > 0, bend, 1))
        self.t = xp.where(accepted, 1, self.t * shrink.clip(*SHRINK))
        self.rejections = xp.where(accepted, 0, self.rejections + 1)
        self.gain = xp.where(accepted, self.value - value, xp.inf)
        self.value = xp.where(accepted, value, self.value)
        self.loss = xp.where(accepted, loss, self.loss)
        xp.copyto(self.r, self.trial, where=column(accepted, dr))
        xp.copyto(self.dr, dr, where=column(accepted, dr))
        self.project()
        return accepted


def dot(a, b):
    """<a, b> of each row: (n, D), (n, D) -> (n,)."""
    return (a[:, None] @ b[:, :, None])[:, 0, 0]


def clip(r, lower, upper):
    """The nearest point of the box (n, D), in a third of the time of NumPy's clip."""
    return xp.minimum(xp.maximum(r, lower), upper)


def direction(g, free, pairs, c2):
    """-H g on the free pixels (n, D), by the two-loop recursion; 0 where no pair counts.

    Args:
        g: (n, D), the gradient.  free: (n, D) bool.
        pairs: (s, y of the loss), (n, D) each, newest first.
        c2: (n,), 2 c.
    """
    q, scale, terms = g * free, 0 * c2, []
    for s, y_loss in pairs:
        y = (y_loss + column(c2, s) * s) * free
        sy, yy = dot(s, y), dot(y, y)
        counts = sy > CURVATURE * xp.sqrt(dot(s, s) * yy)
        rho = counts / xp.where(counts, sy, 1)
        scale = xp.where(counts & (scale == 0), sy / xp.where(counts, yy, 1), scale)
        a = rho * dot(s, q)
        q -= column(a, q) * y
        terms.append((s, y, rho, a))
    q *= column(scale, q)                           # <s, y> / <y, y> of the newest that counts
    for s, y, rho, a in reversed(terms):
        q += column(a - rho * dot(y, q), q) * s
    return -q * free
