"""Predictions at the end of epochs, and the choice of the weights that a fit ends with."""

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
    """Keeps the weights of the epoch that was best on the validation images, and stores them in the checkpoint.

    Of equally good epochs the later is kept: a small validation set gives few different values of F1, and the later
    network has been trained for longer.

    Args:
        select: `val_f1`, the ADN's F1 at 0.5; or `val_loss`, the training loss (Eq. 1).
        validation: the validation images with their labels.
        average: evaluated in place of the trained weights, if given.

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
        with _with_average(task, self.average):
            merit = self._merit_of(task)
            if merit >= self._merit:
                self.epoch, self._merit = trainer.current_epoch + 1, merit
                self._weights = {name: value.detach().cpu().clone() for name, value in task.state_dict().items()}

    def hand_over(self, task: DetectorTask) -> None:
        """Give `task` the best weights for good, at the end of the training."""
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
    """Predicts the test images after each of the last epochs; stored in the checkpoint.

    With twenty positives, F1 changes by ±.1 from epoch to epoch, so the last value alone says little.

    Args:
        test: the test images.
        validation: the validation images; may have no rows.
        average: evaluated in place of the trained weights, if given.
        best: its weights replace those of the last epoch, if given.
        epochs: how many of the last epochs.

    Attributes:
        history: P(anomalous) of the test images by head, for each of the last epochs.
        tested: the same with the final weights.
        validated: P(anomalous) of the validation images by head, with the final weights.
        evidence: logits of the `test` and the `validation` images by head, with the final weights.
        attention: the test images' attention maps with the final weights; None without attention.
        attention_sd: the mean over the test images of their SDs over h and w.
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
        with _with_average(task, self.average):
            tested = answers(task, self.test)
        self.history.append(tested.probabilities)
        if trainer.current_epoch + 1 == trainer.max_epochs:
            for last in (self.average, self.best):  # the best comes last, and stays
                if last is not None:
                    last.hand_over(task)
            self._keep(answers(task, self.test) if self.best else tested, answers(task, self.validation))

    def ask(self, task: DetectorTask) -> None:
        """Predict once, for a detector that is trained without epochs."""
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


def _with_average(task: DetectorTask, average: WeightAverage | None) -> AbstractContextManager[None]:
    return nullcontext() if average is None else average.shown(task)
