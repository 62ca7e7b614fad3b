"""What libraries print at every start, and a user has no need of."""

import logging
import warnings


def quiet() -> None:
    """Lightning tells about devices, tips and deprecations, torch about gradients' layout and whom it stops."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning", "torch.multiprocessing.spawn"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        logger.propagate = False
    warnings.filterwarnings("ignore", module="lightning")
    warnings.filterwarnings("ignore", message=".*LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*isinstance\\(treespec.*")
    warnings.filterwarnings("ignore", message="Grad strides do not match")
