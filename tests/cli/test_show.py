from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, PositiveInt

from ganlab.catalog.record import type_of
from ganlab.errors import PluginError
from tests.config.conftest import PARTS

FILE = f"{PARTS}/config_parts.py"


def test_the_components_of_a_kind_have_a_line_each(call) -> None:
    result = call("show", "conditioning")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"beside   Chains in both networks.                        {FILE}\n"
        f"film     Owns the norm site of the generator.            {FILE}\n"
        f"multi    Chains in both networks and replaces the loss.  {FILE}\n"
        f"none     Nothing at all.                                 {FILE}\n"
        f"product  Owns the head of the discriminator.             {FILE}\n"
        f"wrapped  Claims no site: it wraps the loss.              {FILE}\n"
    )


def test_a_component_is_shown_with_its_options(call) -> None:
    assert call("show", "loss", "hinge").stdout == (
        "loss hinge\n\nA loss with a margin.\n\n"
        f"source  {FILE}\n\n"
        "option  type          default  what it is\n"
        "margin  number        1.0      Where it begins.\n"
        "mode    soft or hard  hard     How it bends.\n"
    )
    assert call("show", "loss", "square").stdout == (
        f"loss square\n\nA loss without options.\n\nsource  {FILE}\n\nno options\n"
    )


def test_json_holds_the_paper_and_every_option(call) -> None:
    record = json.loads(call("show", "dataset", "dots", "--json").stdout)
    options = record.pop("options")
    assert record == {
        "kind": "dataset",
        "name": "dots",
        "doc": "Random dots.",
        "paper": "Nobody, 2001",
        "facts": {},
        "source": FILE,
        "file": FILE,
    }
    assert options[-1] == {
        "name": "density",
        "type": "number > 0, < 1",
        "default": "0.5",
        "doc": "Share of the pixels that are set.",
    }
    (angle,) = json.loads(call("show", "dataset", "lines", "--json").stdout)["options"][-1:]
    assert (angle["name"], angle["default"]) == ("angle", "required")
    names = [record["name"] for record in json.loads(call("show", "loss", "--json").stdout)]
    assert names == ["hinge", "square"]


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (float, "number"),
        (PositiveInt | None, "whole number > 0 or null"),
        (list[int | str] | None, "list of (whole number or text) or null"),
        (tuple[float, float], "[number, number]"),
        (Annotated[float, Field(ge=0, lt=1)], "number >= 0, < 1"),
        (Literal["a", "b"], "a or b"),
        (dict[str, Any], "block"),
        (bool, "true or false"),
    ],
)
def test_types_are_words(annotation: Any, words: str) -> None:
    assert type_of(annotation) == words


def test_an_unknown_kind_is_a_usage_error(call) -> None:
    result = call("show", "los")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == ("Error: there is no kind 'los'; did you mean 'loss'?")


def test_an_unknown_name_is_a_usage_mistake(call) -> None:
    error = call("show", "loss", "hing").exception
    assert isinstance(error, PluginError)
    assert (error.exit_code, str(error)) == (2, "there is no loss 'hing'; did you mean 'hinge'?")


def test_a_kind_without_components_says_so(call) -> None:
    assert call("show", "metric").stdout == "none is loaded\n"
