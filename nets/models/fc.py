"""FC: the paper's fully connected nets for MNIST (section 2)."""
from nets.layers.basic import Dense, Flatten, Sigmoid
from nets.net import Net

# The paper's names: the sizes of the layers, and lambda of each layer's weight decay.
NETS = {
    "FC10(1e-4)": ((784, 10), (1e-4,)),
    "FC10(1e-2)": ((784, 10), (1e-2,)),
    "FC10(1)": ((784, 10), (1.0,)),
    "FC100-100-10": ((784, 100, 100, 10), (1e-5, 1e-5, 1e-6)),
    "FC200-200-10": ((784, 200, 200, 10), (1e-5, 1e-5, 1e-6)),
    "FC123-456-10": ((784, 123, 456, 10), (1e-5, 1e-5, 1e-6)),     # Table 3; lambdas not stated
}


def fc(sizes, rng):
    """Sigmoid hidden layers between pixels and logits: sizes = (784, 100, 100, 10), say.

    FC10 is sizes = (784, 10): no hidden layer, a softmax regression.
    """
    layers = [Flatten()]
    for D, H in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [Dense(D, H, rng), Sigmoid()]
    return Net(layers[:-1])                 # the logits are linear
