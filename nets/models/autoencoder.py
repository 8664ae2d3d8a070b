"""AE400-10: a softmax on the code of a sparse autoencoder (section 2).

The paper states 400 sigmoid units and lambda = 1e-6 for the softmax, and that the autoencoder was
trained until its filters looked very good and then frozen.  The rest is ours, chosen by looking
at the filters and at the errors of the softmax on top.
"""
import numpy as np

from nets.backend import to_device
from nets.layers.basic import Dense, Flatten, Sigmoid
from nets.losses import sigmoid_cross_entropy, sparsity
from nets.models.model import Model, Training
from nets.net import Net
from nets.training import costs, loop, optimisers

RHO, BETA = 0.07, 5.0                       # each unit active 7 % of the time; weight of this term
DECAY = 6e-3                                # lambda/2 sum w^2 of both layers: smooths the filters
EPOCHS, RATE, BATCH = 15, 0.015, 200        # of Adam; the rate matters most: with 0.002 noise stays
ITERATIONS, LAMBDA = 200, 1e-6              # of L-BFGS for the softmax, whose cost is convex


def ae(rng):
    """The classifier: phi_1 the code (N, 400), phi_2 the logits (N, 10)."""
    return Net([Flatten(), Dense(784, 400, rng), Sigmoid(), Dense(400, 10, rng)])


def reconstruction(encoder, decoder):
    """The cost of a sparse autoencoder: cross-entropy of the pixels + sparsity + weight decay.

    encoder: a net from x (N, ...) to a sigmoid code h (N, H).  decoder: one from h to the logits
    of the pixels (N, D).  Returns cost(x, t) -> value in nats an image, gradients in the order
    of the encoder's parameters, then the decoder's; t is not used.
    """
    whole = Net(encoder.layers + decoder.layers)

    def cost(x, t, rng=None):
        h, below = encoder.forward(x)
        z, above = decoder.forward(h)
        loss, dz = sigmoid_cross_entropy(z, x.reshape(len(x), -1))
        dz = dz / len(x)
        kl, dh = sparsity(h, RHO)
        dh = decoder.backward(dz, above) + BETA * dh    # the code is where two losses meet
        grads = encoder.gradients(dh, below) + decoder.gradients(dz, above)
        value, decays = costs.decay(whole, (DECAY, DECAY))
        return (float(loss.mean(dtype="float64")) + BETA * float(kl) + value,
                [g + d for g, d in zip(grads, decays, strict=True)])
    return cost


def fit(net, lams, x, t, rng, reading, tick):
    """Train the code without labels, freeze it, train the softmax on top; in place.

    net: from `ae`.  lams: of the softmax alone.  The rest as models.model.Training says.
    """
    encoder, softmax = net.below(1), net.above(1)
    decoder = Net([Dense(400, 784, rng)]).astype(x.dtype)
    loop.fit_adam(encoder.params + decoder.params, reconstruction(encoder, decoder), x, t, EPOCHS,
                  RATE, rng, BATCH, lambda _: tick(0.8 / EPOCHS))
    h = to_device(np.empty((len(x), 400), x.dtype))
    for i in range(0, len(x), BATCH):
        h[i:i + BATCH] = encoder.forward(x[i:i + BATCH])[0]
    cost = costs.classification(softmax, lams, reading)
    optimisers.fit_lbfgs(softmax.params, cost, h, t, ITERATIONS, lambda _: tick(0.2 / ITERATIONS))


TRAINING = Training("Adam (the code) and L-BFGS (its softmax)", f"adam {EPOCHS} x {RATE}", fit,
                    small_steps=True)
MODELS = {"AE400-10": Model("AE400-10", ae, (LAMBDA,), TRAINING, TRAINING)}
