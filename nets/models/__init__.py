"""The paper's networks.  Those for MNIST, by name: how each is built and trained."""
from nets.models import autoencoder, fc, lenet

MODELS = {**fc.MODELS, **autoencoder.MODELS, **lenet.MODELS}
