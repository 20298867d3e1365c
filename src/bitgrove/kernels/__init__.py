"""The kernels, with their arguments checked. Every kernel exists for each SIMD level."""

from ._bits import binary_matmul as binary_matmul
from ._bits import hamming_distances as hamming_distances
from ._bits import pack_signs as pack_signs
from ._distances import squared_l2_distances as squared_l2_distances
from ._ferns import Ferns as Ferns
from ._signs import approx_gradient as approx_gradient
from ._signs import signs as signs
from ._simd import cpu_name as cpu_name
from ._simd import set_simd_level as set_simd_level
from ._simd import simd_level as simd_level
from ._simd import simd_levels as simd_levels
from ._simd import usable_cpus as usable_cpus
