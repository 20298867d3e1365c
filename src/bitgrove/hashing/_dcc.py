"""Discrete cyclic coordinate descent: codes one bit at a time, each bit exactly."""

from __future__ import annotations

import numpy as np

from ._principal import Matrix


def descend(linear: Matrix, gram: Matrix, start: Matrix, sweeps: int) -> Matrix:
    """Descend on ``b' gram b - 2 q' b`` over signs, for each row ``b`` and its ``q``.

    This is ``||x - W b - c||² + l ||h - b||²`` less what does not depend on the signs, with
    ``gram = W' W`` and ``q = W' (x - c) + l h`` (Do et al., ECCV 2016, section 3.2). Bit ``k`` is
    set to the sign of ``q_k - sum over j != k of gram_kj b_j``, zero counting as +1, in turn and
    again: ``O(bits n)`` for each bit. From signs the value never increases; what is reached is best
    for each bit alone and need not be the best. Rows end when no bit of theirs has changed.

    Args:
        linear: every ``q``, ``(n, bits)``.
        gram: ``(bits, bits)``, symmetric.
        start: ``(n, bits)``, of -1 and +1; zeros are where the authors' own code starts.
        sweeps: over all bits, at most.

    Returns:
        ``(n, bits)``, of -1 and +1.
    """
    codes = np.array(start.T, np.float64, order="C")  # a bit of all rows lies together
    wanted = np.ascontiguousarray(linear.T, np.float64)
    others = gram - np.diag(np.diag(gram))
    open_rows = np.arange(codes.shape[1])
    for _ in range(sweeps):
        part, aim = codes[:, open_rows], wanted[:, open_rows]
        before = part.copy()
        for k in range(len(part)):
            part[k] = np.where(aim[k] - others[k] @ part >= 0, 1.0, -1.0)
        codes[:, open_rows] = part
        open_rows = open_rows[(part != before).any(0)]
        if not len(open_rows):
            break
    return np.ascontiguousarray(codes.T)
