"""What loggers are told, by name; known to reports without anything heavy."""

from collections.abc import Mapping
from typing import Any

FOLD, COLORIZER = "fold", "colorizer"  # what is logged: {job} in a logger's configuration


def figures(result: Mapping[str, Any]) -> dict[str, float]:
    """The test fold's figures under the names that loggers are told: test/adn_f1, test/combined_auroc, test/floor…

    `validation/adn_…` where images were held out, and nothing of a test fold where there was none.
    """
    tested = result if "f1" in result else None
    heads = {f"test/{head}": result.get(head) for head in ("caan", "combined", "weighted")}
    heads |= {"test/adn": tested, "validation/adn": result.get("validation")}
    found = {f"{head}_{key}": own[key] for head, own in heads.items() if own for key in ("f1", "auroc", "ap")}
    if tested:
        found |= {"test/adn_collapsed": float(tested["collapsed"]), "test/floor": tested["floor"]}
        if tested.get("attention_sd") is not None:
            found["test/attention_sd"] = tested["attention_sd"]
    return found
