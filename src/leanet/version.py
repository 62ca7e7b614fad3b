"""The version of the program: hatchling reads it here, and results record it."""

__version__ = "0.1.0"
