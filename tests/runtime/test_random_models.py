"""Random torch networks, packed, equal themselves on every level of instructions."""

import copy
import os

import hypothesis
import torch
from hypothesis import HealthCheck
from hypothesis import strategies as st

from bitgrove import export
from bitgrove.runtime import Session

from .random_models import random_model

EXAMPLES = int(os.environ.get("BITGROVE_EXAMPLES", "8"))
"""Networks for each level; thousands find what a few miss."""


@hypothesis.given(st.randoms(use_true_random=False))
@hypothesis.settings(
    max_examples=EXAMPLES,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)
def test_random_networks_pack_to_their_torch_models(simd_level, random):
    model, x = random_model(random)
    artifact = export.pack(model, x)
    with torch.no_grad():
        expected = model(x)
        precise = copy.deepcopy(model).double()(x.double())
    largest = float(expected.abs().max()) or 1.0
    # What rounding does to torch's own numbers; where it turns signs, they are told apart below.
    rounding = min(float((precise - expected).abs().max() / largest), 1e-3)
    found = export.verify(model, artifact, x.numpy(), threads=2)
    assert found.integers > 0
    # Not equal(), which allows two ties: maxima that are neighbours cancel under weights of +1 and
    # -1, and leave many zeros that are not quite.
    assert found.integers_different == found.signs_different == 0, found
    assert found.signs_turned <= 2 + found.signs / 100, found
    assert found.relative_error <= 1e-4 + 10 * rounding, found
    if found.ties:
        return
    for threads in (1, 5):
        got = torch.from_numpy(Session(artifact, threads).run(x.numpy())).reshape(expected.shape)
        allowed = (1e-4 + 10 * rounding) * largest
        torch.testing.assert_close(got, expected, rtol=0, atol=allowed)
