"""What is known of a net for MNIST, in one place: how it is built and how it is trained."""
from collections.abc import Callable
from typing import NamedTuple


class Training(NamedTuple):
    """One way to train a net."""
    optimiser: str      # as captions name it
    tag: str            # as file names have it
    fit: Callable       # fit(net, lams, x, t, rng, reading, tick): see below
    small_steps: bool   # whether its steps are so small that a GPU would be slower

    # fit trains the net in place.
    #   lams: the lambda of each layer's weight decay.  x (N, 1, 28, 28), t (N,), on the device.
    #   rng: draws the batches.  reading: of the weight decay, a key of costs.DECAYS.
    #   tick(share): called after each step with its share of the training.


class Model(NamedTuple):
    """A net by its name: what the tables need to know of it."""
    family: str         # what captions call it and its like
    build: Callable     # build(rng): the net before training
    lams: tuple         # lambda of each layer's weight decay
    adam: Training      # for --train adam
    lbfgs: Training     # for --train lbfgs
