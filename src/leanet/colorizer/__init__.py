"""Colour reconstruction: the U-Net, its training, and the anomaly maps of a fold."""
