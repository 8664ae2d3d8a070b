"""Training over the ranks of MPI: each takes its share of every batch, all take the same step.

    mpiexec -n 4 python -m mpi4py -m experiments.train_alexnet --batch 512

(With `-m mpi4py`, a rank that fails ends all of them, in place of being waited for.)  Without MPI
the same program has one rank.
"""
import importlib
import os
import socket
import sys
from itertools import pairwise

import numpy as np

from nets.backend import to_device, to_host, xp
from nets.training.loop import in_threads


class Alone:
    """What is asked of MPI's communicator, for a program of one rank."""

    rank, size = 0, 1

    def bcast(self, value):
        return value


def world():
    """All ranks of this program: mpi4py's communicator, or Alone.

    Raises RuntimeError if it was started by mpiexec, but not as above: none would know of others.
    """
    if "mpi4py" in sys.modules:             # as `-m mpi4py` leaves it
        from mpi4py import MPI
        return MPI.COMM_WORLD
    if max(int(os.environ.get(name, 1)) for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")) > 1:
        raise RuntimeError("started by mpiexec, but not as mpiexec -n N python -m mpi4py -m "
                           "experiments...: every rank would train for itself")
    return Alone()


def over_ranks(cost, shard, comm):
    """The same cost, each batch divided into shards of so many images, and these over the ranks.

    On each rank as `in_threads`, which gives each shard a rng of its own: so the number of ranks
    changes no more than roundings.  A mean over images, so the ranks' values and gradients are
    averaged by their shares: one sum of one flat buffer, see `summing`, in the gradients' type.
    The ranks' shares of a batch differ by one shard at most.  Raises ValueError if there are more
    ranks than shards.
    """
    cost = in_threads(cost, shard)
    if comm.size == 1:
        return cost
    summed = summing(comm)

    def of_ranks(x, t, rng):
        shards = -(-len(x) // shard)
        if shards < comm.size:
            raise ValueError(f"{comm.size} ranks, but a batch of {len(x)} images has {shards} "
                             f"shards of {shard}: take fewer ranks, or larger batches")
        begin, end = (shards * (comm.rank + i) // comm.size for i in (0, 1))
        mine = slice(begin * shard, end * shard)
        rng.spawn(begin)                    # those of the ranks before, and below, after this one
        value, grads = cost(x[mine], t[mine], rng)
        rng.spawn(shards - end)
        flat = xp.concatenate([xp.full(1, value, grads[0].dtype), *(g.ravel() for g in grads)])
        total = summed(len(x[mine]) / len(x) * flat)
        ends = np.cumsum([1, *(g.size for g in grads)]).tolist()
        return float(total[0]), [total[begin:end].reshape(g.shape)
                                 for (begin, end), g in zip(pairwise(ends), grads, strict=True)]
    return of_ranks


def summing(comm):
    """A function that gives the sum over the ranks of each one's flat array of the device.

    By NCCL if it is there and each rank has a GPU to itself, as it demands; else by MPI's
    Allreduce, on the host.
    """
    if with_nccl(comm):
        nccl = importlib.import_module("cupyx.distributed").NCCLBackend(comm.size, comm.rank,
                                                                        use_mpi=True)

        def summed(flat):
            total = xp.empty_like(flat)
            nccl.all_reduce(flat, total)
            return total
    else:
        def summed(flat):
            total = np.empty(flat.shape, flat.dtype)
            comm.Allreduce(to_host(flat), total)
            return to_device(total)
    return summed


def with_nccl(comm):
    """Whether every rank has CuPy, NCCL, and a GPU that no other rank has."""
    gpu = None
    if xp is not np and importlib.import_module("cupy.cuda.nccl").available:
        gpu = socket.gethostname(), xp.cuda.Device().pci_bus_id
    gpus = comm.allgather(gpu)
    return None not in gpus and len(set(gpus)) == comm.size


def same_start(arrays, comm):
    """Rank 0's values, in place, in every rank's arrays of the same shapes."""
    for a in arrays:
        a[...] = to_device(comm.bcast(to_host(a)))
