"""The files that bitgrove writes: checksummed, replaced atomically or appended to durably."""

from ._atomic import check_writable as check_writable
from ._atomic import replacing as replacing
from ._container import peek as peek
from ._container import read as read
from ._container import write as write
from ._errors import FileChangedError as FileChangedError
from ._errors import FileFormatError as FileFormatError
from ._lock import locked as locked
from ._log import Tail as Tail
from ._log import append_record as append_record
from ._log import is_at as is_at
from ._log import read_log as read_log
from ._sections import Header as Header
from ._sections import check_sections as check_sections
from ._sections import is_sectioned as is_sectioned
from ._sections import map_arrays as map_arrays
from ._sections import read_arrays as read_arrays
from ._sections import read_header as read_header
from ._sections import write_sections as write_sections
