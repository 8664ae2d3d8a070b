"""Answer 6: a step up and a step down."""
from experiments.shared.exercises.e06_slope import STEP


def slope(f, a, place):
    before = a[place]
    a[place] = before + STEP
    above = f(a)
    a[place] = before - STEP
    below = f(a)
    a[place] = before
    return (above - below) / (2 * STEP)
