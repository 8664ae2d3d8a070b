"""When a printed number agrees with ours."""
import pytest

from experiments.shared import printed


def test_zeros_that_the_print_drops_are_decimals_too():
    # 1.95 is printed as 2 in a row of 3.9; 0.1 beside 0.062 has two decimals.
    assert printed.find_half_units((100, 3.9, 2, 0.1), 1) == pytest.approx([0.05] * 3 + [0.005])
    assert printed.find_half_units((96, 100, 22)) == pytest.approx([0.5] * 3)
    assert printed.find_half_units((0, 1.64, 0.058), 1) == pytest.approx([0.05, 0.005, 0.0005])
    assert printed.find_half_units((6.25, 100, 5.1)) == pytest.approx([0.005, 0.05, 0.05])
    assert printed.find_half_units((0.006508,), 1) == pytest.approx([5e-7])


def test_a_number_agrees_within_two_deviations_and_its_rounding():
    assert printed.agrees(7.4, 7.37, 0, 0.05) and not printed.agrees(7.4, 7.34, 0, 0.05)
    assert printed.agrees(7.4, 7.35, 0, 0.05)       # rounded to even or up: both are allowed
    assert printed.agrees(20, 10, 5, 0) and not printed.agrees(20.1, 10, 5, 0)
    assert printed.agrees(0, 10, 5, 0) and not printed.agrees(0, 10.1, 5, 0)


@pytest.mark.parametrize(("rate", "images", "deviation"), [
    (0, 256, 0), (100, 256, 0), (50, 256, 3.125), (10, 100, 3)])
def test_the_deviation_of_a_rate_is_binomial(rate, images, deviation):
    assert printed.find_rate_deviation(rate, images) == pytest.approx(deviation)
