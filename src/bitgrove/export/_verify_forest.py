"""Following a hard forest: the answers of its nodes, and the leaves that they lead to."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..nn import HardForest, ResidualForestHead
from ..runtime import Artifact, Graph, Node, Session
from ._verify_layer import Followed, Removable


class FollowedForest(Followed):
    """Complete trees over rows of numbers; every pixel of a map is a row."""

    module: HardForest | ResidualForestHead

    def register(self) -> Removable:
        """Be called after the layer."""
        return self.module.register_forward_hook(self._after)

    def _after(self, module: nn.Module, args: tuple[Tensor, ...], result: Tensor) -> Tensor | None:
        """Compare; hand on the packed leaves where there are ties."""
        self.called()
        read = torch.from_numpy(self._packed[self._node.inputs[0]])
        n = len(read)
        rows = read.movedim(1, -1).reshape(-1, read.shape[1])
        ends, turned = self._compare_answers(self._rows(args[0].detach()), rows, n)
        trees, leaves = self.module.leaf.shape[:2]
        numbers = ends + leaves * torch.arange(trees)
        codes = _codes(trees * leaves)
        expected = codes[numbers].sum(1)
        alone = self._session(tuple(read.shape[1:]), codes).run(read.numpy())
        alone = alone.reshape(n, codes.shape[1], -1).transpose(0, 2, 1).reshape(len(rows), -1)
        self.integers += expected.numel()
        self.integers_different += int((expected.numpy() != alone).sum())
        if not turned:
            return None
        sums = self.module.leaf.detach().flatten(0, 1)[numbers].sum(1)
        return sums.reshape(n, -1, sums.shape[1]).movedim(2, 1).reshape(result.shape)

    def _rows(self, x: Tensor) -> Tensor:
        """What torch's nodes compare."""
        if isinstance(self.module, HardForest):
            return self.module.functions(x)
        return self.module.rows(x)

    def _compare_answers(self, mine: Tensor, read: Tensor, n: int) -> tuple[Tensor, bool]:
        """The leaves to which the packed model's numbers lead, and whether torch's lead elsewhere.

        Returns:
            ``int64[m, trees]``, and whether any node on the way is answered otherwise.
        """
        feature, threshold = self._tests()
        trees, nodes = feature.shape
        at = torch.zeros((len(read), trees), dtype=torch.int64)
        tree = torch.arange(trees)
        largest = read.reshape(n, -1).abs().amax(1, keepdim=True).numpy()
        any_turned = False
        for _ in range(nodes.bit_length()):
            channel, limit = feature[tree, at], threshold[tree, at]
            value = read.gather(1, channel)
            right = value > limit
            turned = right != (mine.gather(1, channel) > limit)
            any_turned |= bool(turned.any())
            margin = (value.double() - limit).abs()
            self.count_turned(turned.reshape(n, -1).numpy(), margin.reshape(n, -1).numpy(), largest)
            at = 2 * at + 1 + right
        return at - nodes, any_turned

    def _tests(self) -> tuple[Tensor, Tensor]:
        if isinstance(self.module, HardForest):
            return self.module.neuron, torch.zeros(self.module.neuron.shape)
        return self.module.feature, self.module.threshold

    def _session(self, shape: tuple[int, ...], codes: Tensor) -> Session:
        """The trees by themselves, with other leaves and no bias."""
        tensors = {k: v for k, v in self._node.tensors.items() if k != "bias"}
        node = Node("forest", "layer", (0,), {}, tensors | {"leaf": codes.numpy()})
        return Session(Artifact(Graph(shape, (node,), 1, 1)), self._threads)


def _codes(leaves: int) -> Tensor:
    """Two numbers for each leaf, whose sums over up to 4096 trees are exact in float32.

    Leaves whose sums are equal in both columns are all but certainly the same.
    """
    number = np.arange(leaves, dtype=np.uint64)
    columns = [number * np.uint64(odd) >> np.uint64(7) for odd in (2654435761, 2246822519)]
    return torch.from_numpy((np.stack(columns, 1) % np.uint64(4093)).astype(np.float32))
