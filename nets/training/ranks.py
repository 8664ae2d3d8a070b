"""Training over the ranks of MPI: each computes its share of every batch, all make the same step.

    mpiexec -n 4 python -m mpi4py -m experiments.train_alexnet --batch 512

With `-m mpi4py` a rank that fails ends all of them; without, they would wait for it for ever.
Without MPI the same program has one rank.
"""
import importlib
import os
import socket
import sys
from itertools import pairwise

import numpy as np

from nets.backend import to_device, to_host, xp
from nets.training.loop import divide_over_threads


class OneRank:
    """The communicator of a program with one rank: the part of MPI's that is used here."""

    rank, size = 0, 1

    def bcast(self, value):
        return value


def world():
    """The communicator of all ranks of this program: mpi4py's, or OneRank.

    Raises RuntimeError if mpiexec started the program without `-m mpi4py`: then no rank would know
    of the others.
    """
    if "mpi4py" in sys.modules:             # as `-m mpi4py` leaves it
        from mpi4py import MPI
        return MPI.COMM_WORLD
    if max(int(os.environ.get(name, 1)) for name in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE")) > 1:
        raise RuntimeError("started by mpiexec, but not as mpiexec -n N python -m mpi4py -m "
                           "experiments...: each rank would train alone")
    return OneRank()


def divide_over_ranks(cost, shard, comm):
    """The same cost, with each batch divided into shards, and the shards over the ranks.

    The cost is a mean over images, so the ranks' values and gradients are averaged, weighted by
    their numbers of images: one sum of one flat buffer, see `make_allreduce`, in the type of the
    gradients.  On each rank `divide_over_threads` runs the shards, each with its own rng.  So the
    number of ranks changes only roundings.

    Args:
        cost: a mean over images.
        shard: images in a shard.  The shares of the ranks differ by one shard at most.
        comm: from `world`.

    Raises:
        ValueError: in the call of the cost, if there are more ranks than shards.
    """
    cost = divide_over_threads(cost, shard)
    if comm.size == 1:
        return cost
    sum_over_ranks = make_allreduce(comm)

    def cost_over_ranks(x, t, rng):
        shards = -(-len(x) // shard)
        if shards < comm.size:
            raise ValueError(f"{comm.size} ranks, but a batch of {len(x)} images has {shards} "
                             f"shards of {shard}; take fewer ranks, or larger batches")
        begin, end = (shards * (comm.rank + i) // comm.size for i in (0, 1))
        mine = slice(begin * shard, end * shard)
        rng.spawn(begin)                    # for the shards of lower ranks; below, of higher ranks
        value, grads = cost(x[mine], t[mine], rng)
        rng.spawn(shards - end)
        flat = xp.concatenate([xp.full(1, value, grads[0].dtype), *(g.ravel() for g in grads)])
        total = sum_over_ranks(len(x[mine]) / len(x) * flat)
        ends = np.cumsum([1, *(g.size for g in grads)]).tolist()
        return float(total[0]), [total[begin:end].reshape(g.shape)
                                 for (begin, end), g in zip(pairwise(ends), grads, strict=True)]
    return cost_over_ranks


def make_allreduce(comm):
    """A function that sums a flat array of the device over the ranks, and gives each rank the sum.

    It uses NCCL if that is installed and each rank has its own GPU; else MPI's Allreduce, on the
    host.
    """
    if can_use_nccl(comm):
        nccl = importlib.import_module("cupyx.distributed").NCCLBackend(comm.size, comm.rank,
                                                                        use_mpi=True)

        def sum_over_ranks(flat):
            total = xp.empty_like(flat)
            nccl.all_reduce(flat, total)
            return total
    else:
        def sum_over_ranks(flat):
            total = np.empty(flat.shape, flat.dtype)
            comm.Allreduce(to_host(flat), total)
            return to_device(total)
    return sum_over_ranks


def can_use_nccl(comm):
    """Whether each rank has CuPy, NCCL, and a GPU that no other rank has."""
    gpu = None
    if xp is not np and importlib.import_module("cupy.cuda.nccl").available:
        gpu = socket.gethostname(), xp.cuda.Device().pci_bus_id
    gpus = comm.allgather(gpu)
    return None not in gpus and len(set(gpus)) == comm.size


def broadcast_start(arrays, comm):
    """Copy rank 0's values into the arrays, of the same shapes, of all ranks, in place."""
    for a in arrays:
        a[...] = to_device(comm.bcast(to_host(a)))
