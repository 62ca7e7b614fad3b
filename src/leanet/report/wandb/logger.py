"""Lightning's W&B logger for runs that may be killed and resumed: every epoch is logged once."""

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
    """A W&B logger that also logs earlier epochs, files and cells, as leanet.runs.loggers describes."""

    def __init__(self, project: str, entity: str | None, offline: bool, id: str, save_dir: str, **given: Any) -> None:
        """Create the logger; the W&B run starts at its first use.

        Args:
            project: of W&B.
            entity: user or team; None: W&B's default.
            offline: whether to write files for `wandb sync`.
            id: of the W&B run.
            save_dir: for W&B's files.
            given: further arguments of wandb.init, such as group and job_type.

        Raises:
            LeanetError: W&B would ask for a key.
        """
        session.check_account(offline)
        super().__init__(project=project, id=id, save_dir=save_dir, offline=offline, entity=entity, **given)
        self._destination, self._given = Destination(project, entity, offline), given

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the open W&B run: each process opens and closes it itself."""
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
        """Log the losses of an epoch, which Lightning counts from 0, or the scores of a run."""
        if "epoch" in metrics:
            session.log_epochs(self.experiment, [{**metrics, "epoch": metrics["epoch"] + 1}])
        else:
            self.experiment.summary.update(dict(metrics))

    @rank_zero_only
    def log_epochs(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Log the epochs before a fit was resumed."""
        session.log_epochs(self.experiment, rows)

    @rank_zero_only
    def log_folder(self, folder: Path) -> None:
        """Log the files of a finished run or colorizer, and close the W&B run."""
        session.log_folder(self.experiment, folder)
        self.experiment.finish()
        self._experiment = None

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Close the W&B run after a failed fit. Lightning calls this after every fit."""
        if status != "success" and self._experiment is not None:
            self.experiment.finish(exit_code=1)
            self._experiment = None

    @rank_zero_only
    def log_cell(self, run: Run) -> None:
        """Log the summary of the run's cell; not in a W&B sweep, where a trial is one W&B run."""
        if not session.is_trial_of_a_sweep():
            cell.log_cell_of(run, self._destination)
