"""Read the ``conditioning`` section: check which scheme is used in which network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

from ganlab.components import Conditioning
from ganlab.config.blocks import Builder, Built
from ganlab.config.experiment import Scheme
from ganlab.config.tree import ROLES, Node
from ganlab.types import Role

EXCLUSIVE_SITES = ("style", "norm", "head")
"""Sites that accept a single scheme. At the other sites, several schemes can be combined."""


@dataclass(frozen=True)
class SchemeEntry:
    """A conditioning scheme as it is written in the YAML."""

    built: Built[Conditioning]
    roles: tuple[Role, ...]

    @property
    def name(self) -> str:
        return self.built.component.name

    def claims(self, role: Role) -> list[str]:
        return self.built.component.claims(role) if role in self.roles else []


def read_schemes(builder: Builder, node: Node | None) -> tuple[list[Scheme], Node | None]:
    """Return the schemes, and a node that has their blocks in the form of `Experiment.resolved`."""
    if node is None:
        return [], None
    per_role = isinstance(node.value, dict) and "type" not in node.value
    per_role = per_role and any(role in node.value for role in ROLES)
    known = len(builder.problems)
    if node.value == []:
        names = ", ".join(builder.plugins.names(Conditioning.kind)) or "none is loaded"
        builder.problems.append(node.problem(f"is empty; name one or more of: {names}"))
    entries = _by_role(builder, node) if per_role else _for_both(builder, node)
    if len(builder.problems) == known:
        for role in ROLES:
            _check_exclusive_sites(builder, entries, cast(Role, role), node)
        _check_required_sites(builder, entries)
        _check_label_reaches_both(builder, entries, node, per_role=per_role)
    schemes = [Scheme(entry.built.component, entry.roles) for entry in entries]
    if all(len(entry.roles) == len(ROLES) for entry in entries):
        return schemes, replace(node, value=[entry.built.node for entry in entries])
    lists = {
        role: replace(node, value=[entry.built.node for entry in entries if role in entry.roles])
        for role in ROLES
    }
    return schemes, replace(node, value=lists)


def _for_both(builder: Builder, node: Node) -> list[SchemeEntry]:
    return [
        SchemeEntry(built, cast(tuple[Role, ...], ROLES))
        for built in builder.build_list(Conditioning, node)
    ]


def _by_role(builder: Builder, node: Node) -> list[SchemeEntry]:
    for key, child in node.value.items():
        if key not in ROLES:
            what = f"unknown key '{key}'; allowed: generator, discriminator"
            builder.problems.append(child.problem(what))
    lists: dict[str, list[Built[Conditioning]]] = {}
    for role in ROLES:
        child = node.child(role)
        if child is None and role not in node.value:
            other = next(r for r in ROLES if r != role)
            what = f"only {other} is set; set {role} too, or set it to 'none'"
            builder.problems.append(node.problem(what))
        lists[role] = builder.build_list(Conditioning, child)
        for built in lists[role]:
            _check_claims(builder, built, cast(Role, role))
    return _pair(builder, lists["generator"], lists["discriminator"])


def _pair(
    builder: Builder, generator: list[Built[Conditioning]], discriminator: list[Built[Conditioning]]
) -> list[SchemeEntry]:
    """Merge the schemes of both networks into one list that keeps both orders.

    A scheme that both networks use with the same options becomes one entry.
    """
    paired = [SchemeEntry(built, ("generator",)) for built in generator]
    own: list[SchemeEntry] = []
    start = 0
    for built in discriminator:
        equal = [i for i, entry in enumerate(paired) if entry.built.component == built.component]
        ahead = [i for i in equal if i >= start]
        if ahead:
            i = ahead[0]
            both = SchemeEntry(paired[i].built, cast(tuple[Role, ...], ROLES))
            paired[i : i + 1] = [*own, both]
            start, own = i + len(own) + 1, []
        elif equal and len(paired[equal[0]].roles) == 1:
            what = f"'{built.component.name}' must be in the same order as in the generator"
            builder.problems.append(built.node.problem(what))
        else:
            own.append(SchemeEntry(built, ("discriminator",)))
    return [*paired, *own]


def _check_claims(builder: Builder, built: Built[Conditioning], role: Role) -> None:
    """Refuse a scheme in a network where it has no site, if it has one in the other network."""
    other = next(r for r in ROLES if r != role)
    sites = built.component.claims(cast(Role, other))
    if sites and not built.component.claims(role):
        what = f"'{built.component.name}' has no site in the {role}; it has "
        builder.problems.append(built.node.problem(f"{what}{' and '.join(sites)} in the {other}"))


def _check_exclusive_sites(
    builder: Builder, entries: list[SchemeEntry], role: Role, node: Node
) -> None:
    for site in EXCLUSIVE_SITES:
        names = [entry.name for entry in entries if site in entry.claims(role)]
        if len(names) > 1:
            claimed = " and ".join(f"'{name}'" for name in names)
            what = f"{claimed} use the {role}'s {site} site, which accepts one scheme; keep one"
            builder.problems.append(node.problem(what))
    auxiliary = [entry.name for entry in entries if "auxiliary" in entry.claims(role)]
    for name in sorted({name for name in auxiliary if auxiliary.count(name) > 1}):
        what = f"'{name}' is used twice in the {role}, but has one auxiliary output; keep one"
        builder.problems.append(node.problem(what))


def _check_required_sites(builder: Builder, entries: list[SchemeEntry]) -> None:
    """Refuse a scheme whose required sites no other scheme uses."""
    for entry in entries:
        needed = type(entry.built.component).requires_sites
        others = [
            site
            for other in entries
            if other is not entry
            for site in other.claims("discriminator")
        ]
        if needed and not set(needed) & set(others):
            sites = " or ".join(needed)
            what = f"'{entry.name}' needs another scheme that uses the discriminator's {sites} site"
            builder.problems.append(entry.built.node.problem(what))


def _check_label_reaches_both(
    builder: Builder, entries: list[SchemeEntry], node: Node, *, per_role: bool
) -> None:
    """Refuse a label that reaches only one network, unless the YAML lists schemes per network."""
    reached = [role for role in ROLES if any(entry.claims(cast(Role, role)) for entry in entries)]
    if len(reached) != 1 or per_role:
        return
    unreached = next(role for role in ROLES if role not in reached)
    claiming = [entry.name for entry in entries if entry.claims(cast(Role, reached[0]))]
    inline = claiming[0] if len(claiming) == 1 else f"[{', '.join(claiming)}]"
    parts = {reached[0]: f"{reached[0]}: {inline}", unreached: f"{unreached}: none"}
    example = ", ".join(parts[role] for role in ROLES)
    builder.problems.append(
        node.problem(
            f"the label reaches only the {reached[0]} ({', '.join(claiming)}); add a scheme for "
            f"the {unreached}, or write {{{example}}} if this is intended"
        )
    )
