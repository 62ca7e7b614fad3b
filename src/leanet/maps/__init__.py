"""Anomaly maps: made once, from what a fold's normal images taught."""
