"""``ganlab.distributed`` and synchronized layers against torch on the whole batch."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from ganlab import distributed
from ganlab.errors import DataError, PluginError, RunError
from ganlab.nn import BatchNorm
from ganlab.training.processes import (
    average_scalars,
    broadcast_buffers,
    check_same_start,
    from_main_process,
    on_main_process,
    run_on_main_process,
    synchronize_layers,
)
from ganlab.workers.ranks import joined


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Return numbers that are the same in every process."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def penalty(outputs: Callable[[Tensor], Tensor], whole: Tensor) -> Tensor:
    """Return the gradient, for this process's rows, of a penalty on the gradient of outputs."""
    x = distributed.local(whole).clone().requires_grad_()
    (slope,) = torch.autograd.grad(outputs(x).sum(), x, create_graph=True)
    (gradient,) = torch.autograd.grad(slope.square().sum(), x)
    return gradient


def alike(outputs: Callable[[Tensor], Tensor], *, size: int = 12) -> None:
    """Compare a function of a batch, and its double backward, with that in one process."""
    whole = numbers(size, 3)
    together = outputs(distributed.local(whole)), penalty(outputs, whole)
    with distributed.single_process():
        by_itself = outputs(whole), penalty(outputs, whole)
    for ours, all_of_it in zip(together, by_itself, strict=True):
        expected = distributed.local(all_of_it) if all_of_it.dim() else all_of_it
        assert_close(ours, expected, rtol=1e-12, atol=1e-12)


def check_functions() -> None:
    whole = numbers(12, 3)
    own = distributed.local(whole)
    start = distributed.rank() * 12 // distributed.world_size()
    assert torch.equal(own, whole[start : start + 12 // distributed.world_size()])
    assert torch.equal(distributed.gather(own), whole)
    assert_close(distributed.mean(own.mean(0)), whole.mean(0))
    assert_close(distributed.sum(own.sum()), whole.sum())
    assert_close(distributed.std(own), whole.std())
    # Functions of all images of the batch, none of them quadratic.
    alike(lambda x: (x - distributed.mean(x.mean(0))).pow(3).sum(1))
    alike(lambda x: (x @ distributed.gather(x).T).exp().log1p().sum(1))
    alike(lambda x: distributed.local(distributed.gather(x).cumsum(0)).pow(3).sum(1))
    alike(lambda x: x.sum(1) * distributed.sum(x.pow(3).sum()))


def check_parts() -> None:
    count, whole = distributed.world_size(), torch.arange(24)
    parts = [distributed.local(part) for part in whole.chunk(2)]
    assert torch.equal(distributed.local(whole, parts=2), torch.cat(parts))
    with pytest.raises(RunError) as caught:
        distributed.local(torch.arange(24 * count + 1))
    expected = f"{24 * count + 1} images cannot be shared evenly by {count} processes"
    assert str(caught.value) == expected


def check_random() -> None:
    for like in (
        distributed.randn_like,
        distributed.rand_like,
        lambda x: distributed.dropout_like(x, 0.5),
    ):
        for shape in ((12, 3), (12, 4, 5, 6)):
            whole = torch.ones(shape, dtype=torch.float64)
            if len(shape) == 4:
                whole = whole.contiguous(memory_format=torch.channels_last)
            torch.manual_seed(0)
            ours = like(distributed.local(whole))
            torch.manual_seed(0)
            with distributed.single_process():
                assert torch.equal(ours, across_rows(like(whole)))


def across_rows(whole: Tensor) -> Tensor:
    """Return this process's rows, though it is by itself."""
    rank, count = torch.distributed.get_rank(), torch.distributed.get_world_size()
    return whole.chunk(count)[rank]


def check_copy(layers: nn.Module) -> None:
    """A copy, such as an average of weights, normalises with what is its own."""
    copied = copy.deepcopy(layers).eval()
    before = copied(numbers(4, 3))
    layers.train()
    layers(distributed.local(numbers(12, 3)) + 5)
    assert torch.equal(copied(numbers(4, 3)), before)
    for key, value in copied.state_dict().items():
        if "running_mean" in key:
            value.add_(1.0)
    assert not torch.equal(copied(numbers(4, 3)), before)


def check_layers() -> None:
    for norm in (BatchNorm(3), nn.BatchNorm1d(3, affine=False), nn.BatchNorm1d(3, momentum=None)):
        layers = nn.Sequential(nn.Linear(3, 3), norm, nn.Softplus(), nn.Dropout(0.25)).double()
        with torch.no_grad():
            for parameter in layers.parameters():
                parameter.copy_(numbers(*parameter.shape, seed=1))
        state = {key: value.clone() for key, value in layers.state_dict().items()}

        def outputs(x: Tensor, layers: nn.Module = layers) -> Tensor:
            torch.manual_seed(0)
            return layers(x).pow(3).sum(1)

        synchronize_layers([layers], batch_norm=True)
        alike(outputs)
        found = []
        for around in (None, distributed.single_process):
            layers.load_state_dict(state)
            if around is None:
                layers(distributed.local(numbers(12, 3)))
            else:
                with around():
                    layers(numbers(12, 3))
            found.append({key: value.clone() for key, value in layers.state_dict().items()})
        for key, value in found[0].items():
            assert_close(value, found[1][key], rtol=0, atol=1e-12)
        check_copy(layers)
        layers.eval()
        alike(outputs)


def check_the_first() -> None:
    asked = []

    @on_main_process
    def act() -> None:
        asked.append(distributed.world_size())

    act()
    assert asked == ([1] if distributed.rank() == 0 else [])
    assert from_main_process(lambda: distributed.rank() + 5) == 5
    shared = average_scalars({"a": torch.tensor(float(distributed.rank()))})
    assert shared["a"].item() == (distributed.world_size() - 1) / 2


def check_lead() -> None:
    ranks = list(range(distributed.world_size()))
    own, found = distributed.rank(), []

    def answer(question: int) -> int:
        assert distributed.world_size() == 1
        if question == 7 and own == ranks[-1]:
            raise DataError("cannot")
        return 10 * question + own

    def act(ask: Callable[[int], list[int]]) -> None:
        found.append(ask(3))
        with pytest.raises(DataError, match=r"^cannot$"):
            ask(7)
        found.append(ask(0))

    run_on_main_process(act, answer)
    assert found == ([[30 + rank for rank in ranks], ranks] if own == 0 else [])
    run_on_main_process(lambda ask: None, answer)  # nothing to ask
    norm = nn.BatchNorm1d(2)
    norm.running_mean.fill_(own + 5.0)  # type: ignore[union-attr]
    broadcast_buffers(norm)
    assert norm.running_mean.tolist() == [5.0, 5.0]  # type: ignore[union-attr]


class Scaled(nn.BatchNorm1d):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def check_refusals() -> None:
    with pytest.raises(PluginError) as caught:
        synchronize_layers([nn.Sequential(Scaled(3))], batch_norm=True)
    assert str(caught.value).startswith("'0' is a Scaled with a forward of its own")
    synchronize_layers([nn.Sequential(Scaled(3))], batch_norm=False)
    layer = nn.Linear(2, 2)
    nn.init.constant_(layer.weight, 1.0)
    nn.init.zeros_(layer.bias)
    check_same_start({"layer": layer}, about="")
    nn.init.constant_(layer.weight, 1.0 + 1e-6 * (distributed.rank() == 1))
    with pytest.raises(RunError) as unlike:
        check_same_start({"layer": layer}, about="")
    assert str(unlike.value).startswith("process 1 does not start from the weights, data and")


def main() -> None:
    with joined():
        assert distributed.world_size() > 1
        check_functions()
        check_parts()
        check_random()
        check_layers()
        check_the_first()
        check_lead()
        check_refusals()


if __name__ == "__main__":
    main()
