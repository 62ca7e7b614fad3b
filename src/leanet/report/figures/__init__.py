"""Figures of finished runs: the paper's, and those that it has none of."""
