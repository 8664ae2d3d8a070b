"""Training kept after every epoch, so that an interrupted run goes on to the same weights."""
from pathlib import Path

import numpy as np

from experiments.shared import cache, cli
from nets import store
from nets.backend import to_device, to_host


def kept_at(kind, name, net, modules, *arrays):
    """The file of the run that begins with this net, on these arrays, by these modules' code.

    kind: the folder in runs/cache.  name: what the file is called besides.
    """
    code = b"".join(Path(module.__file__).read_bytes() for module in modules)
    name = f"{name} {cache.digest(net, *arrays, np.frombuffer(code, np.uint8))}"
    path = cache.CACHE / kind / f"{name}.npz"
    cli.writable(path.parent, "what is trained is kept there")
    return path


def keep(path, state, curve):
    """Write all that the next epoch needs: arrays, and the curve so far, a row an epoch."""
    store.save_arrays(path, curve=np.array(curve),
                      **{f"a{i}": to_host(a) for i, a in enumerate(state)})


def resumed(path, state):
    """The curve so far, [] at first; the arrays as they were then, in place.

    Raises ValueError if the file is not what `keep` writes of such arrays, or is not all finite.
    """
    if not path.exists():
        return []
    arrays = store.load_arrays(path)
    wanted = {f"a{i}": a.shape for i, a in enumerate(state)}
    found = {name: a.shape for name, a in arrays.items() if name != "curve"}
    if (found != wanted or np.ndim(arrays.get("curve")) != 2
            or not all(np.isfinite(a).all() for a in arrays.values())):
        raise ValueError(f"{path}: not the state of such a run, or not all of it finite; delete it "
                         "to start anew")
    for a, kept in zip(state, (arrays[name] for name in wanted), strict=True):
        a[...] = to_device(kept)
    print(f"Going on after epoch {len(arrays['curve'])}; delete {path} to start anew.", flush=True)
    return arrays["curve"].tolist()
