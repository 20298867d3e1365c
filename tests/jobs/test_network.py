import pytest
import torch

from bitgrove import export, models
from bitgrove.jobs import network_for


@pytest.mark.parametrize("side", [8, 10, 16, 26, 28, 32, 44, 48, 64])
def test_every_side_that_is_accepted_runs_and_packs(side):
    model = models.create("birealnet_small", **network_for(side, 1, 3, width=8))
    x = torch.randn(2, 1, side, side)
    artifact = export.pack(model.eval(), x)
    assert export.verify(model, artifact, x.numpy()).equal()


@pytest.mark.parametrize(
    ("side", "hint"), [(4, "8 or 10"), (9, "8 or 10"), (30, "28 or 32"), (50, "48 or 56")]
)
def test_a_side_that_cannot_be_halved_is_refused_with_its_neighbours(side, hint):
    with pytest.raises(ValueError, match=hint):
        network_for(side, 1, 3, width=8)
