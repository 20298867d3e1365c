"""A small version of every network, with pictures that fit it."""

import torch

import bitgrove as bg

SMALL = {
    "binarynet, bop": ("binarynet", {"variant": "bop", "width": 4, "image_size": 12}, 12),
    "binarynet, bnn": ("binarynet", {"variant": "bnn", "width": 4, "image_size": (8, 16)}, (8, 16)),
    "birealnet152": ("birealnet152", {"width": 4, "stem": "small"}, 8),
    "birealnet18": ("birealnet18", {"width": 4, "stem": "small"}, 8),
    "birealnet34": ("birealnet34", {"width": 4}, 32),
    "birealnet50": ("birealnet50", {"width": 4, "stem": "small"}, 8),
    "birealnet50_depth": ("birealnet50_depth", {"width": 4}, 32),
    "birealnet_small": ("birealnet_small", {"width": 4, "in_channels": 3}, 8),
    "bwn_alexnet": ("bwn_alexnet", {"width": 6, "image_size": (63, 66)}, (63, 66)),
    "bwn_resnet18": ("bwn_resnet18", {"width": 4, "stem": "small"}, 8),
    "fernnet": ("fernnet", {"width": 4}, 16),
    "fernnet, learned": ("fernnet", {"width": 4, "tests": "learned", "gradient": "soft"}, 16),
    "fernnet, xnor": ("fernnet", {"width": 4, "layers": "xnor"}, 16),
    "nin": ("nin", {"width": 12}, (9, 8)),
    "nin, weights only": ("nin", {"width": 12, "weights_only": True}, (9, 8)),
    "quicknet": ("quicknet", {"width": 8}, 32),
    "quicknet_large": ("quicknet_large", {"width": 4}, 32),
    "quicknet_small": ("quicknet_small", {"width": 4}, 32),
    "reactnet_a": ("reactnet_a", {"width": 4, "stem_stride": 1}, 16),
    "xnor_alexnet": ("xnor_alexnet", {"width": 6, "image_size": 64}, 64),
    "xnor_resnet18": ("xnor_resnet18", {"width": 4, "stem": "small", "input_scale": True}, 8),
    "xnornet_cifar10": ("xnornet_cifar10", {"width": 4, "image_size": 8}, 8),
    "xnornet_cifar10, K": (
        "xnornet_cifar10",
        {"width": 4, "image_size": 8, "input_scale": True},
        8,
    ),
    "xnornet_cifar10, BWN": (
        "xnornet_cifar10",
        {"width": 4, "image_size": 8, "weights_only": True},
        8,
    ),
}
CLASSES = 7


def make(key, seed=0, **options):
    """The model and six pictures."""
    name, own, size = SMALL[key]
    height, width = size if isinstance(size, tuple) else (size, size)
    classes = {} if name == "birealnet50_depth" else {"num_classes": CLASSES}
    torch.manual_seed(seed)
    return bg.models.create(name, **classes, **own, **options), torch.randn(6, 3, height, width)


def warmed(model, x):
    """The model in eval mode, its batch norms with statistics and biases as after training."""
    model.train()
    with torch.no_grad():
        for _ in range(3):
            model(x)
        for module in model.modules():
            if isinstance(module, torch.nn.modules.batchnorm._BatchNorm) and module.affine:
                module.bias.normal_()
                if module.weight.requires_grad:  # else it is fixed at 1
                    module.weight.uniform_(-1.5, 1.5)
            if isinstance(module, bg.nn.RSign):
                module.shift.normal_()
            if isinstance(module, bg.nn.RPReLU):
                for parameter in module.parameters():
                    parameter.normal_()
    return model.eval()
