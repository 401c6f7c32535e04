"""What the tests of networks share."""

import itertools

import torch
from torch import nn

from koalarize.lab.networks import KoalaNet
from koalarize.lab.networks.koala_net import KoalaNetConfig
from koalarize.lab.runs.checkpoint import build_network, save_checkpoint
from koalarize.lab.runs.recipe import LossOptions, NetworkOptions, Recipe

TINY = {"extractor": "test_efficientnet", "pretrained": False, "extractor_size": 32}


def tiny(**options):
    torch.manual_seed(0)
    return KoalaNet(KoalaNetConfig(**{**TINY, **options}))


def some_input(batch=1, height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 1, height, width, generator=generator) * 100


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(before, after, side=3, bias=True):
    return before * after * side * side + after * bias


def layers_of(network, *kinds):
    return [module for module in network.modules() if isinstance(module, kinds)]


def recipe(name, options, size=64):
    return Recipe(
        name=f"my-{name}",
        network=NetworkOptions(name, options),
        loss=LossOptions("mse"),
        size=size,
    )


def saved(path, name, options, size=64):
    torch.manual_seed(3)
    made = recipe(name, options, size)
    save_checkpoint(path, build_network(made.network).state_dict(), made, {"steps": 1})
    return path


#: The first article's small U-Net: (channels in, channels out) of each block's two convolutions.
ARTICLE_UNET_MINI = (
    ((1, 32), (32, 32)),
    ((32, 64), (64, 64)),
    ((64, 128), (128, 128)),
    ((64 + 128, 128), (128, 64)),
    ((32 + 64, 32), (32, 32)),
)


class ArticleUNetMini(nn.Module):
    """The small U-Net built from the table; takes L and gives ab on the scale from -1 to 1."""

    def __init__(self):
        super().__init__()
        table = itertools.chain(*ARTICLE_UNET_MINI)
        self.layers = nn.ModuleList(nn.Conv2d(*both, 3, padding=1) for both in table)
        self.layers.append(nn.Conv2d(32, 2, 1))

    def block(self, number, grid):
        for layer in self.layers[2 * number : 2 * number + 2]:
            grid = layer(grid).clamp_min(0)  # dropout does nothing outside training
        return grid

    def forward(self, scaled):
        skips = []
        for number in (0, 1):
            skips.append(self.block(number, scaled))
            scaled = nn.functional.max_pool2d(skips[-1], 2)
        scaled = self.block(2, scaled)
        for number in (3, 4):
            wide = scaled.repeat_interleave(2, -2).repeat_interleave(2, -1)
            scaled = self.block(number, torch.cat([wide, skips.pop()], 1))
        return self.layers[-1](scaled)
