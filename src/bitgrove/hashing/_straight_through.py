"""Signs whose gradient is that of the number itself."""

from __future__ import annotations

import torch
from torch import Tensor


def straight_through_sign(values: Tensor) -> Tensor:
    """+1 where a number is 0 or more, else -1; going backwards, the identity.

    Unlike the estimators of :mod:`bitgrove.nn` it does not stop at [-1, 1]: GreedyHash holds the
    numbers there by a term of its loss instead.

    >>> straight_through_sign(torch.tensor([-3.0, -0.0, 0.5]))
    tensor([-1.,  1.,  1.])
    """
    signs = torch.where(values >= 0, 1.0, -1.0).to(values.dtype)
    return values + (signs - values).detach()
