"""Anomaly maps from features of a frozen network: PaDiM and PatchCore."""
