"""Images with Gaussian noise, clipped to [0, 1] and not: of Tables 2 and 4 and Figure 7."""
import numpy as np

from experiments.shared import samples

CLIPPED = {"not clipped": False, "clipped": True}       # to [0, 1]; ends the names of such rows


def noises(x, stddev, seed):
    """Yield each row's name and x (N, ...) with Gaussian noise, not clipped and clipped."""
    for how, clip in CLIPPED.items():
        yield f"Gaussian noise, stddev {stddev}, {how}", noisy(x, stddev, clip, seed)


def noisy(x, stddev, clip, seed):
    """x (N, ...) with Gaussian noise of that standard deviation, clipped to [0, 1] or not."""
    rng = samples.stream(seed, "noise")

    def of_part(part):
        noise = rng.normal(0, stddev, part.shape)
        return (np.clip(part + noise, 0, 1) if clip else part + noise).astype(np.float32)
    return samples.apply_in_chunks(of_part, x)
