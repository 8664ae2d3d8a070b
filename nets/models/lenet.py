"""LeNet: a convolutional net for MNIST.

Section 3 shows the units of one and says nothing of its architecture or training.  This one has
the sizes that are usual since LeCun et al. (1998), and rectified linear units.
"""
from nets.layers.basic import Dense, Flatten, ReLU
from nets.layers.conv import Conv, MaxPool
from nets.models.model import Model, Training
from nets.net import Net
from nets.training import costs, loop

QUICK = {"epochs": 2, "rate": 0.003}        # of Adam, without weight decay: test error 0.7 %
LONG = {"epochs": 6, "rate": 0.002}         # 0.6 %
BATCH = 100
LAYERS = 4                                  # with parameters: phi_3 is the last hidden one


def lenet(rng):
    """x (N, 1, 28, 28) -> logits (N, 10); phi_3, the 500 units of the last hidden layer.

    Pooling comes before the rectifier, on a fourth of the numbers: max(max(x), 0) is the same
    either way round.
    """
    return Net([
        Conv(1, 20, 5, rng), MaxPool(2, 2), ReLU(),         # (N, 20, 12, 12)
        Conv(20, 50, 5, rng), MaxPool(2, 2), ReLU(),        # (N, 50, 4, 4)
        Flatten(), Dense(800, 500, rng), ReLU(),            # (N, 500)
        Dense(500, 10, rng)])


def make_adam(epochs, rate):
    """Training by Adam."""
    def fit(net, lams, x, t, rng, reading, tick):
        cost = costs.classification(net, lams, reading)
        loop.fit_adam(net.params, cost, x, t, epochs, rate, rng, BATCH, lambda _: tick(1 / epochs))
    return Training("Adam", f"adam {epochs} x {rate}", fit, False)


MODELS = {"LeNet": Model("LeNet", lenet, (0.0,) * LAYERS, make_adam(**QUICK), make_adam(**LONG))}
