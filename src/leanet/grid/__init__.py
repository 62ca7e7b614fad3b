"""Grids: many cells at once, planned, done in processes of their own, and gone on with after whatever happens."""
