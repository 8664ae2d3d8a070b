"""The line search over c (section 4.1), for one image and one label: one c after the other.

Both functions are generators.  Each yields the log c to try next.  It is sent the margin of the
minimiser for that c, divided by |margin(x)|, and whether that minimiser has the label (success).
"""
import math

CLOSE = 3e-3            # a success with less margin ends the search: 1e-3 takes a tenth more
                        # evaluations and comes 0.1 % nearer
AIM = CLOSE / 2         # the margin that the next c is to give.  With 0 a success is 0.1 % nearer,
                        # but of these images in 8 bits 85 % are wrong, not 91
FAR = 1                 # unless the next failure is farther away, in log c: between them the margin
                        # need not fall
LOG_C = 5e-3            # c known to 0.5 % ends the search too
REACH = 25              # farther from the first log c than this, another c makes no difference
GRID, ABOVE = 0.5, 5    # the step of `scan` in log c, and how far above the first c it begins
STILL = 1e-2            # `scan` ends where five margins in a row differ by a smaller share


def line_search(log_c):
    """Try c until the largest c whose minimiser has the label is known, to LOG_C.

    As a rule the margin falls as c grows.  So the first c is multiplied by 2, 4, 8, ... after a
    success, and divided after a failure, until both have been seen.  From then on the next c is
    where the straight line through the two margins crosses AIM (regula falsi).  That takes five c
    where halving takes seven.  If one end stays twice, its margin is halved, so that the next c
    moves towards it (the Illinois form).  Otherwise a margin that jumps takes hundreds of c.

    Args:
        log_c: the first log c to try.
    """
    first_log_c, step, success_before = log_c, math.log(2), None
    ends = {}                               # {success: [log c, |margin - AIM|]}, the last of each
    while abs(log_c - first_log_c) < REACH:
        margin, success = yield log_c
        if success and 0 < margin < CLOSE and (False not in ends or ends[False][0] - log_c < FAR):
            return
        if success == success_before and (not success) in ends:
            ends[not success][1] /= 2
        ends[success] = [log_c, max(abs(margin - AIM), AIM)]    # where labels tie, margin is 0
        success_before = success
        if len(ends) == 1:
            log_c += step if success else -step
            step *= 2                       # without this a factor of e^20 takes 29 steps, not 5
            continue
        (low, above), (high, below) = ends[True], ends[False]
        if high - low < LOG_C:
            return
        log_c = low + (high - low) * above / (above + below)


def scan(log_c, line_search=line_search):
    """A second look: go down a grid of c until one succeeds, then go on with `line_search`.

    With more than two classes it can be that only a middle range of c succeeds: where c is smaller,
    the loss pushes third labels away instead.  Steps that double can jump over that range.

    Args:
        log_c: where the first line search began.
        line_search: as above.
    """
    highest, margins = GRID * math.floor(log_c / GRID) + ABOVE, []
    for i in range(round((ABOVE + REACH) / GRID)):
        margin, success = yield highest - GRID * i
        if success:
            yield from line_search(highest - GRID * i)
            return
        margins = [*margins[-4:], margin]
        # c is now too small to matter.  This saves half of the evaluations where no c succeeds.
        if GRID * i > ABOVE + 2 and max(margins) - min(margins) < STILL * abs(margin):
            return
