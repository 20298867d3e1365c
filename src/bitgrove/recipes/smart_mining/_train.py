"""One training run of the recipe, from a seed to figures on alphabets never seen."""

from __future__ import annotations

import copy
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as pl
import numpy as np
import numpy.typing as npt
import torch
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from ...data import ImageData, OneShotRun, Splits
from ...metrics import recall_at_k
from ...mining import (
    ClassSampler,
    KappaController,
    RandomMiner,
    Select,
    SmartMiner,
    TripletData,
    TripletLearner,
    embed_batches,
    semi_hard_triplets,
)
from ._network import embedder, ink

KS = (1, 2, 4, 8)
BATCH = 96
"""Images: 32 triplets, or 12 classes of 8 images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """A way to choose triplets, with its settings."""

    name: str
    title: str
    mining: Literal["random", "semi-hard", "smart"]
    lr: float
    """Chosen on the validation alphabet."""
    kappa: float | None = None
    """Fixed; None for the controller."""
    global_margin: float | None = None
    """Of the global loss, if it is used."""
    triplets: int | None = None
    """That are kept, at random, of those of a semi-hard batch; None for all, some 672."""


def train(
    arm: Arm, seed: int, splits: Splits, epochs: int, runs: tuple[OneShotRun, ...] = ()
) -> dict[str, Any]:
    """Train on one part, choose the epoch on the second, measure once on the third.

    Every arm sees the same number of images in as many batches. The seed is that of the weights and
    of the triplets.

    Returns:
        Figures and curve, as JSON values.
    """
    started, cpu = time.perf_counter(), time.process_time()
    images, labels = ink(splits.train), torch.from_numpy(splits.train.labels)
    dataset = TensorDataset(images, labels)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = embedder()
    options = {"lr": arm.lr, "global_margin": arm.global_margin}
    data = loader = None
    if arm.mining == "semi-hard":
        sampler = ClassSampler(
            splits.train.labels, classes=12, images=8, batches=-(-3 * len(labels) // BATCH),
            seed=seed,
        )  # fmt: skip
        loader = DataLoader(dataset, sampler=sampler, batch_size=BATCH)
        learner = TripletLearner(network, select=_semi_hard(arm.triplets, seed), **options)
    else:
        if arm.mining == "random":
            miner = RandomMiner(splits.train.labels, seed=seed)
        else:
            miner = SmartMiner(
                splits.train.labels,
                kappa=KappaController() if arm.kappa is None else arm.kappa,
                threads=1,
                seed=seed,
            )
        data = TripletData(dataset, miner, triplets_per_batch=BATCH // 3)
        learner = TripletLearner(network, observe=miner.observe, **options)
    recorder = _Recorder(splits.validation)
    with _quiet_lightning():
        trainer = pl.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False,
            enable_progress_bar=False, enable_model_summary=False, callbacks=[recorder],
        )  # fmt: skip
        trainer.fit(learner, loader, datamodule=data)
    network.load_state_dict(recorder.best)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    test = _embed(learner, ink(splits.test))
    return {
        "arm": arm.name,
        "seed": seed,
        "recall": {str(k): v for k, v in recall_at_k(test, splits.test.labels, KS).items()},
        "nmi": _nmi(test, splits.test.labels, seed),
        "one_shot": _one_shot(learner, runs) if runs else None,
        "validation": recorder.best_recall,
        "best_epoch": recorder.best_epoch,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "curve": recorder.curve,
    }


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Without notes on hardware, and without advice that does not apply to images in memory."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*does not have many workers")
            warnings.filterwarnings("ignore", ".*LeafSpec")
            yield
    finally:
        logger.setLevel(level)


def _semi_hard(count: int | None, seed: int) -> Select:
    if count is None:
        return semi_hard_triplets
    random = torch.Generator().manual_seed(seed)

    def select(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        anchors, positives, negatives = semi_hard_triplets(rows, labels)
        kept = torch.randperm(len(anchors), generator=random)[:count]
        return anchors[kept], positives[kept], negatives[kept]

    return select


class _Recorder(pl.Callback):
    """Measures on the validation images after every epoch and keeps the best weights."""

    def __init__(self, validation: ImageData) -> None:
        self._images, self._labels = ink(validation), validation.labels
        self._started = time.perf_counter()
        self.curve: list[dict[str, float | int]] = []
        self.best: dict[str, Tensor] = {}
        self.best_recall, self.best_epoch = -1.0, 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, TripletLearner)
        seconds = time.perf_counter() - self._started
        recall = recall_at_k(_embed(pl_module, self._images), self._labels, (1,))[1]
        row: dict[str, float | int] = {
            "epoch": trainer.current_epoch + 1,
            "training_error": pl_module.training_error,
            "validation_recall_at_1": recall,
            "seconds": seconds,
        }
        data = getattr(trainer, "datamodule", None)
        if data is not None and isinstance(data.miner, SmartMiner):
            row |= {
                "kappa": data.miner.kappa,
                "share_mined": data.miner.share_mined,
                "mining_seconds": data.sampler.seconds,
            }
        self.curve.append(row)
        if recall > self.best_recall:
            self.best_recall, self.best_epoch = recall, trainer.current_epoch + 1
            self.best = copy.deepcopy(pl_module.network.state_dict())
        self._started = time.perf_counter()


def _embed(learner: TripletLearner, images: Tensor) -> npt.NDArray[np.float32]:
    return embed_batches(learner, images.split(256))


def _nmi(rows: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], seed: int) -> float:
    """Of the classes and as many clusters of k-means."""
    kmeans: Any = KMeans(int(labels.max()) + 1, n_init=4, random_state=seed)  # pyright: ignore[reportArgumentType]
    clusters = kmeans.fit_predict(rows)
    return float(normalized_mutual_info_score(labels, clusters))


def _one_shot(learner: TripletLearner, runs: tuple[OneShotRun, ...]) -> float:
    """Share of the images whose nearest example is of their character."""
    hits = []
    for run in runs:
        names = tuple(map(str, range(len(run.images))))
        numbers = np.arange(len(run.images))
        shown, asked = (
            _embed(learner, ink(ImageData(pixels, numbers, names, names)))
            for pixels in (run.examples, run.images)
        )
        hits.append(
            recall_at_k(
                asked, run.answers, (1,), database=shown, database_labels=numbers
            )[1]
        )  # fmt: skip
    return float(np.mean(hits))
