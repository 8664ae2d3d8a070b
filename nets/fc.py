"""FC: the paper's fully connected nets for MNIST (section 2)."""
from nets.layers import Dense, Flatten, Sigmoid
from nets.net import Net


def fc(sizes, rng):
    """Sigmoid hidden layers between pixels and logits: sizes = (784, 100, 100, 10), say.

    FC10 is sizes = (784, 10): no hidden layer, a softmax regression.
    """
    layers = [Flatten()]
    for D, H in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [Dense(D, H, rng), Sigmoid()]
    return Net(layers[:-1])                 # the logits are linear
