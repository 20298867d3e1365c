"""Which tensors of a network are the same, so that a file holds each of them once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import numpy as np
import numpy.typing as npt

LIMIT = 64 << 20
"""Bytes of all shared tensors, each counted as often as it is named. A small file may not become a
large network by naming one tensor ten thousand times."""


def find_shared(tensors: Iterable[tuple[str, npt.NDArray]]) -> dict[str, str]:
    """The names of tensors that equal an earlier one, dtype and shape included, and its name.

    Nothing is shared past :data:`LIMIT`.

    >>> find_shared([("a", np.zeros(3)), ("b", np.ones(3)), ("c", np.zeros(3))])
    {'c': 'a'}
    """
    first: dict[tuple[Any, ...], str] = {}
    shared: dict[str, str] = {}
    room = LIMIT
    for name, array in tensors:
        digest = blake2b(np.ascontiguousarray(array).data).digest()
        known = first.setdefault((array.dtype.str, array.shape, digest), name)
        if known != name and array.nbytes <= room:
            shared[name] = known
            room -= array.nbytes
    return shared


def tensors_of(
    nodes: Iterable[Mapping[str, Any]], arrays: Mapping[str, npt.NDArray]
) -> list[dict[str, npt.NDArray]]:
    """The tensors of each node, by role, as the nodes of a file name them.

    Raises:
        KeyError: a tensor is missing.
        TypeError: something is of the wrong type.
        ValueError: a node shares what no node stores, or too much is shared.
    """
    nodes = list(nodes)
    own = {f"{node['name']}.{role}" for node in nodes for role in node["tensors"]}
    room = LIMIT
    found: list[dict[str, npt.NDArray]] = []
    for node in nodes:
        tensors = {role: arrays[f"{node['name']}.{role}"] for role in node["tensors"]}
        for role, name in dict(node.get("shared", {})).items():
            if name not in own or role in tensors:
                raise ValueError(f"node '{node['name']}' shares '{name}' as '{role}' in error")
            tensors[role] = arrays[name]
            room -= arrays[name].nbytes
        found.append(tensors)
    if room < 0:
        raise ValueError(f"the nodes share more than {LIMIT} bytes of tensors")
    return found
