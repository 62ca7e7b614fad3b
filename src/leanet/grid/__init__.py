"""Grids: many cells at once, planned, run in separate processes, and resumed after any interruption."""
