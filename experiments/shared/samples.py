"""The images that experiments load and attack."""
import numpy as np

import data as datasets
from experiments.shared import page
from nets.checks import check_labels


def random_stream(seed, purpose, *numbers):
    """A stream of random numbers of its own for each seed and purpose, such as "noise".

    numbers: for one stream of many, an epoch's, say.
    """
    return np.random.default_rng([seed, int.from_bytes(purpose.encode(), "big"), *numbers])


def load(name, quiet):
    """data.load(name), announced: (name, (x, t), (x_test, t_test)).  Arrays as in data.load."""
    name, train, test = datasets.load(name, quiet)
    print(f"Data: {page.describe_data(name)}; {len(train[0]):,} training and {len(test[0]):,} test "
          "images.", flush=True)
    return name, train, test


def apply_in_chunks(function, *arrays, size=4096):
    """function(*arrays), for one that treats each row by itself: so many rows at a time.

    Bounds the memory of what it makes on the way.  arrays: (N, ...) each.  Returns (N, ...).
    """
    return np.concatenate([function(*(a[i:i + size] for a in arrays))
                           for i in range(0, max(len(arrays[0]), 1), size)])


def sample_images(t, count, seed):
    """Which images are attacked, and what label each is to get: the same for every net.

    t: (N,) true labels.  Returns indices (count,) drawn without repetition, the first ones of
    the same order for every count, and targets (count,) uniform over the nine wrong labels.
    """
    check_labels("sample_images", t, len(t), K=10)
    if count not in range(1, len(t) + 1):
        raise ValueError(f"--count {count}: there are {len(t):,} images to attack; choose 1 to "
                         f"{len(t)}")
    rng = random_stream(seed, "attacked images")
    order = rng.permutation(len(t))
    targets = (t + rng.integers(1, 10, len(t))) % 10
    return order[:count], targets[order[:count]]
