"""LEA-Net: colour anomaly detection with layer-wise external attention (Katafuchi & Tokunaga 2021).

From Python: `leanet.crossvalidate` and `leanet.fit` train on images and labels, `leanet.load` loads a trained model,
`leanet.results` reads all scores into a pandas table. `leanet.ciede2000` is the colour difference, and
`leanet.ExternalAttention` applies an attention map to any network.

>>> import leanet, torch
>>> lab1, lab2 = torch.tensor([50, 2.5, 0]), torch.tensor([50, 0, -2.5])
>>> print(f"{leanet.ciede2000(lab1[:, None, None], lab2[:, None, None]).item():.4f}")
4.3065
"""

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from leanet.version import __version__ as __version__

if TYPE_CHECKING:
    from leanet.color import ciede2000
    from leanet.detector.attention import ExternalAttention
    from leanet.model.load import Model, Predictions, load
    from leanet.model.python_api import crossvalidate, fit, results

if sys.platform == "win32":
    _ONLY = "leanet runs on Linux and macOS; on Windows, install it in WSL"
    if Path(sys.argv[0]).stem.partition("-")[0] == "leanet":  # a command that pip installed
        sys.exit(_ONLY)
    raise ImportError(_ONLY, name=__name__)  # `python -m` shows it in one line

__all__ = ["ExternalAttention", "Model", "Predictions", "ciede2000", "crossvalidate", "fit", "load", "results"]

# The module of each name, which is imported at first use, so that `import leanet` does not import torch.
_HOMES = {
    "ExternalAttention": "leanet.detector.attention",
    "Model": "leanet.model.load",
    "Predictions": "leanet.model.load",
    "ciede2000": "leanet.color",
    "crossvalidate": "leanet.model.python_api",
    "fit": "leanet.model.python_api",
    "load": "leanet.model.load",
    "results": "leanet.model.python_api",
}


class _Package(ModuleType):
    """Keeps `leanet.fit` the function after somebody has imported the command's module of the same name."""

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name == "fit" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
