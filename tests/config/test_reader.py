from __future__ import annotations

import math

import pytest

from ganlab.config.reader import read
from ganlab.config.writer import to_yaml
from ganlab.errors import ConfigError


def problems(text: str) -> list[str]:
    return [str(problem) for problem in read(text, "a.yaml").problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("off", "off"),
        ("~", None),
        ("null", None),
        ("", None),
        ("1e-4", 1e-4),
        ("1e4", 1e4),
        ("2.", 2.0),
        (".5", 0.5),
        ("-1.5E+2", -150.0),
        ("017", 17),
        ("0o17", 15),
        ("0x1f", 31),
        ("10_000", 10_000),
        ("1_000.5", 1000.5),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("-.inf", -math.inf),
        ("'5'", "5"),
        ("!!str 5", "5"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    read_value = read(f"a: {text}", "a.yaml").data["a"]
    assert (read_value, type(read_value)) == (value, type(value))


def test_a_bare_scalar_is_a_document() -> None:
    assert read("1e-4", "-s").data == 1e-4
    assert read("", "-s").data is None


def test_every_value_has_the_line_of_its_key() -> None:
    document = read(
        "# a comment\na: 1\nb:\n  - x\n  - {c: 2,\n     d: 3}\ne:\n  f: |\n    text\n", "a.yaml"
    )
    assert document.data == {"a": 1, "b": ["x", {"c": 2, "d": 3}], "e": {"f": "text\n"}}
    assert document.lines == {
        (): 2,
        ("a",): 2,
        ("b",): 3,
        ("b", 0): 4,
        ("b", 1): 5,
        ("b", 1, "c"): 5,
        ("b", 1, "d"): 6,
        ("e",): 7,
        ("e", "f"): 8,
    }


def test_keys_are_text_as_written() -> None:
    assert read("{1: a, true: b, on: c}", "a.yaml").data == {"1": "a", "true": "b", "on": "c"}


def test_a_merged_value_has_the_line_of_its_anchor() -> None:
    document = read("a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\nc: *a\n", "a.yaml")
    assert document.data == {"a": {"x": 1, "y": 2}, "b": {"x": 1, "y": 3}, "c": {"x": 1, "y": 2}}
    assert document.lines[("b", "x")] == 1
    assert document.lines[("b", "y")] == 4
    assert document.lines[("c",)] == 5
    assert document.problems == []


def test_a_key_written_twice_names_both_lines() -> None:
    assert problems("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\na: 4\n") == [
        "a.yaml:6: a: duplicate key, in lines 1 and 6",
        "a.yaml:5: b.c: duplicate key, in lines 3 and 5",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: !!python/name:os.system", "a: the tag '!!python/name:os.system' is not allowed"),
        ("a: !thing {b: 1}", "a: the tag '!thing' is not allowed"),
        ("a: !!int x", "a: 'x' is not a valid int"),
        ("a: &a [*a]", "a.0: an anchor may not contain itself"),
        ("a: {<<: 3}", "a: '<<' takes a mapping or a list of mappings"),
        ("[a, b]: 1", "a key must be text"),
    ],
)
def test_what_no_experiment_needs_is_refused(text: str, problem: str) -> None:
    assert problems(f"\n{text}") == [f"a.yaml:2: {problem}"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: c: d\n", "a.yaml:2: not YAML: mapping values are not allowed here"),
        ("a: [1,\n", "a.yaml:2: not YAML: expected the node content, but found '<stream end>'"),
        (
            "a:\n\tb: 1\n",
            "a.yaml:2: not YAML: found character 'tab' that cannot start any token",
        ),
        ("a: *b\n", "a.yaml:1: not YAML: found undefined alias 'b'"),
        ("a: 1\n---\nb: 2\n", "a.yaml:2: not YAML: but found another document"),
        ("a: 1\nb: \0\n", "a.yaml:2: not YAML: character U+0000 is not allowed"),
    ],
)
def test_bad_syntax_names_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, "a.yaml")
    assert str(caught.value) == f"1 problem in a.yaml\n  {problem}"


def test_what_is_written_reads_back() -> None:
    data = {
        "text": ["yes", "1e4", "0o17", "12:30", "2024-01-01", "017", "", "a: b", "#", "x\ny", "~"],
        "numbers": [1e-8, 1e22, 5, -0.5, 10.0],
        "others": [None, True, False],
        "nested": [{"a": {"b": [1, 2], "c": {}}}, {"d": []}, [[1], [2]]],
    }
    assert read(to_yaml(data), "a.yaml").data == data


def test_notes_stand_behind_the_values() -> None:
    data = {"a": {"b": [1, 2], "c": "x"}, "d": [{"e": 1, "f": 2}]}
    notes = {"a.b": "one", "d.0.f": "two"}
    assert to_yaml(data, notes) == (
        "a:\n  b: [1, 2]  # one\n  c: x\nd:\n  - e: 1\n    f: 2  # two\n"
    )
