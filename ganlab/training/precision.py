"""What is decided once when a run starts, kept when it resumes, and recorded in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ganlab import across
from ganlab.config.experiment import Train
from ganlab.errors import ConfigError, Problem


@dataclass(frozen=True)
class Choices:
    """How a run computes."""

    device: torch.device
    precision: str
    """fp32, tf32, bf16 or fp64."""

    channels_last: bool

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    @property
    def autocast(self) -> torch.dtype | None:
        """The type that networks compute in, where it is not that of their weights."""
        return torch.bfloat16 if self.precision == "bf16" else None

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device, in the type and the memory format that were chosen."""
        module = module.to(device=self.device, dtype=self.dtype)
        if self.channels_last:
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.dim() == 4:
                    tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
        return module

    def recorded(self) -> dict[str, Any]:
        """Return what a resume must keep: the device may change."""
        return {"precision": self.precision, "channels_last": self.channels_last}


def choose(train: Train, *, recorded: dict[str, Any] | None = None) -> Choices:
    """Decide, or keep what the run has recorded."""
    device = choose_device(train.device)
    if recorded:
        return Choices(device, recorded["precision"], recorded["channels_last"])
    precision = train.precision
    if precision == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    return Choices(device, precision, train.channels_last)


def choose_device(name: str) -> torch.device:
    """Return the device that ``auto``, ``cpu``, ``cuda`` or ``cuda:1`` means here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in ("cpu", "cuda"):
        allowed = "allowed: auto, cpu, cuda, cuda:<number>"
        raise ConfigError([Problem("train.device", f"'{name}' is no device; {allowed}")])
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = own_device(device)
        if index >= count:
            what = f"'cuda:{index}' is not on this machine, which has {count} CUDA devices"
            raise ConfigError([Problem("train.device", what)])
        device = torch.device("cuda", index)
    return device


def own_device(device: torch.device) -> int:
    """Return the number of the GPU that is meant: of several processes each has its own."""
    if across.world_size() == 1:
        return device.index or 0
    if device.index is not None:
        what = f"'{device}' is one GPU, and each of several processes needs its own: write 'cuda'"
        raise ConfigError([Problem("train.device", what)])
    return int(os.environ["LOCAL_RANK"])


def has_bf16(device: torch.device) -> bool:
    """True where the hardware multiplies bfloat16 matrices itself."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch has no public question for this; a version without these names counts as a no.
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, name, bool)() for name in names)


def configure_torch(choices: Choices, *, deterministic: bool) -> None:
    """Set what torch keeps for the whole process: TF32 only where it was chosen, exact kernels."""
    if choices.device.type == "cuda":
        torch.cuda.set_device(choices.device)
        torch.backends.cudnn.allow_tf32 = choices.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = choices.precision == "tf32"
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it
        torch.use_deterministic_algorithms(deterministic)
