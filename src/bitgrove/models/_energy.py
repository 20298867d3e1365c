"""What the arithmetic of a network would cost in energy, by the figures that papers use."""

from __future__ import annotations

from dataclasses import dataclass

from ._summary import Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyModel:
    """Picojoules of one operation of each kind, in a 45 nm chip, without any access to memory.

    Source: Horowitz, Computing's energy problem, ISSCC 2014, as Hubara et al., Binarized Neural
    Networks, NeurIPS 2016 cite it: a float32 addition 0.9, a float32 product 3.7; additions of
    integers 0.03 (8 bits) and 0.1 (32 bits). That a product of two bits costs an 8-bit addition, at
    most, is our reading: the papers print no figure for it.
    """

    real_mac: float = 4.6
    """A float32 product and its addition."""
    binary_mac: float = 0.03
    """The product of two signs and its addition."""
    lookup: float = 0.9
    """The addition of a number that a fern looked up."""
    comparison: float = 0.0
    """A fern's comparison with a threshold."""


PAPER = EnergyModel()
"""Float32 additions of the looked-up numbers, and nothing else of ferns: what fits the figures of
Blendowski and Heinrich, MIDL 2020, who do not say how they counted."""

INTEGERS = EnergyModel(lookup=0.1, comparison=0.1)
"""Ferns in 32-bit integers, with their comparisons: nearer to what a packed file does here."""


def energy(summary: Summary, model: EnergyModel = PAPER) -> float:
    """Microjoules of arithmetic for one input; no memory, which costs more on most machines.

    Args:
        summary: of :func:`bitgrove.models.summary`.
        model: what each operation costs.

    >>> from bitgrove import models
    >>> nets = {"ferns": {}, "XNOR": {"layers": "xnor"}, "float": {"real": True}}
    >>> for name, options in nets.items():
    ...     net = models.create("fernnet", **options)
    ...     print(f"{name}: {energy(models.summary(net, (3, 64, 64))):.2f}")
    ferns: 0.93
    XNOR: 22.96
    float: 76.87
    """
    counted = (
        (summary.real_macs, model.real_mac),
        (summary.binary_macs, model.binary_mac),
        (summary.lookups, model.lookup),
        (summary.comparisons, model.comparison),
    )
    return sum(number * picojoules for number, picojoules in counted) * 1e-6
