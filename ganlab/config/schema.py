"""The JSON schema of experiment files, which editors use for completion and validation."""

from __future__ import annotations

from typing import Any

from ganlab.components import KINDS
from ganlab.config.evaluating import Eval
from ganlab.config.experiment import OPTIMIZERS, Train
from ganlab.config.naming import SECTIONS
from ganlab.config.tree import LISTS, ROLES
from ganlab.options import Options
from ganlab.plugins import Plugins

Schema = dict[str, Any]

SECTION_KINDS = {
    "dataset": "dataset",
    "generator": "generator",
    "discriminator": "discriminator",
    "conditioning": "conditioning",
    "loss": "loss",
    "regularizers": "regularizer",
    "augmentations": "augmentation",
    "callbacks": "callback",
}
"""The sections that hold components, and the kind of each."""


def json_schema(plugins: Plugins) -> Schema:
    """Return the schema (draft 2020-12) of an experiment file for these plugins."""
    kinds = [*SECTION_KINDS.values(), "metric", "extractor"]
    blocks = {kind: _kind_schema(plugins, kind) for kind in kinds}
    sections: dict[str, Schema] = {}
    for section, kind in SECTION_KINDS.items():
        one = _ref(kind)
        sections[section] = _one_or_many(one) if section in LISTS else {"anyOf": [one]}
        sections[section]["description"] = _first_paragraph(KINDS[kind].__doc__)
    sections["conditioning"]["anyOf"].append(_per_role(_one_or_many(_ref("conditioning"))))
    sections["loss"]["anyOf"].append({"type": "null"})
    sections["optimizer"] = {
        "anyOf": [_ref("optimizer")],
        "description": "The optimizers: common options, and a block for each network.",
    }
    sections["train"] = _object(_properties(Train), Train.__doc__)
    of_eval = {
        **_properties(Eval),
        "metrics": _one_or_many(_ref("metric")),
        "extractor": {"anyOf": [_ref("extractor"), {"type": "null"}]},
    }
    sections["eval"] = _object(of_eval, Eval.__doc__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ganlab experiment",
        "type": "object",
        "properties": {
            "extends": {
                "type": "string",
                "description": "A file whose values this one overrides; relative to this file.",
            },
            "name": {"type": "string", "description": "Name of the folder of the runs."},
            **{section: sections[section] for section in SECTIONS},
        },
        "additionalProperties": False,
        "$defs": {**blocks, "optimizer": _optimizer_schema()},
    }


def _kind_schema(plugins: Plugins, kind: str) -> Schema:
    """Return the schema of a component: its name, a block with ``type``, or one without.

    A block without ``type`` sets options of a component that an extended file names.
    """
    classes = {r.component.name: r.component for r in plugins.registered(kind)}
    options = {name: _properties(cls) for name, cls in classes.items()}
    if kind == "dataset":
        for properties in options.values():
            fallback = properties["fallback"]
            properties["fallback"] = {
                "anyOf": [_ref("dataset"), {"type": "null"}],
                "description": fallback["description"],
            }
    blocks = [
        _object({"type": {"const": name}, **options[name]}, cls.__doc__, required=["type"])
        for name, cls in classes.items()
    ]
    return {"anyOf": [{"enum": sorted(classes)}, *blocks, _untyped(options)]}


def _optimizer_schema() -> Schema:
    options = {name: _properties(cls) for name, cls in OPTIMIZERS.items()}
    roles: dict[str, Schema] = {}
    for role in ROLES:
        typed = [_object({"type": {"const": name}, **options[name]}) for name in options]
        roles[role] = {"anyOf": [{"enum": sorted(options)}, *typed, _untyped(options)]}
    blocks = [
        _object({"type": {"const": name}, **options[name], **roles}, cls.__doc__, required=["type"])
        for name, cls in OPTIMIZERS.items()
    ]
    return {"anyOf": [{"enum": sorted(options)}, *blocks, _untyped(options, roles)]}


def _untyped(
    options: dict[str, dict[str, Schema]], more: dict[str, Schema] | None = None
) -> Schema:
    """Return the schema of a block without ``type``, which allows the options of all types."""
    variants: dict[str, list[Schema]] = {}
    for properties in options.values():
        for option, schema in properties.items():
            known = variants.setdefault(option, [])
            if schema not in known:
                known.append(schema)
    merged = {o: s[0] if len(s) == 1 else {"anyOf": s} for o, s in sorted(variants.items())}
    return _object({**merged, **(more or {})})


def _one_or_many(one: Schema) -> Schema:
    return {"anyOf": [one, {"type": "array", "items": one}]}


def _per_role(schemes: Schema) -> Schema:
    return _object(dict.fromkeys(ROLES, schemes), required=list(ROLES))


def _object(
    properties: dict[str, Schema], doc: str | None = None, *, required: list[str] | None = None
) -> Schema:
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if doc:
        schema["description"] = _first_paragraph(doc)
    if required:
        schema["required"] = required
    return schema


def _properties(cls: type[Options]) -> dict[str, Schema]:
    """Return a self-contained schema for each option."""
    schema = cls.model_json_schema()
    defaults = cls.model_construct().model_dump(mode="json")
    found = {}
    for option, inner in schema.get("properties", {}).items():
        found[option] = _clean(inner, schema.get("$defs", {}))
        if option in defaults:
            found[option]["default"] = defaults[option]  # in its YAML form: '1 epoch'
    return found


def _clean(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with references inlined, without pydantic's titles and our own marks."""
    if isinstance(schema, list):
        return [_clean(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return {**_clean(target, definitions), **_clean(_without(schema, "$ref"), definitions)}
    kept: Schema = {}
    for key, value in _without(schema, "title", "identity").items():
        if key == "properties":
            kept[key] = {name: _clean(inner, definitions) for name, inner in value.items()}
        elif key == "description":
            kept[key] = " ".join(value.split())
        else:
            kept[key] = value if key == "default" else _clean(value, definitions)
    return kept


def _without(schema: Schema, *keys: str) -> Schema:
    return {key: value for key, value in schema.items() if key not in keys}


def _ref(kind: str) -> Schema:
    return {"$ref": f"#/$defs/{kind}"}


def _first_paragraph(doc: str | None) -> str:
    return " ".join((doc or "").strip().partition("\n\n")[0].split())
