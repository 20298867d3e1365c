"""What one trained network of a study achieved, and the file that says so."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from ..files import replacing


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One arm with one seed."""

    arm: str
    seed: int
    test_accuracy: float
    """Of the epoch that validation chose; the test images were classified once. 0 to 1."""
    validation_accuracy: float
    """Of that epoch, after any measuring anew of batch norms."""
    best_epoch: int
    """Counted over all stages, from 1."""
    epochs: int
    seconds: float
    """Wall time of all epochs with their validation."""
    packed_bytes: int
    """Size of ``model.grove``; 0 where the network was not packed."""
    verification: str
    """How the packed network was compared with torch's."""
    curve: list[dict[str, Any]]
    """A row per epoch, over all stages."""
    settings: dict[str, Any]
    """What must be the same for the outcome to be used again."""

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        with replacing(path) as file:
            file.write(json.dumps(asdict(self), indent=1).encode() + b"\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            ValueError: the file is damaged or of another version.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is damaged or of another version ({error}); delete it to train this arm "
                "with this seed again"
            ) from None
