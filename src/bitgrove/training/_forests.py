"""What decision forests need besides the optimiser: leaves in turns with splits, and a slope."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data import ImageData
from ..nn import NeuralDecisionForest
from ..runtime import Preprocessing
from ._batches import Batches
from ._evaluate import _in_evaluation_mode
from ._schedules import Schedule, schedule_of


@dataclass(frozen=True, slots=True, kw_only=True)
class LeafUpdates:
    """The leaves of decision forests learn in turns with the splits, from samples just seen.

    After every so many steps, and at the end of each epoch, the leaves are learnt from what reached
    the forest in the last steps of that epoch; no picture goes through the network again for it.

    Sources: Kontschieder et al., Deep Neural Decision Forests, ICCV 2015 (turns); the code of Li
    and Cheng, CVPRW 2019, for the numbers: 2048 samples and 20 iterations for classification, every
    50 steps for regression. Difference: their classifier takes turns once an epoch.

    Raises:
        ValueError: a number is below 1.
    """

    every: int = 50
    """Steps between updates; the first follows the first step of all."""
    samples: int = 2048
    """The last so many."""
    iterations: int = 20
    """Of expectation-maximisation."""

    def __post_init__(self) -> None:
        for name in ("every", "samples", "iterations"):
            if type(getattr(self, name)) is not int or getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


class ForestKeeper:
    """Does to the forests of one model what its method asks for.

    Args:
        model: that is trained.
        leaves: for forests whose leaves do not learn by gradient.
        slope: of the splits' sigmoid; None leaves it as it is.
        steps: of an epoch.
        epochs: of the run.

    Raises:
        ValueError: the method has what no forest of the model needs, or lacks what one does.
    """

    def __init__(
        self,
        model: nn.Module,
        leaves: LeafUpdates | None,
        slope: Schedule | float | None,
        steps: int,
        epochs: int,
    ) -> None:
        forests = [m for m in model.modules() if isinstance(m, NeuralDecisionForest)]
        kept = [forest for forest in forests if forest.leaves != "gradient"]
        if kept and leaves is None:
            raise ValueError(
                f"the leaves of the model's forest learn by {kept[0].leaves!r}, not by gradient; "
                "give the method leaves=LeafUpdates(), or make the forest with leaves='gradient'"
            )
        if leaves is not None and not kept:
            raise ValueError("the method updates leaves, and the model has none that learn so")
        if slope is not None and not forests:
            raise ValueError("the method sets a slope, and the model has no forest")
        self._forests, self._leaves, self._steps = forests, leaves, steps
        self._seen: dict[NeuralDecisionForest, deque[Tensor]] = {f: deque() for f in kept}
        self._labels: deque[Tensor] = deque()
        self._watch = [forest.register_forward_pre_hook(self._remember) for forest in kept]
        self._slope: Callable[[int], float] | None = None
        if slope is not None:
            chosen = schedule_of(slope, "slope")
            per = 1 if chosen.per == "step" else steps
            value = chosen.over(epochs * steps // per)
            self._slope = lambda step: value(step // per)

    def begin_epoch(self) -> None:
        """Forget the samples, so that an epoch can be run again alone."""
        self._labels.clear()
        for inputs in self._seen.values():
            inputs.clear()

    def before_step(self, step: int) -> None:
        """Set the slope for a step, counted over the whole run."""
        if self._slope is not None:
            for forest in self._forests:
                forest.slope.fill_(self._slope(step))

    def after_step(self, step: int, labels: Tensor) -> None:
        """Remember a batch, and learn the leaves when it is time."""
        if self._leaves is None:
            return
        self._labels.append(labels)
        while sum(map(len, list(self._labels)[1:])) >= self._leaves.samples:
            self._labels.popleft()
            for inputs in self._seen.values():
                inputs.popleft()
        in_epoch = step % self._steps + 1
        if step == 0 or in_epoch % self._leaves.every == 0 or in_epoch == self._steps:
            targets = torch.cat(list(self._labels))
            for forest, inputs in self._seen.items():
                x = torch.cat(list(inputs))[-self._leaves.samples :]
                forest.update_leaves(x, targets[-len(x) :], iterations=self._leaves.iterations)

    def close(self) -> None:
        """Take the hooks off the model."""
        for handle in self._watch:
            handle.remove()

    def _remember(self, forest: NeuralDecisionForest, inputs: tuple[Tensor, ...]) -> None:
        if forest.training:
            self._seen[forest].append(inputs[0].detach().float())


@torch.no_grad()
def refit_leaves(
    model: nn.Module,
    data: ImageData,
    preprocessing: Preprocessing,
    *,
    samples: int = 20_000,
    iterations: int = 20,
    seed: int = 0,
) -> None:
    """Learn the leaves of a model's forests once more, from pictures as they are at test time.

    With ``hard`` set in a forest, its leaves get the distribution of what reaches them by hard
    splits, which is the most likely one for hard trees: that wins back some of what hardening
    loses.

    Args:
        model: maps ``float32[b, c, h, w]`` to log-probabilities; holds forests whose leaves learn
            by ``"em"``.
        data: training images, at least one.
        preprocessing: that of training.
        samples: as many images, drawn at random, at most.
        iterations: of expectation-maximisation.
        seed: of the choice of images.

    Raises:
        ValueError: the model has no such forest, or there is no image.
    """
    forests = [m for m in model.modules() if isinstance(m, NeuralDecisionForest)]
    forests = [forest for forest in forests if forest.leaves == "em"]
    if not forests:
        raise ValueError("the model has no forest whose leaves learn by 'em'")
    random = torch.Generator().manual_seed(seed)
    rows = torch.randperm(len(data), generator=random)[:samples].sort().values
    batches = Batches(data.select(rows.numpy()), preprocessing, batch_size=512)
    seen: dict[NeuralDecisionForest, list[Tensor]] = {forest: [] for forest in forests}

    def remember(module: NeuralDecisionForest, inputs: tuple[Tensor, ...]) -> None:
        seen[module].append(inputs[0])

    handles = [forest.register_forward_pre_hook(remember) for forest in forests]
    try:
        with _in_evaluation_mode(model):
            labels = []
            for images, own in batches:
                model(images)
                labels.append(own)
    finally:
        for handle in handles:
            handle.remove()
    for forest, inputs in seen.items():
        forest.update_leaves(torch.cat(inputs), torch.cat(labels), iterations=iterations)
