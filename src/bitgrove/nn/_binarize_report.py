"""What :func:`bitgrove.nn.binarize_model` did to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import fx, nn

Action = Literal[
    "binary", "real", "activation removed", "batch norm added", "shortcut added", "shortcut moved",
    "warning",
]  # fmt: skip

_KEY = "bitgrove_binarization"


@dataclass(frozen=True)
class BinarizationChange:
    """One line of a report: a module, what became of it, and why."""

    name: str
    action: Action
    detail: str


@dataclass(frozen=True)
class BinarizationReport:
    """Everything that was changed, or left on purpose; prints as a table.

    Layers with weights come first, in order of execution, then activations, then warnings (of a
    binary layer whose input still has one sign only), then shortcuts.
    """

    changes: tuple[BinarizationChange, ...]

    def names(self, action: Action) -> tuple[str, ...]:
        """Names of the modules of which ``action`` is told."""
        return tuple(change.name for change in self.changes if change.action == action)

    def __str__(self) -> str:
        """One line per change in three columns."""
        rows = [("module", "became", "note")]
        rows += [(change.name, change.action, change.detail) for change in self.changes]
        widths = [max(len(row[column]) for row in rows) for column in range(2)]
        return "\n".join(
            f"{name:{widths[0]}}  {action:{widths[1]}}  {detail}".rstrip()
            for name, action, detail in rows
        )


def binarization_report(model: nn.Module) -> BinarizationReport:
    """What :func:`bitgrove.nn.binarize_model` did to make ``model``.

    Raises:
        ValueError: ``model`` does not come from there.
    """
    report = getattr(model, "meta", {}).get(_KEY) or getattr(model, _KEY, None)
    if report is None:
        raise ValueError("the model has no report; hand in what binarize_model returned")
    return report


def attach_report(model: fx.GraphModule, report: BinarizationReport) -> None:
    """Leave ``report`` where :func:`binarization_report` finds it."""
    # Of a GraphModule, copy.deepcopy keeps ``meta`` only, and pickle the other attributes only.
    model.meta[_KEY] = report
    setattr(model, _KEY, report)
