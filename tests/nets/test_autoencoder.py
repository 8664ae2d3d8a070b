"""AE400-10: the sparse autoencoder's cost as a whole, and that its code is frozen."""
import numpy as np

from nets.backend import to_device, to_host
from nets.gradcheck import BOUND, numeric_gradient, relative_error
from nets.layers.basic import Dense, Flatten, Sigmoid
from nets.models import autoencoder
from nets.net import Net
from nets.training import loop


def test_the_gradient_of_the_whole_cost_is_its_slope():
    rng = np.random.default_rng(0)
    encoder, decoder = Net([Flatten(), Dense(6, 3, rng), Sigmoid()]), Net([Dense(3, 6, rng)])
    cost = autoencoder.reconstruction(encoder, decoder)
    x = to_device(rng.uniform(size=(5, 1, 2, 3)))
    _, grads = cost(x, None)
    params = encoder.params + decoder.params
    assert len(grads) == len(params) == 4
    for p, grad in zip(params, grads, strict=True):
        assert relative_error(grad, numeric_gradient(lambda: cost(x, None)[0], p)) < BOUND


def test_the_code_is_learned_without_labels_and_the_softmax_leaves_it_as_it_is(monkeypatch):
    monkeypatch.setattr(autoencoder, "EPOCHS", 1)
    rng = np.random.default_rng(0)
    t = np.arange(50) % 10
    x = rng.uniform(0, 0.9, (10, 1, 28, 28))[t] + rng.uniform(0, 0.1, (50, 1, 28, 28))
    x = x.astype(np.float32)
    nets = [autoencoder.ae(np.random.default_rng(1)).astype("float32") for _ in range(2)]
    start = to_host(nets[0].params[0]).copy()
    for net, labels in zip(nets, (t, (3 * t + 1) % 10), strict=True):
        autoencoder.fit(net, (1e-6,), to_device(x), to_device(labels), np.random.default_rng(2),
                        "half", lambda share: None)
    codes = [to_host(net.params[0]) for net in nets]
    assert (codes[0] == codes[1]).all() and (codes[0] != start).any()
    assert (to_host(nets[0].params[2]) != to_host(nets[1].params[2])).any()
    assert loop.error(nets[0], x, t) == 0              # ten classes that a softmax separates
