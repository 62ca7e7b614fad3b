"""Anomaly maps of a fold, made once by map makers that are fitted on its normal training images."""
