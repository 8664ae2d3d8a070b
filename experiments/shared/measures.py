"""Pick the images farthest along directions, measure how alike they are, compare two kinds.

Section 3 of the paper judges such sets of images by eye.  Here are numbers instead.
"""
from typing import NamedTuple

import numpy as np
from scipy.special import entr
from scipy.stats import permutation_test

from experiments.shared.samples import random_stream
from intriguing import natural_direction, random_direction, top_images
from nets.checks import check_integers, check_real

RANDOM_KINDS = {"random": "gaussian", "non-negative": "non-negative"}  # intriguing.DISTRIBUTIONS
RESAMPLES, BATCH = 9_999, 1_000             # of the permutation test; a batch takes a few MB
TINY = 1e-12                                # what is smaller is 0, apart from rounding


# ---- Sets of images --------------------------------------------------------------------------


class Group(NamedTuple):
    """M sets of n images, one for each direction of a kind."""
    names: list                             # of the directions, for captions
    images: np.ndarray                      # (M, n) indices, the largest score first
    left_out: int                           # units that have one value on all images
    ties: int                               # sets whose last image scores the same as the next


def pick_images(a, M, n, seed):
    """Pick the top n images of M directions of each kind.

    Args:
        a: activations (N, H).
        M: directions of a kind.  Natural ones are fewer if fewer units are live.
        n: images of a direction.
        seed: decides which units, which random directions, and between ties.

    Returns:
        {kind: Group}.  natural: units among the live ones, which are not constant on all images.
        The other kinds are the keys of RANDOM_KINDS.

    Raises:
        ValueError: no unit is live, or there are no more than n images.
    """
    check_real("pick_images", "activations", a, ndim=2)
    check_integers("pick_images", 1, M=M, n=n)
    H = a.shape[1]
    live = np.flatnonzero(a.max(0) > a.min(0))
    if len(live) == 0 or len(a) <= n:
        raise ValueError(f"no unit of the layer varies over these {len(a)} images, or there are "
                         f"no more than {n} of them: nothing to pick")
    units = random_stream(seed, "units").permutation(live)[:M]
    natural = {f"unit {i}": natural_direction(H, i) for i in units}
    groups = {"natural": build_group(a, natural, n, seed, H - len(live))}
    for kind, distribution in RANDOM_KINDS.items():
        vs = {f"random_direction({H}, [{seed}, 47, {i}])":
              random_direction(H, [seed, 47, i], distribution) for i in range(M)}
        groups[kind] = build_group(a, vs, n, seed)
    return groups


def build_group(a, directions, n, seed, left_out=0):
    """The Group of directions {name: (H,)} for activations a (N, H)."""
    scores = a @ np.stack([*directions.values()], 1).astype(a.dtype)    # (N, M), in one product
    images = [top_images(scores[:, [i]], np.ones(1), n, [seed, 48, i])
              for i in range(len(directions))]
    last, next_one = np.sort(scores, 0)[[-n, -n - 1]]
    return Group([*directions], np.stack(images), left_out, int((last == next_one).sum()))


def pick_at_random(N, M, n, seed):
    """The Group of M sets of n different images out of N, drawn at random."""
    rng = random_stream(seed, "directions")
    images = [rng.choice(N, n, replace=False) for _ in range(M)]
    return Group([f"set {i}" for i in range(M)], np.stack(images), 0, 0)


# ---- How alike the images of a set are -------------------------------------------------------


def count_labels(labels):
    """How often each label occurs in each set: (M, n) integers from 0 on -> (M, K)."""
    if np.ndim(labels) != 2 or labels.dtype.kind not in "iu" or labels.min(initial=0) < 0:
        raise ValueError(f"labels of type {labels.dtype} and shape {labels.shape}; expected "
                         "integers (M, n) from 0 on")
    return (labels[:, :, None] == np.arange(labels.max() + 1)).sum(1)


def purity(labels):
    """The share of the most frequent label: (M, n) -> (M,), from 1/n to 1."""
    return count_labels(labels).max(1) / labels.shape[1]


def entropy(labels):
    """- sum of p log2 p over the labels' shares p, in bits: (M, n) -> (M,), 0 for one label."""
    return entr(count_labels(labels) / labels.shape[1]).sum(1) / np.log(2)


def correlation(x):
    """The mean of Pearson's correlation over all pairs of a set's images: (M, n, ...) -> (M,).

    With z an image less its mean, scaled to length 1: |sum of z|^2 = n + 2 sum over pairs <z, z'>.
    An image of one grey has no correlation and is left out.  NaN where fewer than two remain.
    """
    check_real("correlation", "x", x)
    z = x.reshape(*x.shape[:2], -1).astype(float)
    z -= z.mean(2, keepdims=True)
    length = np.linalg.norm(z, axis=2, keepdims=True)               # (M, n, 1)
    varied = length > TINY
    z = np.divide(z, length, out=np.zeros_like(z), where=varied)
    n = varied.sum((1, 2))                                          # (M,)
    twice = (z.sum(1) ** 2).sum(1) - n
    return np.divide(twice, n * (n - 1), out=np.full(len(x), np.nan), where=n > 1)


def measure(x, t):
    """{measure: (M,)} of sets of images x (M, n, ...) with labels t (M, n)."""
    return {"purity": purity(t), "entropy": entropy(t), "correlation": correlation(x)}


# ---- Whether two kinds differ ----------------------------------------------------------------


def cohens_d(a, b):
    """(mean of a - mean of b) / s, with s^2 = ((m - 1) var a + (n - 1) var b) / (m + n - 2).

    a: (m,), b: (n,), m and n at least 2.  NaN where s is 0.
    """
    m, n = len(a), len(b)
    s = np.sqrt(((m - 1) * a.var(ddof=1) + (n - 1) * b.var(ddof=1)) / (m + n - 2))
    return float((a.mean() - b.mean()) / s) if s > TINY else np.nan


def superiority(a, b):
    """The share of all pairs in which a (m,) is above b (n,); equal ones count half."""
    return float((1 + np.sign(a[:, None] - b)).mean() / 2)


def p_value(a, b, seed):
    """Two-sided p of the difference of means of a (m,) and b (n,), by a permutation test."""
    return float(permutation_test(
        (a, b), lambda a, b, axis: a.mean(axis) - b.mean(axis), vectorized=True,
        n_resamples=RESAMPLES, batch=BATCH, rng=random_stream(seed, "permutation test")).pvalue)


def compare(a, b, seed):
    """{"d", "superiority", "p"} of a (m,) against b (n,), NaN left out.

    All are None where a or b has fewer than two values; d is None where nothing varies.
    """
    a, b = (check_real("compare", "its values", z, ndim=1) for z in (a, b))
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if min(len(a), len(b)) < 2:
        return dict.fromkeys(("d", "superiority", "p"))
    d = cohens_d(a, b)
    return {"d": None if np.isnan(d) else d, "superiority": superiority(a, b),
            "p": p_value(a, b, seed)}
