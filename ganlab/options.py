"""The base of everything that can be set in an experiment: frozen, typed, nothing unknown."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """A group of options. Its fields are its YAML keys; a string below a field documents it."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
        protected_namespaces=(),
    )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for option in cls.model_fields:
            for base in cls.__mro__[1:]:
                if option in vars(base) and option not in getattr(base, "model_fields", {}):
                    raise TypeError(
                        f"{cls.__name__}.{option}: an option may not be called like "
                        f"{base.__name__}.{option}; rename it"
                    )


class Component(Options):
    """Something that an experiment names."""

    kind: ClassVar[str]
    """Set by the base class of each kind."""

    name: ClassVar[str]
    """What the YAML calls it: lower case, words joined by hyphens, unique in its kind."""

    paper: ClassVar[str] = ""
    """Where it comes from: authors, year, arXiv id, equation."""

    for_tests: ClassVar[dict[str, Any]] = {}
    """Options that make it small, and quick to act: what `ganlab check` and tests try it with."""

    @classmethod
    def facts(cls) -> dict[str, str]:
        """Return what else a listing says of it, by heading."""
        return {}
