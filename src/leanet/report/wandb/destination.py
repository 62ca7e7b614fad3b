"""Where W&B's runs go; imports nothing of W&B, so that other reports need not wait for it."""

from dataclasses import dataclass
from typing import Annotated

from leanet.config.rules import BOOLEAN, TEXT


@dataclass(frozen=True)
class Destination:
    """`entity`, a user or a team, is None for W&B's own default; `offline` writes files for `wandb sync`."""

    project: Annotated[str, TEXT]
    entity: Annotated[str | None, TEXT]
    offline: Annotated[bool, BOOLEAN]
