"""The card of a fitted model with pretrained weights."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leanet.config.weight_sources import file_of
from leanet.fit import fit


def test_the_card_names_the_pretrained_weights(configure: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    fit({**configure(tmp_path, "adn=frozen", "adn.stages=[4]", "fold=null"), "crossvalidate": False})
    (folder,) = tmp_path.glob("models/*")
    (weights,) = json.loads((folder / "card.json").read_text())["weights"]
    digest = hashlib.sha256(file_of("bundled").read_bytes()).hexdigest()
    assert (weights["model"], weights["weights"], weights["sha256"]) == ("tf_efficientnet_lite0", "bundled", digest)
    text = (folder / "card.md").read_text()
    assert "## Pretrained weights" in text and f"{digest[:12]}…" in text and "Apache-2.0" in text


def test_the_card_has_what_makes_the_model_and_claims_no_cross_validation(
    configure: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    words = (
        "adn=frozen",
        "adn.stages=[3,4]",
        "adn.strength=1",
        "adn.map_statistics=true",
        "map=patchcore",
        "fold=null",
    )
    fit({**configure(tmp_path, *words, "map.layers=[3]", "map.coreset=0.05"), "crossvalidate": False})
    (file,) = tmp_path.glob("models/*/card.json")
    card = json.loads(file.read_text())
    meant = {
        "adn.stages": [3, 4],
        "adn.strength": 1,
        "adn.map_statistics": True,
        "map.layers": [3],
        "map.coreset": 0.05,
    }
    assert meant.items() <= card["settings"].items()
    assert not any("cross-validated" in limit for limit in card["limits"])
