"""Checks of what every component declares: name, description and options."""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from ganlab.components import KINDS
from ganlab.config.reader import read
from ganlab.config.writer import to_yaml
from ganlab.options import Component
from ganlab.testing.report import Findings

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
REQUIRED_METHODS = {
    "dataset": ("read",),
    "generator": ("build",),
    "discriminator": ("build",),
    "loss": ("d", "g"),
    "metric": ("compute",),
    "extractor": ("load",),
}
"""Methods that a component must implement, by kind."""


def check_declared(found: Findings, cls: type[Component]) -> bool:
    """Check a class's name and docstring; return whether it implements all required methods."""
    complete = True
    with found.group("name and description"):
        name = getattr(cls, "name", None)
        legal = isinstance(name, str) and NAME.fullmatch(name) is not None
        found.expect(legal, "name", "lower-case words joined by hyphens", repr(name))
        doc = (vars(cls).get("__doc__") or "").strip()
        found.expect(bool(doc), cls.__name__, "a docstring that says what it is", "nothing")
        base = KINDS[cls.kind]
        for method in REQUIRED_METHODS.get(cls.kind, ()):
            if getattr(cls, method) is getattr(base, method):
                complete = False
                found.fail(f"{method}()", "expected to be written, got the one of the base class")
    return complete


def check_options(found: Findings, cls: type[Component], given: Component | None) -> bool:
    """Check that options are documented and unchanged by YAML.

    Return whether the component can be instantiated.
    """
    count = len(cls.model_fields)
    with found.group(
        "options", f"{count} documented, unchanged by YAML" if count else "it has no options"
    ):
        for option, info in cls.model_fields.items():
            doc = bool((info.description or "").strip())
            found.expect(doc, f"option '{option}'", "a docstring below it", "nothing")
        required = [o for o, info in cls.model_fields.items() if info.is_required()]
        if given is None and required:
            found.groups[-1].note += f"; it needs {_quoted(required)}, which have no default"
            return False
        with found.guarded(cls.__name__):
            component = given or cls(**getattr(cls, "for_tests", {}))
            _round_trip(found, cls, component)
            if given is None:
                _round_trip(found, cls, cls())
            return True
    return False


def _round_trip(found: Findings, cls: type[Component], component: Component) -> None:
    data: dict[str, Any] = component.model_dump(mode="json")
    read_back = read(to_yaml(data), "yaml").data or {}
    for option in cls.model_fields:
        got = read_back.get(option)
        same = got == data[option]
        found.expect(same, f"option '{option}'", f"{data[option]!r} from its YAML", repr(got))
    try:
        again = cls(**read_back)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            option = ".".join(map(str, one["loc"])) or cls.__name__
            found.fail(
                f"option '{option}'", f"expected to be read back from YAML, got {one['msg']}"
            )
        return
    for option in cls.model_fields:
        before, after = getattr(component, option), getattr(again, option)
        same = before == after
        found.expect(same, f"option '{option}'", f"{before!r} from its YAML", repr(after))


def _quoted(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
