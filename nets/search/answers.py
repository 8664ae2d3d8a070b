"""What the engines of this folder send back, and a tolerance that they share."""
from typing import NamedTuple

import numpy as np

SHORT = 1e-2            # at the end no pixel's step is longer than this share of the box


class Result(NamedTuple):
    """What `minimize` returns."""
    z: np.ndarray           # (N, D): where each row ended
    evaluations: np.ndarray  # (N,): how often each row was evaluated


class Best(NamedTuple):
    """The shortest r that has the label, or, if none has it, the r with the largest margin."""
    r: np.ndarray           # (D,)
    square: float           # |r|^2
    margin: float
    has_label: bool
    log_c: float            # of the minimisation that visited it

    def or_better(self, point, square, log_c):
        """This, or a point with |r|^2 = `square` if that is better."""
        if point.has_label:
            better = square < self.square or not self.has_label
        else:
            better = point.margin > self.margin and not self.has_label
        return Best(point.r, square, point.margin, point.has_label, log_c) if better else self

    def or_other(self, other):
        """This, or the other Best if that is better."""
        return self.or_better(other, other.square, other.log_c)


def are_better(square, margin, has_label, best_square, best_margin, best_has_label):
    """Whether each of n points is better than the best of its search, as in `Best.or_better`: (n,).
    """
    shorter = has_label & (~best_has_label | (square < best_square))
    return shorter | (~has_label & ~best_has_label & (margin > best_margin))


class Minimum(NamedTuple):
    """What an engine sends to a search: where a minimisation ended, and the best point so far."""
    r: np.ndarray           # (D,); in by_hand a token that means "where this minimisation ended"
    margin: float           # as a share of |margin(x)|
    has_label: bool
    best: Best              # in by_hand its r is None until the search has ended
