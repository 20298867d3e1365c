"""Nearest neighbours: the exact index, the FANNG graph, and the vote of neighbours."""

from ._block_codes import BlockCodes as BlockCodes
from ._fanng import Fanng as Fanng
from ._flat import Flat as Flat
from ._kmeans import Iteration as Iteration
from ._kmeans import KMeans as KMeans
from ._load import load as load
from ._multi_index import MultiIndexHashing as MultiIndexHashing
from ._vote import kernel_vote as kernel_vote
from ._vote import median_bandwidth as median_bandwidth
