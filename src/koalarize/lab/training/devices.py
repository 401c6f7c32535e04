"""Which devices a run uses, and how precise its numbers are there.

Not here: which process this one is (``processes``).
A recipe's batch is that of all devices together, so their number changes the speed and no result.
"""

from __future__ import annotations

import os
from typing import Literal, TypedDict

import torch

from koalarize.errors import OptionError
from koalarize.lab.runs.recipe import Recipe

__all__ = [
    "Precision",
    "TrainerDevices",
    "check_devices",
    "choose_precision",
    "trainer_devices",
    "usable_workers",
]

#: Lightning's words for the precisions of a recipe.
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class TrainerDevices(TypedDict):
    """The arguments of Lightning's trainer that concern devices."""

    accelerator: str
    devices: int
    num_nodes: int
    strategy: str
    sync_batchnorm: bool
    use_distributed_sampler: bool


def choose_precision(wanted: str, accelerator: str = "auto") -> tuple[Precision, str]:
    """Choose Lightning's precision for this machine, and say why."""
    if wanted == "fp32":
        return "32-true", "the recipe asks for fp32"
    if wanted == "bf16":
        return "bf16-mixed", "the recipe asks for bf16"
    if wanted == "fp16":
        return "16-mixed", "the recipe asks for fp16"
    if accelerator != "cpu" and torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16-mixed", "GPUs multiply bfloat16 several times faster"
        return "32-true", "this GPU has no bfloat16; `--precision fp16` may be faster"
    if torch.cpu._is_avx512_bf16_supported():  # type: ignore[attr-defined]
        return "bf16-mixed", "this CPU multiplies bfloat16"
    return "32-true", "this CPU has no bfloat16 instructions"


def check_devices(recipe: Recipe) -> None:
    """Check that this machine has the devices, and that a launcher started as many processes.

    Raises:
        OptionError: if not.
    """
    gpus = torch.cuda.device_count() or int(torch.backends.mps.is_available())
    if recipe.accelerator == "gpu" and gpus == 0:
        raise OptionError(
            "`accelerator` is 'gpu' but torch finds none on this machine: use 'cpu', or install "
            "the torch that fits the GPU"
        )
    if recipe.accelerator != "cpu" and 0 < gpus < recipe.devices:
        raise OptionError(
            f"`devices` is {recipe.devices} but this machine has {gpus} that torch finds: "
            f"use {gpus}, or `accelerator: cpu`"
        )
    if recipe.precision == "fp16" and (recipe.accelerator == "cpu" or gpus == 0):
        raise OptionError(
            "`precision` is 'fp16' but that is for GPUs, and this run is on a CPU: use auto, bf16 "
            "or fp32"
        )
    world = recipe.devices * recipe.nodes
    started = _started_processes()
    if started is not None and started != world:
        raise OptionError(
            f"{started} processes were started but `devices` x `nodes` is {recipe.devices} x "
            f"{recipe.nodes}: give --devices (of one node) and --nodes that multiply to {started}"
        )


def trainer_devices(recipe: Recipe) -> TrainerDevices:
    """Return the arguments of Lightning's trainer that concern devices."""
    several = recipe.devices * recipe.nodes > 1
    on_gpu = recipe.accelerator != "cpu" and torch.cuda.is_available()
    return {
        "accelerator": recipe.accelerator,
        "devices": recipe.devices,
        "num_nodes": recipe.nodes,
        "strategy": "ddp" if several else "auto",
        # torch has it for GPUs only; on CPUs every process normalises by its own share of the batch
        "sync_batchnorm": several and on_gpu,
        "use_distributed_sampler": False,  # the batches know their share themselves
    }


def usable_workers(wanted: int) -> int:
    """Return how many worker processes make batches: no more than there are cores for.

    Their number changes no batch. Without fork each worker would copy the data: there are none.
    """
    if os.name != "posix":
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(wanted, cores or 1)


def _started_processes() -> int | None:
    """Return how many processes torchrun or srun started, None if neither started several."""
    name = "WORLD_SIZE" if "TORCHELASTIC_RUN_ID" in os.environ else "SLURM_STEP_NUM_TASKS"
    count = os.environ.get(name, "")
    return int(count) if count.isdecimal() and int(count) > 1 else None
