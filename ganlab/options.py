"""Base classes of options and components: frozen, typed, and closed to unknown keys."""

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
                        f"{cls.__name__}.{option}: an option may not have the name of "
                        f"{base.__name__}.{option}; rename it"
                    )


class Component(Options):
    """Base class of everything that an experiment selects by name."""

    kind: ClassVar[str]
    """Set by the base class of each kind."""

    name: ClassVar[str]
    """The name in the YAML: lower-case words joined by hyphens, unique within its kind."""

    paper: ClassVar[str] = ""
    """The source: authors, year, arXiv id, equation."""

    for_tests: ClassVar[dict[str, Any]] = {}
    """Options that make the component small and fast; `ganlab check` and tests use them."""

    @classmethod
    def facts(cls) -> dict[str, str]:
        """Return additional information for listings, as {heading: text}."""
        return {}
