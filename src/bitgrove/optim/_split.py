"""Which parameters are binary."""

from __future__ import annotations

from torch import nn


def split_parameters(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Part the parameters of ``model`` into binary ones and real ones.

    Binary are those that their module names in ``binary_parameter_names``, as the layers of
    ``bitgrove.nn`` do while they binarise; neither a parameter's name nor its shape counts. A
    module of your own takes part by having that attribute.

    Args:
        model: any module.

    Returns:
        ``(binary, real)``, each in the order of ``model.parameters()``, every parameter once.

    Raises:
        ValueError: a parameter is shared between a module that binarises it and one that does not,
            so that an optimiser for either would harm the other.

    >>> from bitgrove.nn import BinaryConv2d
    >>> net = nn.Sequential(BinaryConv2d(1, 4, 3, scale="learned"), nn.BatchNorm2d(4))
    >>> binary, real = split_parameters(net)
    >>> [tuple(p.shape) for p in binary], [tuple(p.shape) for p in real]
    ([(4, 1, 3, 3)], [(4,), (4,), (4,)])
    """
    binary: dict[nn.Parameter, str] = {}
    real: dict[nn.Parameter, str] = {}
    for path, module in model.named_modules():
        names = getattr(module, "binary_parameter_names", ())
        for name, parameter in module.named_parameters(recurse=False):
            kind = binary if name in names else real
            kind.setdefault(parameter, f"{path}.{name}".lstrip("."))
    for parameter in binary:
        if parameter in real:
            raise ValueError(
                f"{binary[parameter]} (binary) and {real[parameter]} (real) are one parameter; "
                "binarise it in both modules or in neither"
            )
    return list(binary), list(real)
