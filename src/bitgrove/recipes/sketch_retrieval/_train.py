"""One training run of the recipe: the network, and the epoch that validation chose."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...hashing import Described, SketchLoss, SketchNetwork
from ._arms import Arm
from ._attributes import ATTRIBUTES
from ._moves import as_asked, draw_moves, move
from ._parts import Part
from ._score import accuracy, by_embedding

EMBEDDING = 64
"""Numbers of an embedding, and bits of a code."""
GRID = 4
"""Cells a side over which the network averages."""
BATCH = 50
"""Drawings, of different photographs, and these photographs."""
ROUNDS = 5
"""Of an epoch: in each every photograph comes once, with one of its drawings."""
_RATE = 4e-3
_HARDEST = 5
"""Photographs of the batch that are held against a drawing, those nearest to it."""
_SHIFT, _SCALE = 0.15, 1.25
"""Of drawings in training."""
_SHIFT_EDGES, _SCALE_EDGES = 0.05, 1.1
"""Of edges in training; validation and test leave them where they are."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A network with what validation said of it after each epoch."""

    network: SketchNetwork
    epoch: int
    """The one that was kept."""
    curve: list[dict[str, float]] = field(default_factory=list)


def train(arm: Arm, seed: int, epochs: int, width: int, train: Part, validation: Part) -> Trained:
    """Train from nothing; the weights are of the epoch with the best acc@1 and acc@10 together."""
    random = np.random.default_rng(seed)
    rows = [np.flatnonzero(train.photograph == i) for i in range(len(train.names))]
    typical = np.median(train.said_of_photographs[0], 0)
    drawn, shown = (
        torch.from_numpy((said > typical).astype(np.float32))
        for said in (train.said_of_drawings, train.said_of_photographs)
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = SketchNetwork(len(ATTRIBUTES), embedding=EMBEDDING, width=width, grid=GRID)
    loss = SketchLoss(attribute_weight=arm.attribute_weight, ranking_weight=arm.ranking_weight)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=1e-2)
    batches = math.ceil(len(rows) / BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _RATE, epochs * ROUNDS * batches, pct_start=0.2
    )
    best, kept, curve = -1.0, 0, []
    weights = network.state_dict()
    for epoch in range(1, epochs + 1):
        network.train()
        total = 0.0
        for _ in range(ROUNDS):
            for chosen in np.array_split(random.permutation(len(rows)), batches):
                drawings = np.array([random.choice(rows[i]) for i in chosen])
                mirrored = random.integers(0, 2, len(chosen))
                said = network(_varied(train, drawings, chosen, mirrored, random))
                value = _loss(loss, said, drawn[mirrored, drawings], shown[mirrored, chosen])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
                schedule.step()
                total += value.item()
        found = accuracy(by_embedding(*describe(network, validation)), validation)
        curve.append(
            {
                "epoch": epoch,
                "loss": total / (ROUNDS * batches),
                "acc_1": found["1"]["value"],
                "acc_10": found["10"]["value"],
            }
        )
        if (reached := curve[-1]["acc_1"] + curve[-1]["acc_10"]) > best:
            best, kept, weights = reached, epoch, copy.deepcopy(network.state_dict())
    network.load_state_dict(weights)
    return Trained(network.eval(), kept, curve)


@torch.no_grad()
def describe(network: SketchNetwork, part: Part) -> tuple[Described, Described]:
    """What the network says of a part's drawings, moved, and of its photographs."""
    network.eval()
    return _describe(network, as_asked(part.drawings)), _describe(network, part.edges)


def _describe(network: SketchNetwork, pictures: Tensor) -> Described:
    said = [network(some) for some in pictures.split(256)]
    return Described(*(torch.cat(side) for side in zip(*said, strict=True)))


def _varied(
    part: Part,
    drawings: npt.NDArray[np.int64],
    photographs: npt.NDArray[np.int64],
    mirrored: npt.NDArray[np.int64],
    random: np.random.Generator,
) -> Tensor:
    """Drawings, then edges: both mirrored or neither, each moved on its own."""
    sides = []
    for pictures, moves in (
        (part.drawings[drawings], draw_moves(random, len(drawings), _SHIFT, _SCALE)),
        (part.edges[photographs], draw_moves(random, len(drawings), _SHIFT_EDGES, _SCALE_EDGES)),
    ):
        turned = torch.from_numpy(mirrored == 1)[:, None, None, None]
        sides.append(move(torch.where(turned, pictures.flip(3), pictures), moves))
    return torch.cat(sides)


def _loss(loss: SketchLoss, said: Described, drawn: Tensor, shown: Tensor) -> Tensor:
    """Each drawing with its photograph against those of the batch that are nearest to it."""
    n = len(drawn)
    drawings, photographs = (
        Described(said.embedding[rows], said.attributes[rows])
        for rows in (slice(0, n), slice(n, None))
    )
    with torch.no_grad():
        apart = torch.cdist(drawings.embedding, photographs.embedding).fill_diagonal_(torch.inf)
    hardest = min(_HARDEST, n - 1)
    others = apart.topk(hardest, largest=False).indices.ravel()
    own = torch.arange(n).repeat_interleave(hardest)
    return loss(
        Described(drawings.embedding[own], drawings.attributes[own]),
        Described(photographs.embedding[own], photographs.attributes[own]),
        Described(photographs.embedding[others], photographs.attributes[others]),
        drawn[own],
        shown[own],
        shown[others],
    )
