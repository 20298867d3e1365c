"""Arguments that several commands take."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

Count = Annotated[int, Parameter(validator=Number(gte=1))]
Threads = Annotated[int, Parameter(validator=Number(gte=1, lte=1024))]
"""As many as a session takes."""
