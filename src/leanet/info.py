"""python -m leanet.info: the networks of a configuration, their sizes at the attention points, parameters, FLOPs."""

from dataclasses import replace
from typing import Any

from leanet import command
from leanet.effective import settings_of
from leanet.errors import LeanetError
from leanet.runs import Run
from leanet.settings import Node, Settings


def info(config: dict[str, Any]) -> None:
    """Print what `leanet.train` with the same configuration would train; no image is read and nothing written."""
    settings = settings_of(config)
    run = Run(settings, fingerprint="", fold=settings.fold or 1)
    try:
        print(_page(run, _without_weights(settings)))
    except (RuntimeError, ValueError) as error:  # of the networks themselves: sizes that do not fit
        raise LeanetError(f"{run.model} at {settings.image_size} pixels: {str(error).splitlines()[0]}") from error


def _page(run: Run, settings: Settings) -> str:
    # Here, since they import torch: mistakes in the settings are told by now.
    from leanet.colorizer.build import colorizer_of
    from leanet.detector.build import detector_of
    from leanet.report.parts import without_memory
    from leanet.report.summary import describe

    size = settings.image_size
    network = without_memory(lambda: detector_of(settings, run.fold))
    colorizer = without_memory(lambda: colorizer_of(settings.colorizer, size)) if run.has_colorizer else None
    names = {"ADN": settings.adn.name, "CAAN": settings.caan.name, "colorizer": settings.colorizer.name}
    return f"{run.model}, {size} × {size} pixels\n\n{describe(network, colorizer, size, names)}"


def _without_weights(settings: Settings) -> Settings:
    """The same networks with new weights: their sizes are the same, and nothing has to be downloaded."""
    adn, caan = settings.adn, settings.caan
    return replace(
        settings,
        adn=replace(adn, network=_new(adn.network)),
        caan=replace(caan, network=caan.network and _new(caan.network)),
    )


def _new(node: Node) -> Node:
    return {**node, "pretrained": False} if "pretrained" in node else node


def main() -> None:
    command.run(info, "info")


if __name__ == "__main__":
    main()
