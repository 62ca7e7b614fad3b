"""What is asked of a detector at the end of its epochs, and which epoch's weights it ends with."""

import math
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from leanet.detector.averaging import WeightAverage
from leanet.detector.scores import scores
from leanet.detector.task import Answers, DetectorTask, answers, mean_loss, probabilities
from leanet.training.batches import Parts, Tensors

_KEPT = frozenset({"tested", "validated", "evidence", "attention", "attention_sd"})


class BestEpoch(Callback):
    """Keeps the weights of the epoch that was best on the validation images, in the checkpoint; of equals the later.

    A small validation set gives few different F1: the later of equally good networks has been trained for longer.

    Args:
        select: `val_f1`, the ADN's at 0.5, or `val_loss`, that of the training (Eq. 1).
        validation: the images held out, with their labels.
        average: whose weights they are, where there is one.

    Attributes:
        epoch: the best so far, from 1.
    """

    def __init__(self, select: str, validation: Parts, average: WeightAverage | None = None) -> None:
        self.select = select
        self.validation = validation
        self.average = average
        self.epoch = 0
        self._merit = -math.inf
        self._weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        assert isinstance(task, DetectorTask)
        with _asked(task, self.average):
            merit = self._merit_of(task)
            if merit >= self._merit:
                self.epoch, self._merit = trainer.current_epoch + 1, merit
                self._weights = {name: value.detach().cpu().clone() for name, value in task.state_dict().items()}

    def hand_over(self, task: DetectorTask) -> None:
        """Give `task` the best weights, when training is over; they are kept here no longer."""
        task.load_state_dict(self._weights)
        self._weights = {}

    def _merit_of(self, task: DetectorTask) -> float:
        if self.select == "val_f1":
            return float(scores(probabilities(task, self.validation)["adn"], self.validation["labels"][:])["f1"])
        loss = mean_loss(task, self.validation)
        return -math.inf if math.isnan(loss) else -loss

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "merit": self._merit, "weights": self._weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.epoch, self._merit, self._weights = (state_dict[name] for name in ("epoch", "merit", "weights"))


class LastEpochs(Callback):
    """The test fold's probabilities after each of the last epochs, and after the very last more; in the checkpoint.

    F1 on twenty positives swings by ±.1 from epoch to epoch: the last figure alone says little.

    Args:
        validation: the images held out, of none or more rows.
        average: whose weights are asked; None for those that are being trained.
        best: whose weights the fit is to end with; None for those of the last epoch.

    Attributes:
        history: the test images' probabilities by head, of each of the last epochs, whichever was best.
        tested: those by the weights that the fit ends with.
        validated: the same of the validation images.
        evidence: both heads' logits of the `test` and the `validation` images, by those weights.
        attention: the test images' attention maps by those weights; None where there is none.
        attention_sd: their SDs over h and w, the mean over the images.
    """

    def __init__(
        self,
        test: Parts,
        validation: Parts,
        average: WeightAverage | None = None,
        best: BestEpoch | None = None,
        epochs: int = 5,
    ) -> None:
        self.test = test
        self.validation = validation
        self.average = average
        self.best = best
        self.epochs = epochs
        self.history: list[Tensors] = []
        self.tested: Tensors = {}
        self.validated: Tensors = {}
        self.evidence: dict[str, Tensors] = {"test": {}, "validation": {}}
        self.attention: Tensor | None = None
        self.attention_sd: float | None = None

    def on_train_epoch_end(self, trainer: lightning.Trainer, task: lightning.LightningModule) -> None:
        assert isinstance(task, DetectorTask) and trainer.max_epochs is not None
        if trainer.current_epoch < trainer.max_epochs - self.epochs:
            return
        with _asked(task, self.average):
            tested = answers(task, self.test)
        self.history.append(tested.probabilities)
        if trainer.current_epoch + 1 == trainer.max_epochs:
            for last in (self.average, self.best):  # the best comes last, and stays
                if last is not None:
                    last.hand_over(task)
            self._keep(answers(task, self.test) if self.best else tested, answers(task, self.validation))

    def ask(self, task: DetectorTask) -> None:
        """What `task` says, as if it had had one epoch: for one that needs none."""
        tested = answers(task, self.test)
        self.history = [tested.probabilities]
        self._keep(tested, answers(task, self.validation))

    def _keep(self, tested: Answers, validated: Answers) -> None:
        self.tested, self.validated = tested.probabilities, validated.probabilities
        self.evidence = {"test": tested.evidence, "validation": validated.evidence}
        self.attention = tested.attention
        self.attention_sd = None if tested.attention_sd is None else float(tested.attention_sd.mean())

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("history", *_KEPT)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]
        self.tested = self.history[-1] if self.history else {}
        for name in _KEPT.intersection(state_dict):  # checkpoints of older runs lack some
            setattr(self, name, state_dict[name])


def _asked(task: DetectorTask, average: WeightAverage | None) -> AbstractContextManager[None]:
    return nullcontext() if average is None else average.shown(task)
