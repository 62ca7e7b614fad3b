"""Check that the user's own code is there, before anything heavy is imported."""

from importlib.util import find_spec

from leanet.config.settings import Settings
from leanet.errors import LeanetError


def check_modules(settings: Settings) -> None:
    """Raise LeanetError if a `_target_` that the runs build is in a module that Python does not find."""
    nodes = {"dataset": settings.dataset, "adn": settings.adn.network, "caan": settings.caan.network or {}}
    nodes |= {"logger": settings.logger} | ({"colorizer": settings.colorizer.network} if settings.has_colorizer else {})
    for group, node in nodes.items():
        target = str(node.get("_target_", ""))
        module = target.partition(".")[0]
        if module and find_spec(module) is None:
            raise LeanetError(
                f"{group}._target_={target}: there is no module {module}; put {module}.py into the folder where you "
                "start the command, or install it"
            )
