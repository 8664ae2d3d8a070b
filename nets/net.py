"""Net: a list of layers, which runs forward and backward."""
import copy
import math

import numpy as np

from nets.backend import to_device, to_host, xp
from nets.checks import check_images, check_list, is_integer, show

# Images evaluated at a time: at most CHUNK, and at most PIXELS numbers.  For AlexNet PIXELS are 32
# photographs on a CPU and 129 on a GPU.
CHUNK, PIXELS = (500, 5_000_000) if xp is np else (10_000, 20_000_000)


def chunk_size(x, limit=CHUNK):
    """How many of the images x (N, ...) to evaluate at a time: `limit` at most.  Bounds the memory.
    """
    return max(1, min(limit, PIXELS // max(1, math.prod(x.shape[1:]))))


def evaluate_in_chunks(function, x, limit=CHUNK):
    """function(chunk) for chunks of images x (N, ...) on the device, joined on the host: (N, ...).
    """
    x = check_images("evaluate_in_chunks", x)
    n = chunk_size(x, limit)
    parts = [to_host(function(to_device(x[i:i + n]))) for i in range(0, len(x), n)]
    return np.concatenate(parts) if parts else np.empty(0, int)


class Net:
    """phi(x) = phi_K(... phi_1(x)): layers applied in order.  The last output is the logits.

    phi_k is the output of the k-th layer that has parameters, and of the layers without parameters
    that follow it.  phi_0 = x, phi_K = logits.  The softmax belongs to the loss.
    A net computes in the precision of its parameters, whatever it is given: see `astype`.
    """

    def __init__(self, layers):
        self.layers = check_list("Net", "layers", layers)
        for layer in self.layers:
            if isinstance(layer, type) or not hasattr(layer, "params"):
                raise ValueError(f"Net: {show(layer)} among its layers; expected objects with "
                                 "params, forward and backward, such as ReLU()")

    def forward(self, x, rng=None):
        """x (N, ...) -> logits (N, K) and the cache of each layer.

        rng: given in training only.  Raises ValueError if the shape of x does not fit.
        """
        x, caches = self._cast(x), []
        shape = x.shape
        for layer in self.layers:
            try:
                x, cache = layer.forward(x, rng)
            except (ValueError, IndexError) as error:
                raise ValueError(f"this net takes {self._takes()}, but x has shape {shape}: "
                                 f"{type(layer).__name__} gets an input of shape {x.shape} "
                                 f"({error})") from error
            caches.append(cache)
        return x, caches

    def backward(self, dy, caches):
        """d loss / d logits (N, K) -> d loss / d x (N, ...): the chain rule, last layer first."""
        dy = self._cast(dy)
        for layer, cache in zip(reversed(self.layers), reversed(caches), strict=True):
            dy = layer.backward(dy, cache)
        return dy

    def gradients(self, dy, caches):
        """d loss / d logits (N, K) -> d loss / d parameter, in the order of `params`."""
        dy, grads = self._cast(dy), []
        first = min((i for i, layer in enumerate(self.layers) if layer.params),
                    default=len(self.layers))
        for i in range(len(self.layers) - 1, first - 1, -1):
            grads = self.layers[i].gradients(dy, caches[i]) + grads
            if i > first:                   # d loss / d x of the first one is not needed
                dy = self.layers[i].backward(dy, caches[i])
        return grads

    @property
    def params(self):
        """All parameters, in the order of the layers."""
        return [p for layer in self.layers for p in layer.params]

    @property
    def decays(self):
        """For each parameter, whether weight decay applies to it: True for weights, not biases."""
        for layer in self.layers:
            if len(getattr(layer, "decays", ())) != len(layer.params):
                raise ValueError(f"{type(layer).__name__} needs `decays`, one bool for each of its "
                                 f"{len(layer.params)} parameters; see nets/README.md")
        return [decays for layer in self.layers for decays in layer.decays]

    def astype(self, dtype):
        """The same net with copies of its parameters in `dtype`."""
        layers = [copy.copy(layer) for layer in self.layers]
        for layer in layers:
            if layer.params:
                layer.params = [p.astype(dtype) for p in layer.params]
        net = copy.copy(self)
        net.layers = layers
        return net

    def predict(self, x):
        """f(x): the labels (N,) of images x (N, ...) of the host or the device, on the host.

        Raises ValueError if the logits of an image are NaN, as for images that D did not find.
        """
        def label(part):
            logits = self.forward(part)[0]
            return xp.where(xp.isnan(logits).any(1), -1, logits.argmax(1))

        with np.errstate(over="ignore", invalid="ignore"):      # NaN is an error
            labels = evaluate_in_chunks(label, check_images("this net", x))
        if (labels < 0).any():
            raise ValueError(f"this net: the logits of image {labels.argmin()} are NaN; are its "
                             "pixels NaN (D found no image), or the net's weights?")
        return labels

    def _takes(self):
        """The shape of x in words, from the first layer that has weights."""
        W = next((layer.params[0] for layer in self.layers if layer.params), None)
        if W is None:
            return "images (N, ...)"
        if W.ndim == 2:
            return f"images (N, ...) of {len(W)} numbers each"
        return f"images (N, C, H, W), the windows of its first layer {W.shape[1:]}"

    def _cast(self, z):
        z = check_images("this net", z)
        return z.astype(self.params[0].dtype, copy=False) if self.params else z

    def _cuts(self):
        """Where the list is cut into phi_1, ..., phi_K: K + 1 positions."""
        starts = [i for i, layer in enumerate(self.layers) if layer.params]
        return [0, *starts[1:], len(self.layers)]

    def _cut(self, k):
        cuts = self._cuts()
        if not is_integer(k, 0, len(cuts) - 1):
            raise ValueError(f"phi_{show(k)}: this net has phi_0 to phi_{len(cuts) - 1}")
        return cuts[int(k)]

    def below(self, k):
        """The net that computes phi_k from x.  It shares its parameters with this one."""
        return Net(self.layers[:self._cut(k)])

    def above(self, k):
        """The net that computes the logits from phi_k.  It shares its parameters."""
        return Net(self.layers[self._cut(k):])

    def activations(self, x):
        """[phi_0, ..., phi_K] of images x (N, ...)."""
        phi = [x]
        cuts = self._cuts()
        for begin, end in zip(cuts[:-1], cuts[1:], strict=True):
            phi.append(Net(self.layers[begin:end]).forward(phi[-1])[0])
        return phi
