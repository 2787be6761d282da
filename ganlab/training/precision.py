"""Device, precision and compilation: chosen when a run starts, recorded, and kept on resume."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ganlab import distributed
from ganlab.config.experiment import Train
from ganlab.errors import ConfigError, Problem
from ganlab.training.memory import keep_memory


@dataclass(frozen=True)
class Choices:
    """The device, the precision and the compilation mode of a run."""

    device: torch.device
    precision: str
    """fp32, tf32, bf16 or fp64."""

    channels_last: bool
    conv_as_matmul: bool = False
    compile: str = "off"
    """off, on or graphs (CUDA graphs)."""

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    @property
    def autocast(self) -> torch.dtype | None:
        """The dtype in which networks compute; None for the dtype of their weights."""
        return torch.bfloat16 if self.precision == "bf16" else None

    def place(self, module: nn.Module) -> nn.Module:
        """Move a module to the device, and convert it to the chosen dtype and memory format."""
        module = module.to(device=self.device, dtype=self.dtype)
        if self.channels_last:
            for tensor in (*module.parameters(), *module.buffers()):
                if tensor.dim() == 4:
                    tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
        return module

    def compiled(self, network: nn.Module) -> Callable[..., Any]:
        """Return the compiled form of a network. Compilation happens at the first call."""
        options: dict[str, str | int | bool | Callable[..., Any]] = {
            "fallback_random": True,  # the random numbers of eager mode
            "triton.cudagraphs": self.compile == "graphs",
        }
        return torch.compile(network, dynamic=False, options=options)

    def recorded(self) -> dict[str, Any]:
        """Return the choices that a resume must keep. The device may change."""
        return {
            "precision": self.precision,
            "channels_last": self.channels_last,
            "conv_as_matmul": self.conv_as_matmul,
            "compile": self.compile,
        }

    def in_words(self) -> str:
        """Return the choices as text: ``cpu, bf16, channels last``."""
        said = [str(self.device), self.precision]
        if self.channels_last:
            said.append("channels last")
        if self.conv_as_matmul:
            said.append("small convolutions as matrix products")
        if self.compile != "off":
            said.append("compiled" if self.compile == "on" else "compiled into CUDA graphs")
        return ", ".join(said)


def choose(train: Train, *, recorded: dict[str, Any] | None = None) -> Choices:
    """Return the choices for the options; on resume, keep those that the run recorded."""
    device = choose_device(train.device)
    if train.compile == "graphs" and device.type != "cuda":
        raise ConfigError([Problem("train.compile", f"CUDA graphs need a GPU, not {device}")])
    if train.compile != "off" and distributed.world_size() > 1:
        what = "compiled networks cannot share batches: write off, or use one process"
        raise ConfigError([Problem("train.compile", what)])
    recorded = recorded or {}
    precision = recorded.get("precision", train.precision)
    if precision == "auto":
        precision = "bf16" if has_bf16(device) else "fp32"
    # The option takes precedence over the record, because it changes only rounding.
    as_matmul = {"on": True, "off": False}.get(train.conv_as_matmul)
    if as_matmul is None:
        fast = precision == "bf16" and device.type == "cpu" and has_amx()
        as_matmul = recorded.get("conv_as_matmul", fast)
    return Choices(
        device,
        precision,
        recorded.get("channels_last", train.channels_last),
        as_matmul,
        train.compile,
    )


def choose_device(name: str) -> torch.device:
    """Return the device for ``auto``, ``cpu``, ``cuda`` or ``cuda:<number>``."""
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
    """Return the index of this process's GPU. Each of several processes has its own."""
    if distributed.world_size() == 1:
        return device.index or 0
    if device.index is not None:
        what = f"'{device}' is one GPU, and each of several processes needs its own: write 'cuda'"
        raise ConfigError([Problem("train.device", what)])
    return int(os.environ["LOCAL_RANK"])


def has_bf16(device: torch.device) -> bool:
    """Return True if the hardware supports bfloat16 matrix products."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return has_amx() or _cpu_has("_is_avx512_bf16_supported")


def has_amx() -> bool:
    """Return True if the CPU supports AMX bfloat16 tiles."""
    return _cpu_has("_is_amx_tile_supported")


def _cpu_has(question: str) -> bool:
    """Query a CPU feature through torch's private API; False if torch does not know the query."""
    return bool(getattr(torch.cpu, question, bool)())


def configure_torch(choices: Choices, *, deterministic: bool) -> None:
    """Set torch's process-wide state: TF32 only if chosen; deterministic kernels if requested."""
    if choices.device.type == "cpu":
        keep_memory()
    else:
        torch.cuda.set_device(choices.device)
        torch.backends.cudnn.allow_tf32 = choices.precision == "tf32"
        torch.backends.cuda.matmul.allow_tf32 = choices.precision == "tf32"
        if deterministic:
            os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS requires it
        torch.use_deterministic_algorithms(deterministic)
