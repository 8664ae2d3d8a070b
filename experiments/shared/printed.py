"""The numbers that the paper prints on MNIST, and whether a number of ours agrees with one.

The print has each number once, we have five seeds.  A printed number agrees with ours if
it lies within two standard deviations of our mean.  The deviation has two parts: of our seeds, and
of the print's sample (most of its rates are multiples of 1/256, so it had some 256 images).  Half
a unit of the last printed digit is added, because the print is rounded.
"""
import math

TABLE_1 = {  # train error %, test error %, av. min. distortion
    "FC10(1e-4)": (6.7, 7.4, 0.062),
    "FC10(1e-2)": (10, 9.4, 0.1),
    "FC10(1)": (21.2, 20, 0.14),
    "FC100-100-10": (0, 1.64, 0.058),
    "FC200-200-10": (0, 1.54, 0.065),
    "AE400-10": (0.57, 1.9, 0.086),
}

TABLE_2 = {  # error % of each net of Table 1, and the average distortion
    "FC10(1e-4)": (100, 11.7, 22.7, 2, 3.9, 2.7, 0.062),
    "FC10(1e-2)": (87.1, 100, 35.2, 35.9, 27.3, 9.8, 0.1),
    "FC10(1)": (71.9, 76.2, 100, 48.1, 47, 34.4, 0.14),
    "FC100-100-10": (28.9, 13.7, 21.1, 100, 6.6, 2, 0.058),
    "FC200-200-10": (38.2, 14, 23.8, 20.3, 100, 2.7, 0.065),
    "AE400-10": (23.4, 16, 24.8, 9.4, 6.6, 100, 0.086),
    "Gaussian noise, stddev 0.1": (5.0, 10.1, 18.3, 0, 0, 0.8, 0.1),
    "Gaussian noise, stddev 0.3": (15.6, 11.3, 22.7, 5, 4.3, 3.1, 0.3),
}

TABLE_3 = {  # error on P1 %, on P2 %, on test %, av. min. distortion
    "FC100-100-10": (0, 2.4, 2, 0.062),
    "FC123-456-10": (0, 2.5, 2.1, 0.059),
    "FC100-100-10'": (2.3, 0, 2.1, 0.058),
}

TABLE_4 = {  # error % of each net of Table 3, and the average distortion
    "FC100-100-10": (100, 26.2, 5.9, 0.062),
    "FC123-456-10": (6.25, 100, 5.1, 0.059),
    "FC100-100-10'": (8.2, 8.2, 100, 0.058),
    "Gaussian noise, stddev 0.06": (2.2, 2.6, 2.4, 0.06),
    "FC100-100-10, amplified to 0.1": (100, 98, 43, 0.1),
    "FC123-456-10, amplified to 0.1": (96, 100, 22, 0.1),
    "FC100-100-10', amplified to 0.1": (27, 50, 100, 0.1),
    "Gaussian noise, stddev 0.1": (2.6, 2.8, 2.7, 0.1),
}

FIGURE_7 = {"a": {"stddev": 0.06, "accuracy %": 0}, "b": {"stddev": 0.063, "accuracy %": 0},
            "c": {"stddev": 1.0, "accuracy %": 51}}

SAMPLE = 256                                # images of a row, in the print
DEVIATIONS = 2


def count_decimals(number):
    """How many decimals a printed number has: 2 of 6.25, 0 of 43."""
    return len(f"{number:.12g}".partition(".")[2])


def find_half_units(row, distortions=0):
    """Half a unit of the last digit of each printed number of a row.

    The print drops zeros at the end: 1.95 is 2 in a row of 3.9 and 2.7.  So a rate has at least one
    decimal if another rate of its row has, and a distortion at least two.

    Args:
        row: printed rates in %, then distortions.
        distortions: how many of the last numbers are distortions.
    """
    rates = row[:len(row) - distortions]
    least = min(1, max(map(count_decimals, rates), default=0))
    decimals = [max(least, count_decimals(rate)) for rate in rates]
    decimals += [max(2, count_decimals(size)) for size in row[len(rates):]]
    return [0.5 * 10 ** -n for n in decimals]


def find_rate_deviation(rate, images=SAMPLE):
    """The standard deviation of a rate in % that is measured on so many images: binomial."""
    return math.sqrt(rate * (100 - rate) / images)


def agrees(printed, ours, deviation, half_unit):
    """Whether a printed number agrees with ours.

    Args:
        printed: the number in the paper.
        ours: our mean.
        deviation: the standard deviation of the printed number, if the paper's nets are like ours.
        half_unit: of the printed number's last digit.
    """
    return abs(printed - ours) <= DEVIATIONS * deviation + half_unit * (1 + 1e-9)
