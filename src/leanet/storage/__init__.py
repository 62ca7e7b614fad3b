"""Files that are whole or absent, locks, and weights on disk."""
