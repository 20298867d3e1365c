"""Packed residual forests against torch: on vectors, at every pixel, at several scales."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import export, runtime
from bitgrove.nn import MultiScaleForest, ResidualForestHead

from .conftest import images


def forest(channels, classes, **options):
    head = ResidualForestHead(channels, classes, **options)
    random = torch.Generator().manual_seed(0)
    head.leaf.data.normal_(generator=random)
    head.threshold.normal_(std=0.5, generator=random)
    return head.eval()


def outputs(model, x):
    with torch.no_grad():
        expected = model.eval()(torch.from_numpy(x)).numpy()
    artifact = export.pack(model, torch.from_numpy(x))
    return expected.reshape(len(x), -1), runtime.Session(artifact).run(x).reshape(len(x), -1)


@pytest.mark.parametrize("depth", [1, 2, 4, 6, 9])
@pytest.mark.parametrize("trees", [1, 7])
@pytest.mark.parametrize("classes", [1, 3, 11])
def test_a_forest_at_every_pixel_equals_torch(depth, trees, classes):
    expected, got = outputs(forest(10, classes, trees=trees, depth=depth), images(2, 10, 5, 7))
    assert len(np.unique(expected)) > 1
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


def test_the_way_through_the_trees_is_exact():
    """Leaves that are powers of two: another leaf anywhere is another sum."""
    head = ResidualForestHead(6, 1, trees=4, depth=2)
    head.leaf.data[:, :, 0] = 2.0 ** torch.arange(16).reshape(4, 4)
    x = images(3, 6, 8, 8)
    x[0, :, 0] = 0  # on the threshold, goes left
    expected, got = outputs(head, x)
    assert len(np.unique(expected)) > 20
    np.testing.assert_array_equal(got, expected)


def test_a_forest_on_a_vector_after_other_layers_equals_torch():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        forest(8, 5, trees=20, depth=3),
    )  # fmt: skip
    expected, got = outputs(model, images(4, 3, 9, 9))
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


class Segmenter(nn.Module):
    """Two scales, fused and brought back to the size of the image."""

    def __init__(self):
        super().__init__()
        self.fine = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.coarse = nn.Conv2d(6, 9, 3, stride=2, padding=1)
        self.forest = MultiScaleForest((6, 9), 4, trees=(5, 6), depth=3)
        for head in self.forest.heads:
            head.leaf.data.normal_()

    def forward(self, x):
        fine = self.fine(x)
        logits = self.forest((fine, self.coarse(F.relu(fine))))
        return F.interpolate(logits, size=x.shape[2:], mode="bilinear")


def test_a_whole_image_is_segmented_as_in_torch(torch_seed):
    expected, got = outputs(Segmenter(), images(2, 3, 18, 24))
    assert got.shape == (2, 4 * 18 * 24)
    # A number within rounding of a threshold may go the other way.
    close = np.isclose(got, expected, rtol=1e-4, atol=1e-4)
    assert close.mean() > 0.999


def test_a_saved_forest_is_the_same(tmp_path):
    head, x = forest(5, 3, trees=6, depth=4), images(2, 5, 4, 4)
    artifact = export.pack(head, torch.from_numpy(x))
    artifact.save(tmp_path / "forest.grove")
    again = runtime.load(tmp_path / "forest.grove")
    np.testing.assert_array_equal(again.run(x), runtime.Session(artifact).run(x))
