"""Nearest neighbours: exact indexes, the FANNG graph, search on codes, the vote of neighbours."""

from ._block_codes import BlockCodes as BlockCodes
from ._clustered import ClusteredCodes as ClusteredCodes
from ._code_layouts import export_codes as export_codes
from ._code_layouts import import_codes as import_codes
from ._fanng import Fanng as Fanng
from ._flat import Flat as Flat
from ._kmeans import Iteration as Iteration
from ._kmeans import KMeans as KMeans
from ._load import load as load
from ._multi_index import MultiIndexHashing as MultiIndexHashing
from ._shortlist import shortlist_and_rerank as shortlist_and_rerank
from ._shortlist import shortlist_recall as shortlist_recall
from ._vote import kernel_vote as kernel_vote
from ._vote import median_bandwidth as median_bandwidth
