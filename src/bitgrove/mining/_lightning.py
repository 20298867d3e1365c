"""Mining inside Lightning's loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from ._losses import global_loss, quarter_distances, triplet_loss, violations
from ._miner import Miner, at_least
from ._sampler import TripletSampler, split_triplets

Select = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class TripletData(pl.LightningDataModule):
    """Batches of triplets for ``Trainer.fit``; what the miner has learnt is in the checkpoints.

    Before an epoch that is mined, all images go through the module that is trained, in evaluation
    mode: its ``forward`` must give embeddings. A run goes on at the beginning of an epoch only, so
    checkpoints are to be written at the end of epochs.

    Args:
        dataset: gives ``(image, label)`` for the numbers 0 to ``n - 1``.
        miner: makes the triplets, with the labels of the same images in the same order.
        triplets_per_batch: at least 1; a batch has three times as many images: anchor, positive,
            negative, anchor and so on (:func:`split_triplets`).
        embed_batch: images that are embedded at a time, at least 1.

    >>> from torch.utils.data import TensorDataset
    >>> from bitgrove.mining import RandomMiner
    >>> images, labels = torch.zeros(4, 1, 8, 8), torch.tensor([0, 0, 1, 1])
    >>> data = TripletData(TensorDataset(images, labels), RandomMiner(labels), triplets_per_batch=2)
    >>> [len(images) for images, labels in data.train_dataloader()]
    [6, 6]
    """

    def __init__(
        self,
        dataset: Dataset[tuple[Tensor, ...]],
        miner: Miner,
        *,
        triplets_per_batch: int = 32,
        embed_batch: int = 256,
    ) -> None:
        super().__init__()
        self.miner = miner
        self.sampler = TripletSampler(miner, self._embed)
        self._dataset = dataset
        self._batch = 3 * at_least("triplets_per_batch", triplets_per_batch, 1)
        self._embed_batch = at_least("embed_batch", embed_batch, 1)

    def train_dataloader(self) -> DataLoader[tuple[Tensor, ...]]:
        """Batches of triplets.

        Raises:
            ValueError: the trainer has several processes, which would tear triplets apart.
        """
        if self.trainer is not None and self.trainer.world_size > 1:
            raise ValueError(
                f"triplets are mined by one process, the trainer has {self.trainer.world_size}; "
                "pass devices=1 and num_nodes=1"
            )
        return DataLoader(self._dataset, sampler=self.sampler, batch_size=self._batch)

    def state_dict(self) -> dict[str, Any]:
        """That of the miner."""
        return {"miner": self.miner.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.miner.load_state_dict(state_dict["miner"])

    def _embed(self) -> npt.NDArray[np.float32]:
        if self.trainer is None:
            raise RuntimeError("mining needs the module that is trained: use this in Trainer.fit")
        loader = DataLoader(self._dataset, batch_size=self._embed_batch)
        return embed_batches(self.trainer.lightning_module, (images for images, _ in loader))


def embed_batches(module: nn.Module, batches: Any) -> npt.NDArray[np.float32]:
    """What the module makes of batches of images in evaluation mode, ``float32[n, dim]``.

    Args:
        module: is left in the mode that it is in.
        batches: yields tensors of images.
    """
    training = module.training
    device = next((p.device for p in module.parameters()), torch.device("cpu"))
    module.eval()
    with torch.no_grad():
        parts = [module(images.to(device)).float().cpu().numpy() for images in batches]
    module.train(training)
    return np.concatenate(parts)


class TripletLearner(pl.LightningModule):
    """Trains a network to unit vectors by triplets, with the recipe of the smart-mining paper.

    SGD with momentum; the rate is halved every third epoch.

    Args:
        network: maps images to ``float32[b, dim]``; what is trained are its normalised outputs.
        select: takes embeddings and labels of a batch to rows of anchors, positives and negatives,
            such as :func:`semi_hard_triplets`; by default the batch comes in threes, as from
            :class:`TripletData`.
        observe: is told how many triplets of a batch had a loss, and of how many: a miner's method.
        margin: of :func:`triplet_loss`.
        global_margin: adds :func:`global_loss` with this margin, 0.01 in the paper; None for the
            triplet loss alone.
        lr: the first rate.
        halve_every: epochs between two halvings, at least 1.
        momentum: 0 to below 1.
        weight_decay: 0 or more.

    >>> learner = TripletLearner(nn.Flatten())
    >>> learner(torch.tensor([[[[3.0, 4.0]]]]))
    tensor([[0.6000, 0.8000]])
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        select: Select | None = None,
        observe: Callable[[int, int], object] | None = None,
        margin: float = 0.2,
        global_margin: float | None = None,
        lr: float = 0.1,
        halve_every: int = 3,
        momentum: float = 0.9,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self.network = network
        self._select, self._observe = select, observe
        self._margin, self._global_margin = margin, global_margin
        self._halve_every = at_least("halve_every", halve_every, 1)
        self._lr, self._momentum, self._weight_decay = lr, momentum, weight_decay
        self.violated, self.seen = 0, 0

    @property
    def training_error(self) -> float:
        """Share of the triplets of this epoch so far that had a loss."""
        return self.violated / max(self.seen, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Unit vectors, ``float32[b, dim]``."""
        return F.normalize(self.network(images).float(), dim=1)

    def on_train_epoch_start(self) -> None:
        """Count anew."""
        self.violated, self.seen = 0, 0

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        images, labels = batch
        rows = self(images)
        if self._select is None:
            anchors, positives, negatives = split_triplets(rows)
        else:
            anchors, positives, negatives = (rows[part] for part in self._select(rows, labels))
        near = quarter_distances(anchors, positives)
        far = quarter_distances(anchors, negatives)
        loss = triplet_loss(near, far, self._margin)
        if self._global_margin is not None:
            loss = loss + global_loss(near, far, self._global_margin)
        violated = violations(near, far, self._margin)
        self.violated += violated
        self.seen += len(near)
        if self._observe is not None:
            self._observe(violated, len(near))
        return loss

    def configure_optimizers(self) -> Any:
        """SGD, and the steps of its rate."""
        optimizer = torch.optim.SGD(
            self.parameters(), self._lr, self._momentum, weight_decay=self._weight_decay
        )
        steps = torch.optim.lr_scheduler.StepLR(optimizer, self._halve_every, gamma=0.5)
        return {"optimizer": optimizer, "lr_scheduler": steps}
