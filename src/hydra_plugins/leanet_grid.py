"""hydra/sweeper=grid, where Hydra looks for plugins. Imports little: every start of every command reads this file."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """Plans and does a grid; its settings are explained in conf/hydra/sweeper/grid.yaml."""

    def __init__(
        self,
        products: list[dict[str, Any]],
        everywhere: dict[str, Any],
        dry_run: bool,
        retry: bool,
        jobs_per_gpu: int | str,
        mps: bool = False,
        against: str | None = None,
    ) -> None:
        self.products = [{**everywhere, **product} for product in products or [{}]]
        self.dry_run = dry_run
        self.retry = retry
        self.jobs_per_gpu = jobs_per_gpu
        self.mps = mps
        self.against = against

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config

    def sweep(self, arguments: list[str]) -> None:
        from leanet.grid.sweeper import Grid

        assert self.hydra_context is not None and self.config is not None
        grid = Grid.of(self.hydra_context, self.config, self.products, arguments, self.jobs_per_gpu, self.against)
        if self.dry_run:
            grid.show()
        else:
            grid.do(self.retry, self.mps)
