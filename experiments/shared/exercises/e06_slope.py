"""6. Your own gradient check.

`slope` measures d f / d a[place] by moving one number.  This one has two faults: it is a thousand
times less exact than it could be, and it leaves the array changed.

Hint: a step to one side has an error that grows with the step, (f(a + h) - f(a)) / h.  In the
difference of a step up and a step down, that error cancels.  Keep the number, and put it back.
"""
import numpy as np

STEP = 1e-6


def slope(f, a, place):
    """d f(a) / d a[place], where f takes the array; `a` is afterwards what it was before."""
    before = f(a)
    a[place] += STEP
    return (f(a) - before) / STEP


def check():
    """The slope of a sum of exponentials is exact to 1e-8, and the array is as it was."""
    a = np.random.default_rng(0).normal(size=(2, 3))
    given = a.copy()
    for place in np.ndindex(a.shape):
        error = abs(slope(lambda a: np.exp(a).sum(), a, place) / np.exp(given[place]) - 1)
        assert error < 3e-8, f"the slope at {place} is off by {error:.1g} of itself"
        assert (a == given).all(), f"the array is changed at {place}"
