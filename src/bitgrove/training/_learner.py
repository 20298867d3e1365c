"""The training step, for Lightning's loop."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from ..nn import EDESchedule
from ._batches import Batches
from ._config import TrainingConfig
from ._errors import TrainingError
from ._forests import ForestKeeper
from ._losses import OutputLoss
from ._method import Mover


class Tally:
    """Loss and accuracy over many batches, summed where the batches lie."""

    def __init__(self) -> None:
        self.images = 0
        self._loss: Tensor | float = 0.0
        self._correct: Tensor | float = 0.0

    def add(self, mean_loss: Tensor, right: Tensor) -> None:
        """Count one batch: its loss, and which images were right."""
        self.images += len(right)
        self._loss = self._loss + mean_loss.detach().double() * len(right)
        self._correct = self._correct + right.sum()

    @property
    def loss(self) -> float:
        """Mean over the images."""
        return float(self._loss) / self.images

    @property
    def accuracy(self) -> float:
        """Share of the images that were right."""
        return float(self._correct) / self.images


class Learner(pl.LightningModule):
    """One step of a method: forward, backward, every optimiser, then the latent weights.

    The error decay estimator of a model that has one is sharpened from epoch to epoch.

    Args:
        model: maps ``float32[b, c, h, w]`` to logits ``float32[b, classes]``, or to what its loss
            of codes takes.
        classes: number of classes.
        config: the settings.
        batches: of the training images; their epoch number is set here.
        epochs: number of epochs, for what changes over the run.
        teacher: whose logits :class:`Distillation` follows; in evaluation mode, never changed.
    """

    def __init__(
        self,
        model: nn.Module,
        classes: int,
        config: TrainingConfig,
        batches: Batches,
        epochs: int,
        teacher: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False  # a method may have two optimisers
        self.model = model
        self.train_tally, self.validation_tally = Tally(), Tally()
        self.learning_rate = 0.0
        self.mover = Mover(config.method, model)
        self.mover.plan(epochs * len(batches), epochs)
        self.forests = ForestKeeper(
            model, config.method.leaves, config.method.slope, len(batches), epochs
        )
        self._decay = EDESchedule(model, epochs) if EDESchedule.applies_to(model) else None
        loss = config.method.loss
        self._codes = loss if isinstance(loss, OutputLoss) else None
        self._outputs = self._codes.outputs if self._codes else classes
        self._config, self._batches = config, batches
        self._teacher = [teacher] if teacher else []  # in a list it is no submodule

    @property
    def steps_done(self) -> int:
        """Optimiser steps at the end of this epoch."""
        return (self.current_epoch + 1) * len(self._batches)

    def on_train_start(self) -> None:
        """Begin within the bounds that the method keeps; a run that goes on is there already."""
        if self.current_epoch == 0:
            self.mover.settle()

    def on_train_epoch_start(self) -> None:
        """Seed the epoch by its number alone, so that it can be run again after an interruption."""
        self._batches.epoch = self.current_epoch
        self.forests.begin_epoch()
        if self._decay:
            self._decay.load_state_dict({"done": self.current_epoch})
        torch.manual_seed((self._config.seed * 1_000_003 + self.current_epoch) % 2**63)
        self.train_tally, self.validation_tally = Tally(), Tally()

    def on_train_epoch_end(self) -> None:
        """Refuse weights that are not finite: the loss need not show those whose signs are used."""
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise TrainingError(
                    f"{name} holds NaN or infinite numbers after epoch {self.current_epoch + 1}: "
                    "training diverged. Lower the learning rate of the method"
                )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Move the parameters by one batch."""
        images, labels = batch
        self._schedule(batch_idx)
        logits = self.model(images).float()
        if logits.shape != (len(labels), self._outputs):
            what, why = ("outputs", "as its loss") if self._codes else ("logits", "one per class")
            raise TrainingError(
                f"the model must give {what} of shape ({len(labels)}, {self._outputs}), {why}, got "
                f"{tuple(logits.shape)}"
            )
        loss = self._config.method.loss(logits, labels, self._teach(images, logits.shape))
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the loss is {loss.item()} at step "
                f"{self.current_epoch * len(self._batches) + batch_idx + 1} (epoch "
                f"{self.current_epoch + 1}, learning rate {self.learning_rate:g}): training "
                "diverged. Lower the learning rate of the method, for example to a tenth"
            )
        optimizers = self.optimizers()
        optimizers = optimizers if isinstance(optimizers, list) else [optimizers]
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.manual_backward(loss)
        for optimizer in optimizers:
            optimizer.step()
        self.mover.settle()
        self.forests.after_step(self.current_epoch * len(self._batches) + batch_idx, labels)
        self.train_tally.add(loss, self._right(logits, labels))

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count a batch, in float32."""
        images, labels = batch
        with torch.autocast(self.device.type, enabled=False):
            logits = self.model(images)
        loss = self._config.method.loss.validate(logits, labels)
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the validation loss is {loss.item()} after epoch {self.current_epoch + 1}: "
                "training diverged. Lower the learning rate of the method, for example to a tenth"
            )
        self.validation_tally.add(loss, self._right(logits, labels))

    def configure_optimizers(self) -> Any:
        """What the method asks for; its schedules are functions of the step and need no state."""
        return self.mover.optimizers

    def _schedule(self, batch: int) -> None:
        step = self.current_epoch * len(self._batches) + batch
        self.mover.at(step, self.current_epoch)
        self.forests.before_step(step)
        if batch == 0:
            self.learning_rate = self.mover.learning_rate

    @torch.no_grad()
    def _right(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """Whether the largest logit is at the label, or what a loss of codes counts as right."""
        if self._codes:
            return self._codes.hits(outputs.detach(), labels)
        return outputs.detach().argmax(1) == labels

    def _teach(self, images: Tensor, shape: torch.Size) -> Tensor | None:
        if not self._teacher:
            return None
        with torch.no_grad():
            taught = self._teacher[0](images).float()
        if taught.shape != shape:
            raise TrainingError(
                f"the teacher must give logits of shape {tuple(shape)}, as the model does, got "
                f"{tuple(taught.shape)}"
            )
        return taught
