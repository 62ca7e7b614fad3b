from typing import Any, cast

import lightning
import pytest
import torch

from leanet.detector import last_epochs as epochs
from leanet.detector.last_epochs import BestEpoch, LastEpochs
from leanet.detector.task import DetectorTask


class Scalar(DetectorTask):
    """A network of one number."""

    def __init__(self) -> None:
        lightning.LightningModule.__init__(self)
        self.number = torch.nn.Parameter(torch.zeros(()))


class Trainer:
    current_epoch = 0


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([3, 2, 4], 2),
        ([3, 2, 2, 4], 3),  # of equals the later
        ([float("nan"), 5, 6], 2),
        ([float("nan"), float("nan")], 2),
        ([1, float("nan")], 1),
    ],
)
@pytest.mark.parametrize("killed_after", [0, 1])
def test_the_best_of_some_losses(losses: list[float], best: int, killed_after: int, monkeypatch: Any) -> None:
    """Each epoch's network is its number; one that is killed goes on with what was in the checkpoint."""
    callback, task, trainer = BestEpoch("val_loss", {}), Scalar(), Trainer()
    for epoch, loss in enumerate(losses):
        monkeypatch.setattr(epochs, "mean_loss", lambda *_: loss)  # noqa: B023
        trainer.current_epoch = epoch
        with torch.no_grad():
            task.number.fill_(epoch + 1)
        callback.on_train_epoch_end(cast(Any, trainer), task)
        if epoch == killed_after:
            kept, callback = callback.state_dict(), BestEpoch("val_loss", {})
            callback.load_state_dict(kept)
    callback.hand_over(task)
    assert (callback.epoch, task.number.item()) == (best, best)


def test_checkpoints_of_older_runs_lack_some() -> None:
    kept = LastEpochs({}, {})
    kept.load_state_dict({"history": [{"adn": torch.ones(2)}]})
    assert len(kept.history) == 1 and kept.attention is None and kept.attention_sd is None and kept.validated == {}
