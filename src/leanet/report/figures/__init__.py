"""Figures of finished runs: the paper's figures and additional ones."""
