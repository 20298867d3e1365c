"""The methods of the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ... import hashing
from ...hashing import HashEncoder

BITS = (12, 24, 32, 48)
BLOCK = 16
"""Entries of SuBiC's blocks, 4 bits; the paper's number for these lengths is not known to us."""
EPOCHS = 5


@dataclass(frozen=True, slots=True)
class Arm:
    """A method at a length."""

    method: str
    bits: int

    @property
    def name(self) -> str:
        """Such as ``dsh-12``."""
        return f"{self.method}-{self.bits}"

    def encoder(self, seed: int, epochs: int) -> HashEncoder:
        """With the settings that the method has by default, but for those named here."""
        return _METHODS[self.method](self.bits, epochs, seed)


def choose(names: Sequence[str]) -> tuple[Arm, ...]:
    """The arms that are named, by ``METHOD-BITS``, by ``METHOD`` or by ``BITS``; of none, all.

    Raises:
        ValueError: a name is unknown.
    """
    every = tuple(Arm(method, bits) for bits in BITS for method in METHODS)
    known = {*(arm.name for arm in every), *METHODS, *map(str, BITS)}
    unknown = sorted(set(names) - known)
    if unknown:
        raise ValueError(
            f"deep-hashing has no arm {', '.join(unknown)}; it has METHOD, BITS or METHOD-BITS "
            f"with METHOD of {', '.join(METHODS)} and BITS of {', '.join(map(str, BITS))}"
        )
    wanted = set(names) or known
    return tuple(arm for arm in every if {arm.name, arm.method, str(arm.bits)} & wanted)


_METHODS: dict[str, Callable[[int, int, int], HashEncoder]] = {
    "dsh": lambda bits, n, seed: hashing.DSH(bits, epochs=n, random_state=seed),
    "ninh": lambda bits, n, seed: hashing.TripletHashing(bits, epochs=n, random_state=seed),
    "subic": lambda bits, n, seed: hashing.SuBiC(bits, width=BLOCK, epochs=n, random_state=seed),
    "greedyhash": lambda bits, n, seed: hashing.GreedyHash(bits, epochs=n, random_state=seed),
    "csq": lambda bits, n, seed: hashing.CSQ(bits, epochs=n, random_state=seed),
    "orthohash": lambda bits, n, seed: hashing.OrthoHash(bits, epochs=n, random_state=seed),
}
METHODS = tuple(_METHODS)
