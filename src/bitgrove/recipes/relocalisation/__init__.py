"""Camera relocalisation: the pose of a camera from descriptors of known points."""

from ._camera import Lens as Lens
from ._camera import Pose as Pose
from ._camera import look as look
from ._features import Features as Features
from ._features import detect as detect
from ._map import Answer as Answer
from ._map import Matches as Matches
from ._map import Searcher as Searcher
from ._map import locate as locate
from ._map import map_points as map_points
from ._map import match as match
from ._pose import Estimate as Estimate
from ._pose import estimate_pose as estimate_pose
from ._render import render as render
from ._scene import Plane as Plane
from ._scene import Room as Room
from ._scene import build_rooms as build_rooms
from .recipe import run as run
