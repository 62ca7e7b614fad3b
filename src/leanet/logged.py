"""What loggers are told, by name; known to reports without anything heavy."""

from collections.abc import Mapping
from typing import Any

FOLD, COLORIZER = "fold", "colorizer"  # what is logged: {job} in a logger's configuration


def figures(result: Mapping[str, Any]) -> dict[str, float]:
    """The test fold's figures under the names that loggers are told: test/adn_f1, test/caan_auroc, test/floor…

    `validation/adn_…` where images were held out.
    """
    heads = {"test/adn": result, "test/caan": result["caan"], "validation/adn": result.get("validation")}
    found = {f"{head}_{key}": own[key] for head, own in heads.items() if own for key in ("f1", "auroc", "ap")}
    return {**found, "test/adn_collapsed": float(result["collapsed"]), "test/floor": result["floor"]}
