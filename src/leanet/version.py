"""The version of leanet, which hatchling reads here and results record."""

__version__ = "0.1.0"
