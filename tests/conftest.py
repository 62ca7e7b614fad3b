import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"

from leanet.config.command_line import CONF  # after the environment is set

Configure = Callable[..., dict[str, Any]]

# Small enough for seconds on one core, with everything in it.
TINY = (
    "dataset.image_size=32",
    "dataset.negatives=24",
    "dataset.positives=12",
    "trainer.max_epochs=6",
    "trainer.checkpoint_seconds=0",
    "colorizer.max_epochs=3",
    "folds=2",
    "fold=1",
    "adn.lr=1e-3",
)


@pytest.fixture(scope="session")
def tiny() -> tuple[str, ...]:
    """Overrides for a run that takes seconds."""
    return TINY


@pytest.fixture(scope="session")
def configure() -> Configure:
    """configure(home, "point=2", …) → the resolved configuration of TINY and those, with its runs under home."""

    def composed(home: Path, *overrides: str) -> dict[str, Any]:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            config = compose("train", overrides=[f"paths.runs={home}", *TINY, *overrides])
        container: Any = OmegaConf.to_container(config, resolve=True)
        return container

    return composed
