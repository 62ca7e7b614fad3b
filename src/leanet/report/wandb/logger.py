"""Lightning's W&B logger for runs that may be killed: every epoch once, whichever process told it."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import wandb
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from leanet.report.wandb import cell, session
from leanet.report.wandb.destination import Destination
from leanet.runs.run import Run


class ResumableWandbLogger(WandbLogger):
    """What leanet.runs.loggers tells a logger that can take it: epochs from the start, folders, and the cell."""

    def __init__(self, project: str, entity: str | None, offline: bool, id: str, save_dir: str, **given: Any) -> None:
        """`given`: of wandb.init, such as group and job_type.

        Raises:
            LeanetError: W&B would ask for a key.
        """
        session.check_account(offline)
        super().__init__(project=project, id=id, save_dir=save_dir, offline=offline, entity=entity, **given)
        self._destination, self._given = Destination(project, entity, offline), given

    def __getstate__(self) -> dict[str, Any]:
        """Each of several processes begins, and ends, its own part in W&B's run."""
        return {**self.__dict__, "_experiment": None}

    @property
    @rank_zero_experiment
    def experiment(self) -> wandb.Run:
        if self._experiment is None:
            to, folder = self._destination, Path(str(self.save_dir))
            places = {"project": to.project, "entity": to.entity}
            self._experiment = session.begin(folder, to.offline, str(self._id), **places, **self._given)
        return self._experiment  # type: ignore[return-value]

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """An epoch's losses, which Lightning counts from 0, or a run's figures."""
        if "epoch" in metrics:
            session.log_epochs(self.experiment, [{**metrics, "epoch": metrics["epoch"] + 1}])
        else:
            self.experiment.summary.update(dict(metrics))

    @rank_zero_only
    def log_epochs(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Those before the one that a fit goes on with."""
        session.log_epochs(self.experiment, rows)

    @rank_zero_only
    def log_folder(self, folder: Path) -> None:
        """What a finished run or colorizer left, with which W&B's run ends."""
        session.log_folder(self.experiment, folder)
        self.experiment.finish()
        self._experiment = None

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Lightning says so after every fit, with which W&B's run ends only if it went wrong."""
        if status != "success" and self._experiment is not None:
            self.experiment.finish(exit_code=1)
            self._experiment = None

    @rank_zero_only
    def log_cell(self, run: Run) -> None:
        """The summary of the run's cell, one of whose folds was finished."""
        cell.log_cell_of(run, self._destination)
