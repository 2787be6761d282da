from __future__ import annotations

import json

import pytest

from ganlab.config.naming import SECTIONS
from ganlab.config.schema import SECTION_KINDS, json_schema
from ganlab.plugins import Plugins


@pytest.fixture
def schema(plugins: Plugins) -> dict:
    return json_schema(plugins)


def variants(schema: dict, kind: str) -> tuple[list[str], dict[str, dict], dict]:
    """Return the names, the typed blocks by name, and the block without a type."""
    names, *blocks, untyped = schema["$defs"][kind]["anyOf"]
    return names["enum"], {b["properties"]["type"]["const"]: b for b in blocks}, untyped


def test_it_is_json_of_this_draft_and_names_every_section(schema) -> None:
    assert json.loads(json.dumps(schema)) == schema
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(schema["properties"]) == ["extends", "name", *SECTIONS]
    assert schema["additionalProperties"] is False
    assert set(schema["$defs"]) == {
        *SECTION_KINDS.values(),
        "metric",
        "extractor",
        "optimizer",
    }


def test_a_component_is_a_name_or_a_block_with_its_options(schema) -> None:
    names, blocks, untyped = variants(schema, "regularizer")
    assert names == ["penalty"]
    every = {"type": "integer", "minimum": 1, "default": 1}
    options = {
        "every": every | {"description": blocks["penalty"]["properties"]["every"]["description"]},
        "weight": {"type": "number", "default": 10.0, "description": "Its factor."},
        "label": {"type": "string", "default": "p", "description": "What the log calls it."},
        "on": {"type": "boolean", "default": False, "description": "Whether it acts."},
        "inner": {
            "anyOf": [
                {
                    "type": "object",
                    "description": "A block within a block.",
                    "properties": {
                        "rate": {"type": "number", "default": 0.5, "description": "How fast."}
                    },
                    "additionalProperties": False,
                },
                {"type": "null"},
            ],
            "default": None,
            "description": "A block of options.",
        },
    }
    assert blocks["penalty"] == {
        "type": "object",
        "description": "A penalty.",
        "properties": {"type": {"const": "penalty"}, **options},
        "required": ["type"],
        "additionalProperties": False,
    }
    assert untyped == {"type": "object", "properties": options, "additionalProperties": False}


def test_limits_and_choices_are_in_it(schema) -> None:
    _, datasets, _ = variants(schema, "dataset")
    _, losses, _ = variants(schema, "loss")
    assert datasets["dots"]["properties"]["density"] == {
        "type": "number",
        "default": 0.5,
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "description": "Share of the pixels that are set.",
    }
    assert losses["hinge"]["properties"]["mode"]["enum"] == ["soft", "hard"]


def test_a_fallback_is_a_dataset(schema) -> None:
    _, datasets, _ = variants(schema, "dataset")
    assert datasets["dots"]["properties"]["fallback"]["anyOf"] == [
        {"$ref": "#/$defs/dataset"},
        {"type": "null"},
    ]


def test_sections_take_one_or_many_as_the_reader_does(schema) -> None:
    one = {"$ref": "#/$defs/conditioning"}
    many = {"type": "array", "items": one}
    roles = {role: {"anyOf": [one, many]} for role in ("generator", "discriminator")}
    sections = schema["properties"]
    assert sections["dataset"]["anyOf"] == [{"$ref": "#/$defs/dataset"}]
    assert sections["conditioning"]["anyOf"] == [
        one,
        many,
        {
            "type": "object",
            "properties": roles,
            "required": ["generator", "discriminator"],
            "additionalProperties": False,
        },
    ]


def test_intervals_are_text(schema) -> None:
    assert schema["properties"]["train"]["properties"]["log_every"] == {
        "type": ["string", "null"],
        "examples": ["1 epoch", "500 steps", "never"],
        "default": "50 steps",
        "description": "How often a line is written to the log, such as ``50 steps`` or ``never``.",
    }


def test_an_optimizer_has_a_block_for_each_network(schema) -> None:
    names, blocks, untyped = variants(schema, "optimizer")
    assert names == ["adam", "adamw", "rmsprop", "sgd"]
    assert list(blocks["sgd"]["properties"]) == [
        "type",
        "lr",
        "weight_decay",
        "momentum",
        "generator",
        "discriminator",
    ]
    assert {"generator", "lr", "betas", "momentum"} <= set(untyped["properties"])
    assert blocks["adam"]["properties"]["betas"]["maxItems"] == 2
