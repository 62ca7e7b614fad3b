"""hydra/sweeper=grid, where Hydra looks for plugins. Imports little: every start of every command reads this file."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class GridSweeper(Sweeper):
    """Plans and does a grid of leanet.train; other commands are started once for each cell.

    The settings are explained in conf/hydra/sweeper/grid.yaml.
    """

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
        self.task = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> None:
        from leanet.config.conf_files import OF_GRIDS
        from leanet.grid.sweeper import Grid

        assert self.hydra_context is not None and self.config is not None
        if self.config.hydra.job.config_name != OF_GRIDS:
            return self._repeat(arguments)
        grid = Grid.of(self.hydra_context, self.config, self.products, arguments, self.jobs_per_gpu, self.against)
        if self.dry_run:
            grid.show()
        else:
            grid.do(self.retry, self.mps)

    def _repeat(self, arguments: list[str]) -> None:
        """Start the command for each cell, as leanet.fit and leanet.info need it; a dry run prints the overrides."""
        from leanet.grid.launchers import launch_of
        from leanet.grid.products import expand

        assert self.hydra_context is not None and self.config is not None
        cells = [list(words) for words in expand(self.products, arguments)]
        if self.dry_run:
            return print("\n".join(" ".join(words) for words in cells))
        self.validate_batch_is_legal(cells)
        for outcome in launch_of(self.hydra_context, self.config, self.task)(cells, initial_job_idx=0):
            _ = outcome.return_value  # raises the error of a job that failed
