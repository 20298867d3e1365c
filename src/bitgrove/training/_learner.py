"""The training step, for Lightning's loop."""

from __future__ import annotations

import math
from typing import Any

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..nn import clip_latents_
from ..optim import split_parameters
from ._batches import Batches
from ._config import TrainingConfig
from ._errors import TrainingError


class Tally:
    """Loss and accuracy over many batches, summed where the batches lie."""

    def __init__(self) -> None:
        self.images = 0
        self._loss: Tensor | float = 0.0
        self._correct: Tensor | float = 0.0

    def add(self, mean_loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Count one batch."""
        self.images += len(labels)
        self._loss = self._loss + mean_loss.detach().double() * len(labels)
        self._correct = self._correct + (logits.detach().argmax(1) == labels).sum()

    @property
    def loss(self) -> float:
        """Mean over the images."""
        return float(self._loss) / self.images

    @property
    def accuracy(self) -> float:
        """Share of the images whose largest logit is at their label."""
        return float(self._correct) / self.images


class Learner(pl.LightningModule):
    """Cross-entropy, Adam with a linear fall, clipped latent weights.

    Args:
        model: maps ``float32[b, c, h, w]`` to logits ``float32[b, classes]``.
        classes: number of classes.
        config: the settings.
        batches: of the training images; their epoch number is set here.
        epochs: number of epochs, for the fall of the learning rate.
    """

    def __init__(
        self, model: nn.Module, classes: int, config: TrainingConfig, batches: Batches, epochs: int
    ) -> None:
        super().__init__()
        self.model = model
        self.train_tally, self.validation_tally = Tally(), Tally()
        self.learning_rate = config.learning_rate
        self._classes, self._config, self._batches, self._epochs = classes, config, batches, epochs

    def on_train_epoch_start(self) -> None:
        """Seed the epoch by its number alone, so that it can be run again after an interruption."""
        self._batches.epoch = self.current_epoch
        torch.manual_seed((self._config.seed * 1_000_003 + self.current_epoch) % 2**63)
        self.train_tally, self.validation_tally = Tally(), Tally()
        optimizer = self.optimizers()
        assert not isinstance(optimizer, list)
        self.learning_rate = optimizer.param_groups[0]["lr"]

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Mean cross-entropy of a batch."""
        images, labels = batch
        logits = self.model(images)
        if logits.shape != (len(labels), self._classes):
            raise TrainingError(
                f"the model must give logits of shape ({len(labels)}, {self._classes}), one per "
                f"class, got {tuple(logits.shape)}"
            )
        loss = F.cross_entropy(logits, labels, label_smoothing=self._config.label_smoothing)
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the loss is {loss.item()} at step {self.global_step + 1} (epoch "
                f"{self.current_epoch + 1}, learning rate {self.learning_rate:g}): training "
                f"diverged. Lower learning_rate, for example to {self._config.learning_rate / 10:g}"
            )
        self.train_tally.add(loss, logits, labels)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Count a batch; there is no smoothing here."""
        images, labels = batch
        logits = self.model(images)
        loss = F.cross_entropy(logits, labels)
        if not math.isfinite(loss.item()):
            raise TrainingError(
                f"the validation loss is {loss.item()} after step {self.global_step}: training "
                f"diverged. Lower learning_rate, for example to {self._config.learning_rate / 10:g}"
            )
        self.validation_tally.add(loss, logits, labels)

    def configure_optimizers(self) -> Any:
        """Latent binary weights never decay: only their sign counts."""
        binary, real = split_parameters(self.model)
        groups = [
            {"params": real, "weight_decay": self._config.weight_decay},
            {"params": binary, "weight_decay": 0.0},
        ]
        optimizer = torch.optim.AdamW(
            [group for group in groups if group["params"]], lr=self._config.learning_rate
        )
        steps = self._epochs * len(self._batches)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """Step, then bring the latent weights back to [-1, 1]."""
        super().optimizer_step(*args, **kwargs)
        clip_latents_(self.model)
