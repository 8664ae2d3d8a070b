"""Training kept after every epoch, so that an interrupted run goes on to the same weights."""
import time

import numpy as np
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from experiments.shared import cache, cli
from experiments.shared.fingerprint import fingerprint
from nets import store
from nets.backend import to_device, to_host
from nets.training import ranks


def checkpoint_path(folder, name, net, *parts, code):
    """The file of the run that begins with this net, in runs/cache/folder.

    name: the first words of the file's name.  parts, code: what the run depends on, see
    `fingerprint`.
    """
    mark = fingerprint(net, *parts, code=code, apart=cache.SEARCH)
    path = cache.CACHE / folder / f"{name} {mark}.npz"
    cli.check_writable(path.parent, "what is trained is kept there")
    return path


def train_epochs(path, state, epochs, images, train_epoch, quiet, comm=None):
    """Train from the last whole epoch on.

    Args:
        path: of the checkpoint.
        state: all that an epoch needs and changes in place, a list of arrays of the device.
        epochs: how many in all.
        images: how many an epoch takes, for the progress bar.
        train_epoch: train_epoch(epoch, tick) trains one and returns a row of numbers and a line to
            print.  It calls tick with numbers of images.
        quiet: no progress bar.
        comm: of all ranks that train together; None: of one.

    Returns:
        The rows, each with the seconds so far at its end.
    """
    comm = comm or ranks.OneRank()
    rows = comm.bcast(resume(path, state, epochs))
    ranks.broadcast_start(state, comm)
    with (tqdm(total=epochs * images, initial=len(rows) * images, desc="training",
               disable=quiet or None, leave=False) as bar, threadpool_limits(1, "blas"),
          np.errstate(over="ignore", invalid="ignore")):        # the cost raises an error
        for epoch in range(len(rows), epochs):
            begun = time.time()
            row, line = train_epoch(epoch, bar.update)
            seconds = time.time() - begun + (rows[-1][-1] if rows else 0)
            rows.append([*row, seconds])
            if comm.rank == 0:
                save(path, state, rows)
            with tqdm.external_write_mode():    # not through the bar, and at once even to a file
                print(f"epoch {epoch + 1:2}: {line}, {seconds:.0f} s", flush=True)
    return rows


def watch_cost(cost, name, other, tick):
    """The same cost of a batch, which counts its images and ends the training if it is no number.

    Args:
        cost: cost(x, t, rng) returns a value and gradients.
        name: of the value, for the error.
        other: what to try besides another --seed.
        tick: called with the number of images of each batch.

    Raises:
        RuntimeError: in the call of the cost, if the value is infinite or NaN.
    """
    def watched_cost(x, t, rng):
        value, grads = cost(x, t, rng)
        if not np.isfinite(value):
            raise RuntimeError(f"the {name} became {value}: the steps were too long; try another "
                               f"--seed or {other}")
        tick(len(x))
        return value, grads
    return watched_cost


def save(path, state, rows):
    """Write all that the next epoch needs: arrays, and the rows so far, one an epoch."""
    store.save_sealed(path, curve=np.array(rows),
                      **{f"a{i}": to_host(a) for i, a in enumerate(state)})


def resume(path, state, epochs):
    """The rows so far, [] at first; the arrays as they were then, in place.

    Raises:
        ValueError: the file is not what `save` writes of such arrays and at most so many epochs.
    """
    if not path.exists():
        return []
    wanted = {f"a{i}": store.Expected(a.shape, (a.dtype.type,)) for i, a in enumerate(state)}
    arrays = store.load_sealed(path, {**wanted, "curve": store.Expected((None, None))})
    curve = arrays["curve"].tolist()
    if not 1 <= len(curve) <= epochs:
        raise ValueError(f"{path}: a curve of {len(curve)} epochs, expected 1 to {epochs}; delete "
                         "it and run again")
    for a, name in zip(state, wanted, strict=True):
        a[...] = to_device(arrays[name])
    print(f"Going on after epoch {len(curve)}; delete {path} to start anew.", flush=True)
    return curve
