"""A run and a cell: their identity, their folders and their logger."""
