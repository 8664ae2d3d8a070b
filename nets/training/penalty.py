"""The penalty that section 4.3 of the paper suggests: on each layer's upper Lipschitz bound.

Their product bounds how far the logits can move, L = prod_k ||W_k|| but for constants, so what is
added to the cost is mu log L = mu sum_k log ||W_k||: the same share of every layer's norm.
"""
from nets.backend import to_device, xp
from nets.norms import linear, shapes


def unit(z):
    """z (...) divided by its length, and the length."""
    length = xp.sqrt((z * z).sum())
    return z / length, length


def linear_layers(net, input_shape):
    """[(layer without its bias, shape (...) of its input)] of the layers with parameters.

    The weights are the net's own arrays, so what training does to them is seen.
    """
    return [(linear(layer), shape) for layer, shape in shapes(net, input_shape) if layer.params]


def norm(layer, v):
    """One step of power iteration for ||W||: u = W v / |W v|, then v = W^T u / |W^T u|.

    layer: without bias.  v: (1, ...), of length 1.  Returns |W^T u|, which rises to the norm, d
    of it / dW and the next v.  With u and v held, ||W|| = <u, W v>: its gradient is u v^T, and of
    a convolution the same summed over all places, which is what `gradients` computes.
    """
    y, _ = layer.forward(v)
    u, _ = unit(y)
    v, length = unit(layer.backward(u, v))
    return length, layer.gradients(u, v)[0], v


def penalised(cost, net, mu, input_shape, rng, steps=1):
    """cost + mu sum_k log ||W_k||, and its gradient.

    cost: as costs.classification returns it.  rng draws the first v of each layer; they are kept
    from one call to the next, as the weights change little in between, and `steps` of power
    iteration are made each time.
    """
    layers = linear_layers(net, input_shape)
    weights = [i for i, is_weight in enumerate(net.decays) if is_weight]    # one a layer
    vs = [unit(to_device(rng.normal(size=(1, *shape))).astype(layer.params[0].dtype))[0]
          for layer, shape in layers]

    def whole(x, t, cost_rng=None):
        value, grads = cost(x, t, cost_rng)
        for k, (layer, _) in enumerate(layers):
            for _ in range(steps):
                length, slope, vs[k] = norm(layer, vs[k])
            value += mu * float(xp.log(length))
            grads[weights[k]] = grads[weights[k]] + (mu / length) * slope
        return value, grads
    return whole
