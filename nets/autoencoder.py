"""AE400-10: a softmax on the code of a sparse autoencoder (section 2).  Placeholder values."""
from nets.layers import Dense, Flatten, Sigmoid
from nets.net import Net


def classifier(rng):
    return Net([Flatten(), Dense(784, 400, rng), Sigmoid(), Dense(400, 10, rng)])


def fit(net, x, t, method, rng, tick):
    from nets import train
    train.fit_adam(net.params, train.classification(net, (1e-6,1e-6)), x, t, 3, 0.002, rng, tick=lambda _: tick(1 / 3))
