"""Hyper-parameter search with Optuna, judged by validation images."""
