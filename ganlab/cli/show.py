"""``ganlab show``: the components of a kind, or one with its options."""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click

from ganlab.cli.app import app_of, plugins_dir_option
from ganlab.text import columns

if TYPE_CHECKING:
    from ganlab.options import Component
    from ganlab.plugins import Plugins, Registered

TYPES = {float: "number", int: "whole number", str: "text", bool: "true or false", NoneType: "null"}


@click.command("show")
@click.argument("kind")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@plugins_dir_option
@click.pass_context
def command(ctx: click.Context, kind: str, name: str | None, as_json: bool) -> None:
    """List the components of a KIND, or show the one called NAME with its options.

    \b
    ganlab show conditioning
    ganlab show conditioning projection
    """
    from ganlab.components import KINDS
    from ganlab.errors import did_you_mean

    if kind not in KINDS:
        raise click.UsageError(f"there is no kind '{kind}'{did_you_mean(kind, list(KINDS))}")
    plugins: Plugins = app_of(ctx).plugins()
    if name is None:
        owners = plugins.registered(kind)
        click.echo(
            json.dumps([_summary(o) for o in owners], indent=2) if as_json else _list(owners)
        )
    else:
        record = record_of(plugins.find(kind, name))
        click.echo(json.dumps(record, indent=2) if as_json else _page(record))


def _summary(owner: Registered) -> dict[str, str]:
    return {
        "name": owner.component.name,
        "summary": _doc(owner.component).partition("\n")[0],
        "source": owner.plugin.source,
    }


def _list(owners: list[Registered]) -> str:
    rows = [tuple(_summary(owner).values()) for owner in owners]
    return columns(rows) if rows else "none is loaded"


def record_of(owner: Registered) -> dict[str, Any]:
    """Return everything that there is to say of a component, as plain data."""
    cls = owner.component
    return {
        "kind": cls.kind,
        "name": cls.name,
        "doc": _doc(cls),
        "paper": cls.paper,
        "facts": cls.facts(),
        "source": owner.plugin.source,
        "file": None if owner.plugin.file is None else str(owner.plugin.file),
        "options": [
            {
                "name": option,
                "type": type_of(field.annotation, field.metadata),
                "default": "required" if field.is_required() else _default(field.get_default()),
                "doc": " ".join((field.description or "").split()),
            }
            for option, field in cls.model_fields.items()
        ],
    }


def _page(record: dict[str, Any]) -> str:
    file = None if record["file"] == record["source"] else record["file"]
    facts = {
        **record["facts"],
        "paper": record["paper"],
        "source": record["source"],
        "file": file,
    }
    parts = [f"{record['kind']} {record['name']}", record["doc"]]
    parts.append(columns([(key, fact) for key, fact in facts.items() if fact]))
    rows = [tuple(option.values()) for option in record["options"]]
    table = columns([("option", "type", "default", "what it is"), *rows])
    parts.append(table if rows else "no options")
    return "\n\n".join(part for part in parts if part)


def _doc(cls: type[Component]) -> str:
    """Return a class's own docstring, without its indentation."""
    import inspect

    return inspect.cleandoc(cls.__doc__ or "")


def _default(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_default, value))}]"
    return str(value)


def type_of(annotation: Any, metadata: Any = ()) -> str:
    """Return a type in the words of a YAML author: ``number >= 0``, ``text or null``."""
    limits = _limits(metadata)
    origin, inner = get_origin(annotation), get_args(annotation)
    if hasattr(annotation, "__metadata__"):
        return type_of(annotation.__origin__, [*annotation.__metadata__, *metadata])
    if origin in (Union, UnionType):
        return " or ".join(type_of(member) for member in inner) + limits
    if origin is Literal:
        return " or ".join(map(str, inner))
    if origin is list:
        entry = type_of(inner[0])
        return f"list of {f'({entry})' if ' or ' in entry else entry}{limits}"
    if origin is tuple:
        return f"[{', '.join(type_of(member) for member in inner if member is not ...)}]"
    if origin is dict or annotation is dict:
        return "block"
    return TYPES.get(annotation, getattr(annotation, "__name__", str(annotation))) + limits


def _limits(metadata: Any) -> str:
    from pydantic.fields import FieldInfo

    flat = [
        m for item in metadata for m in (item.metadata if isinstance(item, FieldInfo) else [item])
    ]
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    found = [
        f"{sign} {getattr(item, name):g}"
        for item in flat
        for name, sign in signs.items()
        if getattr(item, name, None) is not None
    ]
    return "".join(f" {limit}" for limit in found[:1]) + "".join(f", {more}" for more in found[1:])
