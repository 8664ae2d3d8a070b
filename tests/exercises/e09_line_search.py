"""Answer 9: double until one succeeded and one failed, then halve the interval."""
import math


def line_search(log_c):
    ends = {}                               # {success: the last log c}
    while len(ends) < 2:
        _, success = yield log_c
        ends[success] = log_c
        log_c += math.log(2) if success else -math.log(2)
    while ends[False] - ends[True] > 0.01:
        log_c = (ends[True] + ends[False]) / 2
        _, success = yield log_c
        ends[success] = log_c
