"""Silence messages of libraries that users do not need."""

import logging
import warnings


def quiet() -> None:
    """Silence Lightning's messages on devices, tips and deprecations, and torch's on gradient strides and processes."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning", "torch.multiprocessing.spawn"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec.*")
    warnings.filterwarnings("ignore", message="Grad strides do not match")
