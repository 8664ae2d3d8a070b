"""What the engines of this folder answer, and the tolerance that they share."""
from typing import NamedTuple

import numpy as np

SHORT = 1e-2            # at the end no pixel wants to move by more than this share of the box


class Result(NamedTuple):
    """z (N, D), where each row ended, and evaluations (N,), how often it was evaluated."""
    z: np.ndarray
    evaluations: np.ndarray


class Best(NamedTuple):
    """The shortest r that has the label, or, if none has it, the r with the largest margin."""
    r: np.ndarray           # (D,)
    square: float           # |r|^2
    margin: float
    has_label: bool
    log_c: float            # of the minimisation in which it was seen

    def or_better(self, point, square, log_c):
        """The better one of this and a point with |r|^2 = `square`."""
        if point.has_label:
            better = square < self.square or not self.has_label
        else:
            better = point.margin > self.margin and not self.has_label
        return Best(point.r, square, point.margin, point.has_label, log_c) if better else self

    def or_other(self, other):
        """The better one of two."""
        return self.or_better(other, other.square, other.log_c)


def are_better(square, margin, has_label, best_square, best_margin, best_has_label):
    """`Best.or_better` for many points (n,), each beside the best of its search (n,): (n,) bool."""
    shorter = has_label & (~best_has_label | (square < best_square))
    return shorter | (~has_label & ~best_has_label & (margin > best_margin))


class Minimum(NamedTuple):
    """What a search is told of one minimisation: where it ended, and the best seen so far."""
    r: np.ndarray           # (D,); by_hand's is a token that says: from where this one ended
    margin: float           # as a share of |margin(x)|
    has_label: bool
    best: Best              # its r is for the engine until the search has ended
