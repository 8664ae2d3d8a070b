"""The line search over c (section 4.1), for one image and one label: one c after the other.

Both functions are generators.  Each yields the log c to try next.  It is sent the margin of the
minimiser for that c, divided by |margin(x)|, and whether that minimiser has the label (success).
"""
import math

CLOSE = 3e-3            # a success with a smaller margin ends the search: 1e-3 takes a tenth more
                        # evaluations and comes 0.1 % nearer
AIM = CLOSE / 2         # the margin that the next c should give.  With 0 a success is 0.1 % nearer,
                        # but nets err on 85 % of these images in 8 bits, in place of 91 %
FAR = 1                 # ... but not if the next failure is farther away than this in log c: then
                        # the margin may not fall all the way
LOG_C_TOLERANCE = 5e-3  # the search also ends when c is known to 0.5 %
REACH = 25              # beyond this distance from the first log c another c makes no difference
GRID, ABOVE = 0.5, 5    # the step of `scan` in log c, and how far above the first c it begins
STILL = 1e-2            # `scan` ends where five margins in a row differ by a smaller share


def line_search(log_c):
    """Find the largest c whose minimiser has the label, to LOG_C_TOLERANCE.

    The margin mostly falls as c grows.  So the search multiplies the first c by 2, 4, 8, ... after
    a success, or divides it after a failure, until it has one success and one failure.  Then the
    next c is where the straight line through the two margins crosses AIM (regula falsi).  That
    takes five c where halving takes seven.  If one end stays twice, its margin is halved, so that
    the next c moves towards it (the Illinois form).  Without this a margin that jumps takes
    hundreds of c.

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
        if high - low < LOG_C_TOLERANCE:
            return
        log_c = low + (high - low) * above / (above + below)


def scan(log_c, line_search=line_search):
    """A second look: go down a grid of c until one succeeds, then continue with `line_search`.

    With more than two classes it may be that only a middle range of c succeeds.  With a smaller c
    the loss pushes third labels away instead.  Steps that double can jump over this range.

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
        # Now c is too small to matter.  This saves half of the evaluations where no c succeeds.
        if GRID * i > ABOVE + 2 and max(margins) - min(margins) < STILL * abs(margin):
            return
