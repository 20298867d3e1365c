"""The controller that keeps mined triplets as hard as the network can use."""

from __future__ import annotations

from collections import deque
from typing import Any, final

import numpy as np


@final
class KappaController:
    """Chooses kappa so that the training error of the next epoch comes near a target.

    A line ``kappa = alpha * error + beta`` is fitted by least squares to the last epochs and read
    off at the target. Harder triplets come from a smaller kappa, so alpha should be negative. While
    it is not, or while all errors are the same, kappa is multiplied by ``relax`` after an error
    below the target and divided by it after one above.

    Source: Harwood et al., "Smart Mining for Deep Metric Learning", ICCV 2017, the adaptive
    controller: start large, relax, then the line; the paper aims at errors of 50 to 75 %.
    Differences: the rule for the epochs without a usable line, and the bounds, are ours.

    Args:
        target: the wanted training error: the share of an epoch's triplets with a loss, in 0 to 1.
        start: the first kappa.
        relax: factor, above 0 and below 1.
        window: epochs that the line is fitted to, at least 2.
        step: kappa changes at most by this factor from one epoch to the next, above 1.
        highest: the largest kappa; the smallest is 1, where nothing behind the nearest positive is
            passed over.

    Attributes:
        kappa: that of the next epoch.

    >>> controller = KappaController(target=0.6, start=2.0, relax=0.8)
    >>> controller.update(0.4), controller.kappa           # too easy: relax
    (1.6, 1.6)
    >>> round(controller.update(0.5), 6)                   # the line through both, at 0.6
    1.2
    """

    def __init__(
        self,
        *,
        target: float = 0.625,
        start: float = 2.0,
        relax: float = 0.9,
        window: int = 5,
        step: float = 2.0,
        highest: float = 16.0,
    ) -> None:
        if not 0 < target < 1:
            raise ValueError(f"target must be above 0 and below 1, got {target}")
        if not 0 < relax < 1:
            raise ValueError(f"relax must be above 0 and below 1, got {relax}")
        if window < 2:
            raise ValueError(f"window must be at least 2, got {window}")
        if not step > 1:
            raise ValueError(f"step must be above 1, got {step}")
        if not 1 <= start <= highest < np.inf:
            raise ValueError(
                f"start must lie in 1 to highest, and that be finite, got {start}, {highest}"
            )
        self._target, self._relax, self._step, self._highest = target, relax, step, highest
        self._recent: deque[tuple[float, float]] = deque(maxlen=window)
        self.kappa = float(start)

    def update(self, error: float) -> float:
        """Take the training error of an epoch that was mined with :attr:`kappa`; the next kappa.

        Raises:
            ValueError: the error is not in 0 to 1.
        """
        if not 0 <= error <= 1:
            raise ValueError(f"error must be a share in 0 to 1, got {error}")
        self._recent.append((float(error), self.kappa))
        alpha, beta = self._line()
        if alpha < 0:
            wanted = alpha * self._target + beta
        else:
            wanted = self.kappa * (self._relax if error < self._target else 1 / self._relax)
        near = np.clip(wanted, self.kappa / self._step, self.kappa * self._step)
        self.kappa = float(np.clip(near, 1.0, self._highest))
        return self.kappa

    def _line(self) -> tuple[float, float]:
        """Slope and intercept of the least-squares line, (0, 0) if there is none."""
        errors, kappas = np.array(self._recent).T
        spread = errors - errors.mean()
        if not (spread @ spread) > 0:
            return 0.0, 0.0
        alpha = float(spread @ kappas / (spread @ spread))
        return alpha, float(kappas.mean() - alpha * errors.mean())

    def state_dict(self) -> dict[str, Any]:
        """What a run that goes on needs; the arguments are not in it."""
        return {"kappa": self.kappa, "recent": list(self._recent)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        self.kappa = float(state["kappa"])
        self._recent.clear()
        self._recent.extend((float(error), float(kappa)) for error, kappa in state["recent"])
