"""Atomic files, locks, and weights on disk."""
