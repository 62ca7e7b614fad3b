"""The settings, their checks, and the command line."""
