"""The line search over c (section 4.1): the largest c that succeeds, for many images at once."""
import numpy as np

# Margins are measured against |margin(x)|, the way to the boundary: the same for every net.
INSIDE = 1e-4           # an image counts as found when it is this far inside its label
CLOSE = 3e-3            # an end point inside and this near to the boundary ends the search over c
LOG_C = 5e-3            # and so does c known to 0.5 %
OUT_OF_REACH = 30       # |log c| from where on c asks for nothing but the label, or but r = 0


class Bracket:
    """The line search over c: for each image a log c that succeeds (yes) and one that fails (no).

    The margin of the minimiser falls steadily as c grows.  Once c is bracketed, the next one is
    where a straight line through the two margins crosses zero (regula falsi, in the Illinois
    form, which halves the margin of an end that stays twice), in half the steps of halving.
    """

    def __init__(self, log_c):
        self.log_c = log_c                              # (N,), as is all that follows
        self.yes, self.no = np.full_like(log_c, -np.inf), np.full_like(log_c, np.inf)
        self.margin_yes, self.margin_no = np.ones_like(log_c), -np.ones_like(log_c)
        self.side = np.zeros_like(log_c)                # of the last c: 1 succeeded, -1 failed
        self.stride = np.full_like(log_c, np.log(2))    # until it is bracketed
        self.done = np.zeros(len(log_c), bool)

    def narrow(self, rows, margins):
        """Take in the margins (n,) that log_c gave on `rows`, and choose their next log_c."""
        inside = margins > INSIDE
        self.done[rows] = inside & (margins < CLOSE)
        margins = margins - CLOSE / 2                   # what is aimed at: just inside
        won, lost = rows[inside], rows[~inside]
        self.margin_no[won[self.side[won] == 1]] /= 2   # Illinois: the other end stays again
        self.margin_yes[lost[self.side[lost] == -1]] /= 2
        self.yes[won], self.margin_yes[won] = self.log_c[won], margins[inside]
        self.no[lost], self.margin_no[lost] = self.log_c[lost], margins[~inside]
        self.side[won], self.side[lost] = 1, -1
        width = self.no[rows] - self.yes[rows]
        self.done[rows] |= (width < LOG_C) | (abs(self.log_c[rows]) > OUT_OF_REACH)
        wide, closed = rows[np.isinf(width)], rows[np.isfinite(width)]
        self.log_c[wide] += self.side[wide] * self.stride[wide]
        self.stride[wide] *= 2
        share = self.margin_yes[closed] / (self.margin_yes[closed] - self.margin_no[closed])
        self.log_c[closed] = (1 - share) * self.yes[closed] + share * self.no[closed]
