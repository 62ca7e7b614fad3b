"""python -m leanet.info: print the networks of a configuration, their features, parameters and FLOPs."""

from typing import Any

from leanet.config.command_line import run_command
from leanet.config.effective import settings_of
from leanet.errors import LeanetError
from leanet.runs.run import Run


def info(config: dict[str, Any]) -> None:
    """Print the networks that `leanet.train` would train. No image is read and nothing is written.

    Args:
        config: resolved configuration of conf/info.yaml.

    Raises:
        LeanetError: settings that do not fit, or networks that do not fit the image size.
    """
    settings = settings_of(config)
    run = Run(settings, fingerprint="", fold=settings.fold or 1)
    try:
        print(_page(run))
    except (RuntimeError, ValueError) as error:  # raised by networks for sizes that do not fit
        raise LeanetError(f"{run.model} at {settings.image_size} pixels: {str(error).splitlines()[0]}") from error


def _page(run: Run) -> str:
    # Here, since they import torch: mistakes in the settings are reported before.
    from leanet.colorizer.build import colorizer_of
    from leanet.model.summary import describe, without_memory
    from leanet.model.weight_facts import unloaded, weight_facts, weights_table

    settings, size, network = run.settings, run.settings.image_size, unloaded(run)
    colorizer = without_memory(lambda: colorizer_of(settings.colorizer, size)) if run.settings.has_colorizer else None
    names = {"ADN": settings.adn.name, "CAAN": settings.caan.name, "colorizer": settings.colorizer.name}
    weights = weight_facts(run, network)
    described = describe(network, colorizer, size, names, weights_table(weights) if weights else "")
    return f"{run.model}, {size} × {size} pixels\n\n{described}"


def main() -> None:
    run_command(info, "info")


if __name__ == "__main__":
    main()
