"""Packed models: loads and runs a ``.grove`` file with numpy and the C++ executor alone."""

from ._artifact import Artifact as Artifact
from ._examples import Examples as Examples
from ._forest import Forest as Forest
from ._graph import Graph as Graph
from ._graph import Node as Node
from ._link import Link as Link
from ._precision import RealDtype as RealDtype
from ._precision import check_real_dtype as check_real_dtype
from ._preprocessing import ImageError as ImageError
from ._preprocessing import Preprocessing as Preprocessing
from ._profile import Profile as Profile
from ._profile import StageProfile as StageProfile
from ._session import Example as Example
from ._session import Prediction as Prediction
from ._session import Session as Session
from ._session import load as load
from ._session import run_graph as run_graph
