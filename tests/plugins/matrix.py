"""The combinations of shipped components: which to test, what each must do, which are rejected.

``python -m tests.plugins.matrix`` tests the full product of conditioning, generator, discriminator
and loss, and prints a table.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import torch

from ganlab.components import Augmentation, Conditioning, Loss, Regularizer
from ganlab.config.resolve import resolve
from ganlab.data.batches import Batches
from ganlab.errors import ConfigError
from ganlab.run_directory import Progress
from ganlab.training.model import Model, build_model
from ganlab.training.precision import choose
from ganlab.types import DataSpec, Prepared
from tests.plugins.stand import plugins, small
from tests.training.helpers import iterate_once

SPEC = DataSpec(3, 16, 1, ("a", "b", "c"))
Z_DIM = 12
Combination = dict[str, str]
"""Factor (component kind) -> value (component name)."""

SPECTRAL_NORM = "spectral-norm"
OFF, D, G, BOTH = "off", "discriminator", "generator", "both"

# The scheme that gives the label to the network that a scheme leaves out, and the scheme that it
# requires: one that claims the norm site, or one that makes D's logit depend on the label.
FOR_G, FOR_D = "concat", "projection"
COMPANIONS = {"shared-embedding": "cbn", "mismatch": FOR_G}

CUSTOM_CONVOLUTIONS, ZERO = "has custom convolutions", "is initialised to zero"
REFUSED: dict[tuple[str, str], str] = {
    ("generator", "stylegan2"): CUSTOM_CONVOLUTIONS,
    ("discriminator", "stylegan2"): CUSTOM_CONVOLUTIONS,
    ("generator", "r3gan"): ZERO,
    ("discriminator", "r3gan"): ZERO,
}
"""Networks that spectral normalisation rejects, and the error message."""


@cache
def conditionings() -> dict[str, Any]:
    """Return the YAML of every scheme, combined with a scheme for the other network."""
    found: dict[str, Any] = {}
    for name in plugins().names(Conditioning.kind):
        cls = plugins().get(Conditioning, name)
        own = [name, COMPANIONS[name]] if name in COMPANIONS else [name]
        claims = {role for n in own for role in _reached(plugins().get(Conditioning, n))}
        if claims == {"generator"}:
            found[f"{'+'.join(own)}, {FOR_D}"] = {"generator": own, "discriminator": FOR_D}
        elif claims == {"discriminator"}:
            found[f"{FOR_G}, {name}"] = {"generator": FOR_G, "discriminator": own}
        else:
            found["+".join(own)] = own
        if cls.claims("generator") and cls.claims("discriminator") and name == FOR_G:
            # The default scheme in one network only, as controls.
            found[f"{name}, none"] = {"generator": name, "discriminator": "none"}
            found[f"none, {name}"] = {"generator": "none", "discriminator": name}
    return found


def _reached(cls: type[Conditioning]) -> list[str]:
    return [role for role in ("generator", "discriminator") if cls.claims(role)]  # type: ignore[arg-type]


def factors() -> dict[str, list[str]]:
    """Return the values of every factor: the names of all shipped components; ``-`` is none."""
    known = plugins()
    regularizers = [n for n in known.names(Regularizer.kind) if n != SPECTRAL_NORM]
    return {
        "conditioning": list(conditionings()),
        "generator": known.names("generator"),
        "discriminator": known.names("discriminator"),
        "loss": [*known.names(Loss.kind), "-"],
        "regularizer": ["-", *regularizers],
        "augmentation": ["-", *known.names(Augmentation.kind)],
        SPECTRAL_NORM: [OFF, D, G, BOTH],
    }


# ------------------------------------------------------------------------------ rejected pairs


def refusal(combination: Combination) -> str | None:
    """Return the expected error message if two of the values exclude each other."""
    normalised = combination.get(SPECTRAL_NORM, OFF)
    for (role, network), message in REFUSED.items():
        if normalised in (role, BOTH) and combination.get(role) == network:
            return message
    if "loss" in combination and "conditioning" in combination:
        schemes = _names(conditionings()[combination["conditioning"]])
        replacing = [n for n in schemes if plugins().get(Conditioning, n).replaces_loss]
        if replacing and combination["loss"] != "-":
            return f"'{replacing[0]}' replaces the loss"
        if not replacing and combination["loss"] == "-":
            return "loss: is missing"
    return None


def _names(conditioning: Any) -> list[str]:
    if isinstance(conditioning, str):
        return [conditioning]
    parts = conditioning.values() if isinstance(conditioning, dict) else conditioning
    return [name for part in parts for name in _names(part)]


# ------------------------------------------------------------------------------ combinations


def pairwise(values: dict[str, list[str]]) -> Iterator[Combination]:
    """Yield combinations that cover every pair of values that is not rejected.

    A greedy algorithm: start with a missing pair, and give each other factor the value that covers
    the most missing pairs. The result is deterministic.
    """
    names = list(values)
    missing = {
        ((a, x), (b, y))
        for a, b in itertools.combinations(names, 2)
        for x, y in itertools.product(values[a], values[b])
        if refusal({a: x, b: y}) is None
    }
    order = sorted(missing)
    used: Counter[tuple[str, str]] = Counter()
    for pair in order:
        if pair not in missing:
            continue
        combination: Combination = dict(pair)
        for name in sorted(names, key=lambda n: -len(values[n])):
            if name in combination:
                continue
            allowed = [v for v in values[name] if refusal({**combination, name: v}) is None]
            combination[name] = max(
                allowed,
                key=lambda v: (
                    sum(p in missing for p in _pairs({**combination, name: v}, names)),
                    -used[name, v],
                ),
            )
        missing.difference_update(_pairs(combination, names))
        used.update(combination.items())
        yield {name: combination[name] for name in names}


def _pairs(combination: Combination, names: Sequence[str]) -> list[Any]:
    present = [(name, combination[name]) for name in names if name in combination]
    return list(itertools.combinations(present, 2))


# ------------------------------------------------------------------ the test of a combination


def build(combination: Combination, **train: Any) -> tuple[Model, Batches, Any]:
    """Build small networks for 16 x 16 images, and eight random images to train on."""
    regularizers = _blocks("regularizer", combination)
    if combination.get(SPECTRAL_NORM, OFF) != OFF:
        regularizers.append({"type": SPECTRAL_NORM, "network": combination[SPECTRAL_NORM]})
    loss = combination["loss"]
    experiment = resolve(
        {
            "dataset": {"type": "digits", "image_size": 16},
            "generator": _blocks("generator", combination)[0],
            "discriminator": _blocks("discriminator", combination)[0],
            "conditioning": conditionings()[combination["conditioning"]],
            **({} if loss == "-" else {"loss": loss}),
            "regularizers": regularizers,
            "augmentations": _blocks("augmentation", combination),
            "train": {
                "steps": 1,
                "batch_size": 4,
                "z_dim": Z_DIM,
                "device": "cpu",
                "precision": "fp32",
                **train,
            },
        },
        plugins(),
    )
    images = torch.randint(256, (8, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    data = Prepared(images.to(torch.uint8), torch.arange(8) % 3, SPEC, "", "")
    model = build_model(experiment, SPEC, choose(experiment.train))
    batches = Batches(data, batch_size=4, seed=0, device=torch.device("cpu"))
    return model, batches, experiment


def _blocks(kind: str, combination: Combination) -> list[dict[str, Any]]:
    name = combination.get(kind, "-")
    if name == "-":
        return []
    return [small(kind, name)]


def check(combination: Combination) -> None:
    """Train one step; check that all components have an effect and where the label has one."""
    torch.manual_seed(0)
    model, batches, experiment = build(combination)
    scalars = iterate_once(model, batches, Progress(), experiment.train)
    for name, value in scalars.items():
        assert torch.isfinite(value), (name, value)
    for role, network in model.networks.items():
        for name, parameter in network.named_parameters():
            assert parameter.grad is not None, (role, name)
            assert torch.isfinite(parameter.grad).all(), (role, name)
    g_reacts, d_reacts = reactions(model)
    used = {
        role: [s.component for s in experiment.conditioning if role in s.roles]
        for role in ("generator", "discriminator")
    }
    of_g = any(part.claims("generator") for part in used["generator"])
    of_d = any({"image", "head"} & set(p.claims("discriminator")) for p in used["discriminator"])
    assert (g_reacts, d_reacts) == (of_g, of_d)


@torch.no_grad()
def reactions(model: Model) -> tuple[bool, bool]:
    """Return whether G's image and D's logit depend on the label.

    The weights are perturbed randomly, because some start at zero and block the label, and others
    were clipped to such small values that the difference is lost in float32.
    """
    generator = torch.Generator().manual_seed(1)
    for network in model.networks.values():
        network.eval().double()
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    z = torch.randn(4, Z_DIM, generator=generator, dtype=torch.float64)
    x = torch.randn(4, 1, 16, 16, generator=generator, dtype=torch.float64)
    a, b = torch.zeros(4, dtype=torch.long), torch.ones(4, dtype=torch.long)
    images = torch.equal(model.G(z, a), model.G(z, b))
    logits = torch.equal(model.D(x, a).logit, model.D(x, b).logit)
    return not images, not logits


# ------------------------------------------------------------------------------------- table


Results = dict[tuple[str, str], tuple[int, set[str]]]
"""(conditioning, loss) -> number of pairs of networks that work, and the other error messages."""


def full_product() -> Results:
    """Test every conditioning with every loss, generator and discriminator."""
    of = factors()
    names = ("conditioning", "generator", "discriminator", "loss")
    results: Results = {}
    for conditioning, loss in itertools.product(of["conditioning"], of["loss"]):
        works, why = 0, set()
        for pair in itertools.product(of["generator"], of["discriminator"]):
            try:
                check(dict(zip(names, (conditioning, *pair, loss), strict=True)))
                works += 1
            except ConfigError as error:
                why.add(error.problems[0].what)
        results[conditioning, loss] = works, why
        print(conditioning, loss, works, *why, file=sys.stderr)
    return results


def page(results: Results) -> str:
    """Return the results as Markdown."""
    of = factors()
    lines = [f"| conditioning | {' | '.join(of['loss'])} |", "|---|" + "---|" * len(of["loss"])]
    for conditioning in of["conditioning"]:
        cells = [str(results[conditioning, loss][0] or "–") for loss in of["loss"]]
        lines.append(f"| {conditioning} | {' | '.join(cells)} |")
    reasons = sorted({reason for _, why in results.values() for reason in why})
    return PAGE.format(
        works=sum(works for works, _ in results.values()),
        pairs=len(of["generator"]) * len(of["discriminator"]),
        generators=", ".join(of["generator"]),
        table="\n".join(lines),
        reasons="\n".join(f"* {reason}" for reason in reasons),
    )


PAGE = """# Compatible components

`make matrix` writes this page. It builds every combination of conditioning, generator,
discriminator and loss with small networks for 16 x 16 images and trains one step. It asserts that
every term and the gradient of every parameter are finite, and that G's image and D's logit depend
on the label exactly if a scheme conditions the network. {works:,} combinations work. `make test`
does the same for every pair of these components, regularizers, augmentations and spectral
normalisation.

Each generator is combined with each discriminator: {generators}.
A number in the table is the number of working pairs of networks, of {pairs}. A conditioning that
names one scheme is used in both networks. `a, b` is `a` in the generator and `b` in the
discriminator. Loss `-` is no loss: the scheme replaces it.

{table}

Other combinations are rejected with these messages:

{reasons}
* `spectral-norm` with `stylegan2`: the network has custom convolutions
* `spectral-norm` with `r3gan`: a layer is initialised to zero
"""

if __name__ == "__main__":
    print(page(full_product()), end="")
