"""hydra/sweeper=optuna, where Hydra looks for plugins. Imports little: every start of every command reads this file."""

from typing import Any

from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class SearchSweeper(Sweeper):
    """Searches for settings of leanet.train by the scores on validation images.

    The settings are explained in conf/hydra/sweeper/optuna.yaml.
    """

    def __init__(self, params: dict[str, Any], dry_run: bool, **options: Any) -> None:
        self.params = params
        self.dry_run = dry_run
        self.options = options

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config

    def sweep(self, arguments: list[str]) -> None:
        from leanet.config.conf_files import OF_GRIDS
        from leanet.config.messages import no_extra
        from leanet.errors import LeanetError

        assert self.hydra_context is not None and self.config is not None
        if self.config.hydra.job.config_name != OF_GRIDS:
            raise LeanetError("hydra/sweeper=optuna is for leanet.train; other commands take its result")
        try:
            from leanet.search.search import Search
        except ModuleNotFoundError as error:
            if error.name != "optuna":
                raise
            raise LeanetError(no_extra("search", "hydra/sweeper=optuna")) from None
        search = Search.of(self.hydra_context, self.config, self.params, arguments, **self.options)
        if self.dry_run:
            search.show()
        else:
            search.do()
