"""Names of logged values. Imports no torch, since reports use them too."""

from collections.abc import Mapping
from typing import Any

FOLD, COLORIZER = "fold", "colorizer"  # the values of {job} in a logger's configuration


def figures(result: Mapping[str, Any]) -> dict[str, float]:
    """The scores of a result by the names that loggers receive, such as test/adn_f1, test/combined_auroc, test/floor.

    Args:
        result: the content of result.json.

    Returns:
        `test/…` if there was a test fold, and `validation/adn_…` if there were validation images.
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
