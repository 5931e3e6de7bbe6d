"""The processes that train one model together; usually there is only one.

All of them hold the same weights and draw the same batch from the same seed; each takes its *part*
of it. Logits are gathered before the loss, so that every process computes the loss of the whole
batch; its backward pass reaches the weights through its own part only, so the gradients of the
processes have to be summed (the chain rule over the logits). DistributedDataParallel takes their
mean, so the loss is multiplied by P first; a penalty, itself a mean over a part of the batch, is
not.

Shapes: B the whole batch, P processes.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

PATIENCE = timedelta(minutes=30)
"""Longest time that processes wait for the one that writes a checkpoint to a slow store."""


@dataclass(frozen=True)
class Group:
    """This process among those that train together; all must call the methods in the same order."""

    rank: int = 0
    size: int = 1
    flags: Any = None
    """Process group for flags between CPUs, where tensors travel between GPUs; else None."""

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def counters(self) -> tuple[int, ...]:
        """What each process but the first adds to a seed, to draw random numbers of its own."""
        return () if self.leads else (self.rank,)

    def part(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch: (B, ...) to (B / P, ...)."""
        share = len(batch) // self.size
        return batch[self.rank * share : (self.rank + 1) * share]

    def gather(self, logits: Tensor) -> Tensor:
        """The logits of the whole batch, in its order; only this process's part has gradients."""
        if self.size == 1:
            return logits
        parts = [torch.empty_like(logits) for _ in range(self.size)]
        dist.all_gather(parts, logits.detach().contiguous())
        parts[self.rank] = logits
        return torch.cat(parts)

    def averaging(self, network: nn.Module) -> nn.Module:
        """The network, but a backward pass through it leaves gradients averaged over processes."""
        if self.size == 1:
            return network
        return DistributedDataParallel(network, broadcast_buffers=False)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a value over all processes."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process; also a barrier."""
        if self.size == 1:
            return flag
        said = torch.tensor(int(flag))
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.flags)
        return bool(said.item())

    def told(self, numbers: list[float]) -> list[float]:
        """The numbers of the process that leads; the others give as many of any value."""
        if self.size == 1:
            return numbers
        said = torch.tensor(numbers, dtype=torch.float64)
        dist.broadcast(said, 0, group=self.flags)
        return said.tolist()

    def networks(self, *networks: nn.Module) -> Iterator[nn.Module]:
        """The networks; on several GPUs, with batch norm over the whole batch."""
        for network in networks:
            if self.size > 1 and next(network.parameters()).is_cuda:
                convert = nn.SyncBatchNorm.convert_sync_batchnorm
                network = convert(network)  # type: ignore[no-untyped-call]
            yield network


ALONE = Group()


@contextmanager
def joined(device: torch.device) -> Iterator[Group]:
    """Join the processes that torchrun started together with this one.

    Tensors go by nccl between GPUs and by gloo between CPUs, and never leave the machine.
    """
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cuda = device.type == "cuda"
    dist.init_process_group("nccl" if cuda else "gloo", timeout=PATIENCE)
    flags = dist.new_group(backend="gloo", timeout=PATIENCE) if cuda else None
    yield Group(dist.get_rank(), dist.get_world_size(), flags)
    dist.destroy_process_group()  # after an error others may be gone: the process just ends
