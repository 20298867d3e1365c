import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bitgrove import nn as bnn


def normed(bn, x):
    """Oracle: batch norm at evaluation, written out."""
    column = (slice(None), None, None)
    unit = (x - bn.running_mean[column]) / torch.sqrt(bn.running_var[column] + bn.eps)
    return unit * bn.weight[column] + bn.bias[column]


def randomised(block):
    """In evaluation mode, with batch norms that do something."""
    torch.manual_seed(0)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean, module.running_var):
                tensor.data.uniform_(0.5, 1.5)
    return block.eval()


@pytest.mark.parametrize(
    ("in_channels", "out_channels", "stride"), [(4, 4, 1), (4, 8, 2), (4, 6, 1), (4, 4, 2)]
)
@pytest.mark.parametrize("real", [False, True])
def test_block_is_convolution_norm_and_shortcut(in_channels, out_channels, stride, real):
    block = randomised(bnn.BiRealBlock(in_channels, out_channels, stride=stride, real=real))
    x = torch.randn(2, in_channels, 6, 8) * 2
    if real:
        y = F.conv2d(x.clamp(-1, 1), block.conv.weight, stride=stride, padding=1)
    else:
        bordered = F.pad(torch.where(x >= 0, 1.0, -1.0), (1, 1, 1, 1), value=-1)
        y = F.conv2d(bordered, torch.where(block.conv.weight >= 0, 1.0, -1.0), stride=stride)
    y = normed(block.bn, y)
    if block.shortcut is None:
        assert (in_channels, stride) == (out_channels, 1)
        y = y + x
    else:
        *_, conv, bn = block.shortcut
        pooled = x.unflatten(2, (-1, stride)).unflatten(4, (-1, stride)).mean((3, 5))
        y = y + normed(bn, torch.einsum("nchw,oc->nohw", pooled, conv.weight[:, :, 0, 0]))
    torch.testing.assert_close(block(x), y, rtol=1e-4, atol=1e-4)


def test_the_real_twin_initialises_the_binary_block():
    twin, block = bnn.BiRealBlock(4, 8, stride=2, real=True), bnn.BiRealBlock(4, 8, stride=2)
    block.load_state_dict(twin.state_dict())
    assert torch.equal(block.conv.weight, twin.conv.weight)


def test_options_reach_the_convolution():
    block = bnn.BiRealBlock(
        4, 4, pad_value=0, input_estimator="swish", weight_estimator="magnitude_aware"
    )
    assert block.conv.pad_value == 0
    assert block.conv.input_estimator == bnn.Swish()
    assert block.conv.weight_estimator == bnn.MagnitudeAware()
