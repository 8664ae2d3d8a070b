"""Images with Gaussian noise, clipped to [0, 1] or not, for Tables 2 and 4 and Figure 7."""
import numpy as np

from experiments.shared import samples
from nets.checks import check_images, check_number

CLIPPING = {"not clipped": False, "clipped": True}      # a row's name ends with one of these


def make_noise_rows(x, stddev, seed):
    """Yield each row's name and x (N, ...) with Gaussian noise, not clipped and clipped."""
    for how, clip in CLIPPING.items():
        yield f"Gaussian noise, stddev {stddev}, {how}", add_noise(x, stddev, clip, seed)


def drop_clipping(row):
    """A row's name as the paper has it, which does not say whether it clipped."""
    for how in CLIPPING:
        row = row.removesuffix(f", {how}")
    return row


def add_noise(x, stddev, clip, seed):
    """x (N, ...) with Gaussian noise of that standard deviation, clipped to [0, 1] or not."""
    check_images("add_noise", x)
    check_number("add_noise", "stddev", stddev, least=0)
    rng = samples.random_stream(seed, "noise")

    def of_part(part):
        noise = rng.normal(0, stddev, part.shape)
        return (np.clip(part + noise, 0, 1) if clip else part + noise).astype(np.float32)
    return samples.apply_in_chunks(of_part, x)
