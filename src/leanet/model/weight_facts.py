"""Facts about a run's pretrained weights, without loading them: network, source, size, input, licence."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import TypedDict

import timm
from tabulate import tabulate
from torch import nn

from leanet.config.map_settings import MapSettings
from leanet.config.settings import AdnSettings, CaanSettings, Node
from leanet.config.weight_sources import BUNDLED, BUNDLED_LICENCE, BUNDLED_PACKAGE, IMAGENET, digest_of
from leanet.detector.build import detector_of
from leanet.detector.caan import TimmCaan
from leanet.detector.inputs import CHANNELS
from leanet.detector.lea_net import LeaNet
from leanet.detector.pretrained import names_in_backbone
from leanet.errors import LeanetError
from leanet.maps.features.extractor import Extractor
from leanet.model.summary import without_memory
from leanet.runs.run import Run

_DIGITS = 12  # of a SHA-256 that tables show


class WeightFacts(TypedDict):
    """The pretrained weights of one network.

    Args:
        part: `ADN`, `CAAN`, or the map's name, `padim` or `patchcore`.
        model: the network's name in timm.
        weights: `imagenet`, `bundled` or a file.
        source: timm's identifier of the weights, or the package with its version; None for a file.
        sha256: of the file; None for timm's weights, or if the file is not on this machine.
        parameters: number of pretrained parameters, without a new classifier.
        points: names of the modules at the five attention points, None where there is none; for a map, timm's indices
            of its layers.
        mean: of R, G and B, by which images in 0…1 are standardised; None for networks whose input is a map.
        deviation: SDs of R, G and B; None like `mean`.
        licence: of the weights; None if it is not known, as for a file.
        origin: addresses and articles.
    """

    part: str
    model: str
    weights: str
    source: str | None
    sha256: str | None
    parameters: int
    points: Sequence[str | int | None]
    mean: Sequence[float] | None
    deviation: Sequence[float] | None
    licence: str | None
    origin: Sequence[str]


def unloaded(run: Run) -> LeaNet:
    """The run's detector on the meta device: it has shapes but no weights, and nothing is downloaded."""
    adn, caan = run.settings.adn, run.settings.caan
    settings = replace(
        run.settings,
        adn=replace(adn, network=_new(adn.network), weights=None),
        caan=replace(caan, network=caan.network and _new(caan.network), weights=None),
    )
    return without_memory(lambda: detector_of(settings, run.fold))


def _new(node: Node) -> Node:
    return {**node, "pretrained": False} if "pretrained" in node else node


def weight_facts(run: Run, network: LeaNet) -> list[WeightFacts]:
    """Facts about all pretrained weights of a run.

    Args:
        run: the run.
        network: its detector, which may be on the meta device as `unloaded` returns it.

    Returns:
        one entry for each network with pretrained weights.
    """
    settings, adn, caan = run.settings, network.adn, network.caan
    found = []
    if adn.model is not None and (weights := _weights(settings.adn)):
        colours = CHANNELS[network.sees] >= 3
        found.append(_facts("ADN", adn.model, weights, _pretrained(adn.backbone, adn.model), adn.points, colours))
    if isinstance(caan, TimmCaan) and (weights := _weights(settings.caan)):
        size = _pretrained(caan.network, caan.model)
        found.append(_facts("CAAN", caan.model, weights, size, caan.points, colours=False))
    if run.settings.makes_maps and settings.map.is_of_features and (weights := _map_weights(settings.map)):
        found.append(_map_facts(settings.map, weights, settings.image_size))
    return found


def _weights(group: AdnSettings | CaanSettings) -> str | None:
    return group.weights or (IMAGENET if (group.network or {}).get("pretrained") else None)


def _map_weights(maps: MapSettings) -> str | None:
    return maps.weights or (IMAGENET if maps.pretrained else None)


def _pretrained(backbone: nn.Module, model: str) -> int:
    names = set(names_in_backbone(backbone, model))
    return sum(parameter.numel() for name, parameter in backbone.named_parameters() if name in names)


def _map_facts(maps: MapSettings, weights: str, image_size: int) -> WeightFacts:
    model, layers = maps.network, maps.layers
    assert model is not None and layers is not None  # checked by settings_of
    network = without_memory(lambda: Extractor(model, layers, image_size, pretrained=False)).network
    size = sum(parameter.numel() for parameter in network.parameters())
    return _facts(maps.name, model, weights, size, layers, colours=True)


def _facts(
    part: str, model: str, weights: str, parameters: int, points: Sequence[str | int | None], colours: bool
) -> WeightFacts:
    config = timm.get_pretrained_cfg(model, allow_unregistered=True)
    assert config is not None  # since timm has the network
    source: str | None = None
    licence: str | None = None
    origin: list[str] = []
    if weights == BUNDLED:
        source, licence = _package(), BUNDLED_LICENCE
    elif weights == IMAGENET:
        source, licence = config.hf_hub_id or str(config.url or "") or None, config.license
        articles = config.paper_ids or ()
        origin = [*filter(None, [config.origin_url]), *([articles] if isinstance(articles, str) else articles)]
    return WeightFacts(
        part=part,
        model=model,
        weights=weights,
        source=source,
        sha256=_digest(weights),
        parameters=parameters,
        points=list(points),
        mean=list(config.mean) if colours else None,
        deviation=list(config.std) if colours else None,
        licence=licence,
        origin=origin,
    )


def _package() -> str:
    try:
        return f"{BUNDLED_PACKAGE} {version(BUNDLED_PACKAGE)}"
    except PackageNotFoundError:
        return f"{BUNDLED_PACKAGE}, not installed here"


def _digest(weights: str) -> str | None:
    if weights == IMAGENET:
        return None
    try:
        return digest_of(weights)
    except (LeanetError, OSError):  # reported when they are used for training
        return None


def weights_table(facts: Sequence[WeightFacts]) -> str:
    """A Markdown table with a column for each network; rows without any value are left out."""
    lines = {
        "network in timm": [each["model"] for each in facts],
        "weights": [": ".join(filter(None, (each["weights"], each["source"]))) for each in facts],
        "SHA-256": [_beginning(each) for each in facts],
        "pretrained parameters": [f"{each['parameters']:,}" for each in facts],
        "points, or layers of a map": [_listed(each["points"]) for each in facts],
        "mean of R, G, B": [_listed(each["mean"] or ()) for each in facts],
        "SD of R, G, B": [_listed(each["deviation"] or ()) for each in facts],
        "licence of the weights": [each["licence"] or "not known" for each in facts],
        "see also": [", ".join(each["origin"]) for each in facts],
    }
    rows = [[name, *(value or "-" for value in values)] for name, values in lines.items() if any(values)]
    headers = ["", *(each["part"] for each in facts)]
    return tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True)


def _beginning(facts: WeightFacts) -> str:
    if facts["sha256"] is None:
        return "" if facts["weights"] == IMAGENET else "no such file here"
    return f"{facts['sha256'][:_DIGITS]}…"


def _listed(values: Sequence[object]) -> str:
    return ", ".join("-" if value is None else str(value) for value in values)
