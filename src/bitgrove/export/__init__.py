"""From a torch model to a packed one."""

# ruff: noqa: E402
from .. import require

require("torch", extra="train", needed_for="bitgrove.export")

from ._pack import pack as pack
from ._verify import Verification as Verification
from ._verify import verify as verify
