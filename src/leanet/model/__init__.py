"""Trained detectors at work on new images."""
