"""Answer 4: the largest logit is taken off first."""
import numpy as np


def cross_entropy(logits, target):
    n = np.arange(len(logits))
    z = logits - logits.max(1, keepdims=True)
    sum_exp = np.exp(z).sum(1, keepdims=True)
    dlogits = np.exp(z) / sum_exp
    dlogits[n, target] -= 1
    return np.log(sum_exp[:, 0]) - z[n, target], dlogits
