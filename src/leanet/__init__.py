"""LEA-Net: colour anomaly detection with layer-wise external attention (Katafuchi & Tokunaga 2021)."""

__version__ = "0.1.0"
