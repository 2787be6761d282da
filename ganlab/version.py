"""The version of ganlab."""

__version__ = "0.1.0"
