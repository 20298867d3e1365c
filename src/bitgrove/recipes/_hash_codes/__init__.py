"""Tables of hash methods: data sets by methods by code lengths by seeds, each cell kept."""

from ._keeping import keeping as keeping
from ._network import NETWORK as NETWORK
from ._network import network_features as network_features
from ._run import run_table as run_table
from ._study import Method as Method
from ._study import Study as Study
from ._study import Task as Task
