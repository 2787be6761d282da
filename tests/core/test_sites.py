"""What networks get at their sites, and what is refused when a scheme or a network is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganlab import Conditioning, DataSpec, Penalty, Sites
from ganlab.components import BoundComponent
from ganlab.errors import ConfigError, PluginError
from ganlab.objective import objective
from ganlab.step import Step, full
from ganlab.types import Batch, DiscriminatorOutput
from tests.tiny_plugins.tiny import TinyConditioning, TinyDiscriminator, TinyGenerator, TinyLoss

SPEC = DataSpec(3, 16, 1, ("a", "b", "c"))


class Styled(Conditioning):
    name = "styled"

    def style(self, z_dim: int, spec: DataSpec) -> nn.Module:
        module = nn.Identity()
        module.out_features = 7  # type: ignore[assignment]
        return module


class Optional(Conditioning):
    name = "optional"
    planes: bool = True

    def image(self, channels: int, spec: DataSpec) -> nn.Module | None:
        return None


class Noting(Conditioning):
    name = "noting"

    def auxiliary(self, features: int, spec: DataSpec) -> nn.Module:
        return Two()


class Two(nn.Module):
    def forward(self, h: Tensor, y: Tensor) -> Tensor:
        return torch.stack([h.sum(1), y.float()], 1)


class TwoLogits(Conditioning):
    name = "two-logits"

    def head(self, features: int, plain: nn.Module, spec: DataSpec) -> nn.Module:
        return Two()


class NoModule(Conditioning):
    name = "no-module"

    def latent(self, z_dim: int, spec: DataSpec) -> Any:
        return 3


class NoWidth(Conditioning):
    name = "no-width"

    def latent(self, z_dim: int, spec: DataSpec) -> nn.Module:
        return nn.Identity()


def generator(*schemes: Conditioning) -> tuple[nn.Module, Sites]:
    sites = Sites("generator", schemes, SPEC)
    return TinyGenerator().build(4, SPEC, sites), sites


def discriminator(*schemes: Conditioning) -> tuple[nn.Module, Sites]:
    sites = Sites("discriminator", schemes, SPEC)
    return TinyDiscriminator().build(SPEC, sites), sites


def test_a_network_without_schemes_works_and_ignores_the_label() -> None:
    D, _ = discriminator()
    x = torch.randn(2, 1, 16, 16)
    D.eval()
    a, b = (D(x, torch.full((2,), label)).logit for label in (0, 1))
    assert torch.equal(a, b)


def test_a_site_may_return_none_for_not_here() -> None:
    D, sites = discriminator(Optional(planes=False))
    sites.check_all_used("tiny")
    assert D(torch.randn(2, 1, 16, 16), torch.tensor([0, 1])).logit.shape == (2,)


def test_a_style_that_nothing_normalises_by_is_refused() -> None:
    _, sites = generator(Styled())
    with pytest.raises(ConfigError) as error:
        sites.check_all_used("tiny")
    assert str(error.value) == (
        "1 problem in the experiment\n"
        "  conditioning: 'styled' brings a style, but no scheme normalises by it: add one"
    )


def test_a_site_that_the_network_lacks_is_refused() -> None:
    sites = Sites("generator", [TinyConditioning()], SPEC)
    with pytest.raises(ConfigError, match="'tiny' changes the latent site, which generator 'n' do"):
        sites.check_all_used("n")


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        (NoModule(), "conditioning 'no-module': latent() returned int, expected a torch module"),
        (
            NoWidth(),
            "conditioning 'no-width': latent() returned a module without an integer `out_features`",
        ),
    ],
)
def test_what_is_no_site_module_is_refused(scheme: Conditioning, message: str) -> None:
    with pytest.raises(PluginError) as error:
        generator(scheme)
    assert str(error.value) == message


def test_a_head_with_two_numbers_an_image_is_refused() -> None:
    D, _ = discriminator(TwoLogits())
    with pytest.raises(PluginError) as error:
        D(torch.randn(4, 1, 16, 16), torch.zeros(4, dtype=torch.long))
    assert str(error.value) == (
        "the head of 'two-logits' must give one logit per image: expected shape (4,) or (4, 1), "
        "got (4, 2)"
    )


def test_notes_are_found_by_the_schemes_name_and_a_missing_one_is_explained() -> None:
    D, _ = discriminator(Noting(), TinyConditioning())
    step = step_of(D)
    notes = step.discriminate(step.real.x, step.real.y).auxiliary
    assert notes["noting"].shape == (4, 2)
    with pytest.raises(PluginError) as error:
        notes["info"]
    assert str(error.value) == (
        "there is no auxiliary output of 'info': use a scheme that reads its auxiliary output "
        "in the discriminator too"
    )


def step_of(D: nn.Module, *parts: BoundComponent) -> Step:
    batch = Batch(torch.randn(4, 1, 16, 16), torch.tensor([0, 1, 2, 0]))
    return Step(
        role="discriminator",
        index=0,
        real=batch,
        fake=batch,
        G=nn.Identity(),
        D=D,
        loss=TinyLoss(),
        spec=SPEC,
        components=parts,
    )


class Term(Penalty):
    name = "term"
    value: float = 1.0
    shape: tuple[int, ...] = ()

    def d_terms(self, step: Step, state: nn.Module | None) -> dict[str, Tensor]:
        return {"term": torch.full(self.shape, self.value)}


def discriminated(*parts: BoundComponent) -> Step:
    output = DiscriminatorOutput(torch.zeros(4), torch.zeros(4, 2), {})
    x, y = torch.zeros(4, 1, 16, 16), torch.zeros(4, dtype=torch.long)
    step = step_of(nn.Identity(), *parts)
    step.real = step.fake = Batch(x, y, d_output=output)
    return step


def test_two_terms_of_one_name_both_count() -> None:
    parts = BoundComponent("a", Term(value=1)), BoundComponent("b", Term(value=100))
    terms = objective(discriminated(*parts), parts)
    assert {name: value.item() for name, value in terms.items() if name != "adversarial"} == {
        "term": 1,
        "b.term": 100,
    }


def test_a_term_that_is_no_scalar_is_refused_by_name() -> None:
    part = BoundComponent("regularizers.term", Term(shape=(1,)))
    with pytest.raises(PluginError) as error:
        objective(discriminated(part), [part])
    assert str(error.value) == (
        "regularizers.term: the term 'term' must be a scalar, got shape (1,)"
    )


def test_full_precision_keeps_the_kind_of_a_note() -> None:
    half = torch.zeros(2, dtype=torch.bfloat16)
    output = full(DiscriminatorOutput(half, half, {"n": (half, [half], 3)}))
    assert isinstance(output, DiscriminatorOutput)
    assert output.logit.dtype == torch.float32
    pair, listed, number = output.auxiliary["n"]
    assert (pair.dtype, type(listed), listed[0].dtype, number) == (
        torch.float32,
        list,
        torch.float32,
        3,
    )
