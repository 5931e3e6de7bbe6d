"""The processes that train one model together; alone is the usual case.

All of them hold the same weights and draw the same batch by the same chance; each takes its *part*
of it. Logits are gathered before the loss, so that every process computes the loss of the whole
batch; its backward pass reaches the weights through its own part only, and the gradients of all
parts are summed: the chain rule over the logits. A mean over the batch that is taken a part at a
time (a penalty) is divided by the number of processes first.

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

PATIENCE = timedelta(minutes=30)
"""How long processes wait for one that writes a checkpoint to a slow store."""


@dataclass(frozen=True)
class Group:
    """This process among those that train together. All must call all methods in one order."""

    rank: int = 0
    size: int = 1
    flags: Any = None
    """Carries words between the CPUs, where tensors go between GPUs."""

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    @property
    def counters(self) -> tuple[int, ...]:
        """What the others add to a seed so as to draw by a chance of their own."""
        return () if self.leads else (self.rank,)

    def part(self, batch: Tensor) -> Tensor:
        """This process's rows of a batch: (B, ...) to (B / P, ...)."""
        share = len(batch) // self.size
        return batch[self.rank * share : (self.rank + 1) * share]

    def gather(self, logits: Tensor) -> Tensor:
        """The logits of all parts, in order of the batch; only one's own lead back to weights."""
        if self.size == 1:
            return logits
        parts = [torch.empty_like(logits) for _ in range(self.size)]
        dist.all_gather(parts, logits.detach().contiguous())
        parts[self.rank] = logits
        return torch.cat(parts)

    def sum_gradients(self, network: nn.Module) -> None:
        """Replace each gradient by its sum over all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, summed in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a value over all processes."""
        if self.size == 1:
            return value
        total = value.clone()
        dist.all_reduce(total)
        return total

    def any(self, flag: bool) -> bool:
        """Whether any process says yes; also a point where all meet."""
        if self.size == 1:
            return flag
        said = torch.tensor(int(flag))
        dist.all_reduce(said, dist.ReduceOp.MAX, group=self.flags)
        return bool(said.item())

    def networks(self, *networks: nn.Module) -> Iterator[nn.Module]:
        """Networks whose batch statistics are those of the whole batch, where GPUs train them."""
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
