"""The W&B project to log to. Does not import wandb, which is slow."""

from dataclasses import dataclass
from typing import Annotated

from leanet.config.rules import BOOLEAN, TEXT


@dataclass(frozen=True)
class Destination:
    """Project and account.

    Args:
        project: of W&B.
        entity: user or team; None: W&B's default.
        offline: whether to write files for `wandb sync` instead of sending them.
    """

    project: Annotated[str, TEXT]
    entity: Annotated[str | None, TEXT]
    offline: Annotated[bool, BOOLEAN]
