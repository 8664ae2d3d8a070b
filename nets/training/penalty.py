"""The penalty that section 4.3 of the paper suggests, on the upper Lipschitz bound of each layer.

L = prod_k ||W_k||, up to a constant, bounds how far the logits move.  The penalty is
mu log L = mu sum_k log ||W_k||.  So it pulls each norm by the same share of itself.
"""
from nets.backend import to_device, xp
from nets.checks import check_number, check_rng
from nets.norms import drop_bias, input_shapes


def normalise(z):
    """z / |z| and |z|, for z of any shape."""
    length = xp.sqrt((z * z).sum())
    return z / length, length


def linear_layers(net, input_shape):
    """[(layer without its bias, shape (...) of its input)] of the layers with parameters.

    The weights are the net's own arrays, so they change as training goes on.
    """
    return [(drop_bias(layer), shape)
            for layer, shape in input_shapes(net, input_shape) if layer.params]


def power_step(layer, v):
    """One step of power iteration for ||W||: u = W v / |W v|, then v = W^T u / |W^T u|.

    For constant u and v, ||W|| = <u, W v>, and its gradient is u v^T.  For a convolution it is the
    sum of this over all places, and `gradients` computes it.

    Args:
        layer: linear, so without its bias, and with one array of weights.
        v: (1, ...), of length 1.

    Returns:
        |W^T u|, which rises to the norm from step to step, its gradient in W, and the next v.
    """
    y, cache = layer.forward(v)
    u, _ = normalise(y)
    v, length = normalise(layer.backward(u, cache))
    _, cache = layer.forward(v)
    return length, layer.gradients(u, cache)[layer.decays.index(True)], v


def add_penalty(cost, net, mu, input_shape, rng, steps=1):
    """The cost plus mu sum_k log ||W_k||, and its gradient.

    Args:
        cost: from costs.classification.
        net: whose weights get the penalty.
        mu: the weight of the penalty, in nats.
        input_shape: of an image, such as (1, 28, 28).
        rng: draws the first v of each layer.  Each call goes on from the v of the last one, since
            the weights change little in between.
        steps: of power iteration in each call.

    Returns:
        cost(x, t, rng) with the penalty.
    """
    check_number("add_penalty", "mu", mu, least=0)
    check_rng("add_penalty", rng)
    weights = [i for i, is_weight in enumerate(net.decays) if is_weight]
    layers = linear_layers(net, input_shape)
    if any(sum(layer.decays) != 1 for layer, _ in layers):
        raise ValueError("add_penalty: a layer that has more or less than one array of weights; "
                         "the norm of a layer is that of one matrix")
    vs = [normalise(to_device(rng.normal(size=(1, *shape))).astype(layer.params[0].dtype))[0]
          for layer, shape in layers]

    def penalised_cost(x, t, cost_rng=None):
        value, grads = cost(x, t, cost_rng)
        for k, (layer, _) in enumerate(layers):
            for _ in range(steps):
                length, slope, vs[k] = power_step(layer, vs[k])
            value += mu * float(xp.log(length))
            grads[weights[k]] = grads[weights[k]] + (mu / length) * slope
        return value, grads
    return penalised_cost
