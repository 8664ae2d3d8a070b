"""The last step of a search, beyond the paper: onto the boundary between two labels."""
import numpy as np

from nets.backend import to_device, to_host
from nets.losses import margin, square
from nets.search.scipy_lbfgsb import minimize

LINEARISATIONS = 2      # of the net, one after the other; 4 end 0.15 % nearer.  On LeNet they gain
                        # nothing: it is not linear enough between r and r'
INSIDE = 1e-4           # the smallest margin of r', as a share of |margin(x)|; 1e-3 ends 0.2 %
                        # farther


def step_onto_boundary(net, x, target, r, has_label, lower, upper, margin_at_x):
    """A shorter r with the label l, by solving the linearised problem exactly.

    The cross-entropy in the paper's objective pushes all third labels away too, so its r is a
    little long, even for a linear net (slip 4 in the README).  This step minimises |r'|^2 in the
    box under the constraint that the margin to each label j, m_j + G_j (r' - r) with
    G_j = d(logit_l - logit_j)/dx, is at least 0.  For a linear net r' is the shortest r with the
    label.  For another net it tries r' and the point half of the way, and linearises once more
    there.  It returns the shortest r with the label.  It may also give the label to an r without.

    Args:
        net: with forward and backward.
        x, r: (N, ...) float64.  target: (N,) integers.
        has_label: (N,) whether x + r has the label.
        lower, upper: (N, ...), the box of r.
        margin_at_x: |margin(x)| (N,).

    Returns:
        r (N, ...), and which have the label (N,).
    """
    start, r, succeeded = r, r.copy(), has_label.copy()
    inside = INSIDE * margin_at_x
    for _ in range(LINEARISATIONS):
        aim = _linearised(net, x, target, start, lower, upper, 2 * inside)
        for share in (1, 0.5):             # 1 alone ends 0.5 % farther
            step = start + share * (aim - start)
            logits, _ = net.forward(to_device(x + step))
            inside_label = to_host(margin(logits, to_device(target))[0]) > inside
            better = inside_label & (~succeeded | (square(step) < square(r)))
            r[better] = step[better]
            succeeded |= better
        start = step                        # with or without the label: this ends 0.2 % nearer
    return r, succeeded


def _linearised(net, x, target, r, lower, upper, inside):
    """The shortest r' (N, ...) in the box whose margins are at least `inside` (N,).

    The margins are those of the net linearised at x + r.  Given multipliers lam_j >= 0 the
    minimiser of the Lagrangian is r' = clip(sum_j lam_j G_j / 2).  So L-BFGS-B maximises the dual
    over the K multipliers.
    """
    n = np.arange(len(x))
    logits, caches = net.forward(to_device(x + r))
    K = logits.shape[1]
    rows = [to_host(net.backward(to_device(np.eye(K)[[k] * len(x)]), caches)).reshape(len(x), -1)
            for k in range(K)]
    J = np.stack(rows, 1).astype(float)                             # (N, K, D): d logit_k / dx
    G = J[n, target][:, None] - J                                   # (N, K, D)
    logits = to_host(logits).astype(float)
    m = logits[n, target][:, None] - logits                         # (N, K)
    flat_r, lower, upper = (np.broadcast_to(a, x.shape).reshape(len(x), -1)
                            for a in (r, lower, upper))
    offset = m - inside[:, None] - (G @ flat_r[:, :, None])[..., 0]     # m_j - G_j r, less `inside`
    scale = np.maximum(abs(G).max((1, 2)), 1e-300)[:, None]         # so that tolerances mean the
    G, offset = G / scale[:, None], offset / scale                  # same for logits of any size

    def primal(lam, i):
        return np.clip((lam[:, None] @ G[i])[:, 0] / 2, lower[i], upper[i])     # r' (n, D)

    def dual(lam, i):
        r = primal(lam, i)
        slack = offset[i] + (G[i] @ r[:, :, None])[..., 0]          # of the constraints, (n, K)
        return (lam * slack).sum(1) - square(r), slack

    lowest, highest = np.zeros_like(m), np.full_like(m, np.inf)
    highest[n, target] = 0                                          # l itself is no constraint
    lam = minimize(dual, lowest, lowest, highest, ftol=1e-12, gtol=1e-9, maxiter=100).z
    return primal(lam, n).reshape(x.shape)
