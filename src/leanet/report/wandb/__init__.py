"""Runs as W&B shows them: told while they train, or pushed when they are done."""
