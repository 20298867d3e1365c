"""The container of every file bitgrove writes: safetensors, checksummed, replaced atomically."""

from ._atomic import check_writable as check_writable
from ._atomic import replacing as replacing
from ._container import peek as peek
from ._container import read as read
from ._container import write as write
from ._errors import FileFormatError as FileFormatError
