"""Each article network's answer, computed from its own weights as the article's layers say.

Written out by functions, in the order of the article's list, with none of the package's layers.
"""

import pytest
import torch
from torch import nn

from koalarize.errors import OptionError
from koalarize.lab.networks import CNN, UNet
from koalarize.lab.networks.cnn import CNNConfig
from koalarize.lab.networks.extractor import ExtractorConfig
from koalarize.lab.networks.unet import UNetConfig
from networks_parts import some_input, tiny


def convolutions(network):
    """Weights and biases of the convolutions and linear layers, in the order of the list."""
    weights = [w for name, w in network.state_dict().items() if name.endswith("weight")]
    biases = [b for name, b in network.state_dict().items() if name.endswith("bias")]
    return list(zip(weights, biases, strict=True))


def doubled(grid):
    return grid.repeat_interleave(2, -2).repeat_interleave(2, -1)


def lab_units(scaled):
    """np.interp(scaled, (-1, 1), (-128, 127)) of the first article."""
    return -128 + (scaled + 1) / 2 * (127 + 128)


@torch.inference_mode()
@pytest.mark.parametrize("sees", ["srgb", "lightness"])
def test_koala_net(sees):
    network = tiny(extractor_input=sees).eval()
    lightness = some_input(2, 32, 32)
    grid = 2 * lightness / 100 - 1
    if sees == "lightness":  # the article's: L from -1 to 1, three times
        features = network.extractor.model(torch.cat([grid] * 3, dim=1))
    else:
        features = network.extractor(lightness)
    layers = iter(convolutions(network))
    for stride in (2, 1, 2, 1, 2, 1, 1, 1):
        grid = nn.functional.conv2d(grid, *next(layers), stride=stride, padding=1).relu()
    spread = torch.stack([torch.stack([features] * 4, dim=-1)] * 4, dim=-1)  # 32 / 8 a side
    grid = nn.functional.conv2d(torch.cat([grid, spread], dim=1), *next(layers)).relu()
    grid = doubled(nn.functional.conv2d(grid, *next(layers), padding=1).relu())
    grid = nn.functional.conv2d(grid, *next(layers), padding=1).relu()
    grid = doubled(nn.functional.conv2d(grid, *next(layers), padding=1).relu())
    grid = nn.functional.conv2d(grid, *next(layers), padding=1).relu()
    grid = doubled(nn.functional.conv2d(grid, *next(layers), padding=1).tanh())
    assert next(layers, None) is None
    torch.testing.assert_close(network(lightness), lab_units(grid))


def test_what_the_extractor_may_see():
    with pytest.raises(OptionError, match="did you mean `lightness`"):
        ExtractorConfig(extractor_input="lightnes")


@torch.inference_mode()
def test_cnn():
    torch.manual_seed(0)
    network = CNN(CNNConfig(width=16)).eval()
    lightness = some_input(2, 16, 16)
    grid = lightness / 100
    *convolved, wide, narrow = convolutions(network)
    assert len(convolved) == 7
    for weight, bias in convolved:
        grid = nn.functional.conv2d(grid, weight, bias, padding=1)
        grid = torch.where(grid > 0, grid, 0.01 * grid)
    grid = torch.einsum("bchw,vw->bchv", grid, wide[0]) + wide[1]
    grid = torch.where(grid > 0, grid, 0.01 * grid)
    grid = torch.einsum("bchw,vw->bchv", grid, narrow[0]) + narrow[1]
    torch.testing.assert_close(network(lightness), 128 * grid.tanh())


@torch.inference_mode()
@pytest.mark.parametrize(
    ("head", "function"),
    [("sigmoid", torch.sigmoid), ("linear", nn.Identity()), ("tanh", torch.tanh)],
)
def test_unet(head, function):
    """Concatenated the wider grid first, then the skip, as brain-segmentation-pytorch does."""
    torch.manual_seed(0)
    network = UNet(UNetConfig(init_features=2, head=head))
    network(some_input(4, 32, 32))  # so that batch norms have statistics of their own
    network.eval()
    state = network.state_dict()

    def block(grid, name):
        for number in (0, 3):
            grid = nn.functional.conv2d(grid, state[f"{name}.{number}.weight"], padding=1)
            norm = [state[f"{name}.{number + 1}.{part}"] for part in
                    ("running_mean", "running_var", "weight", "bias")]  # fmt: skip
            mean, variance, scale, shift = (part[None, :, None, None] for part in norm)
            grid = ((grid - mean) / (variance + 1e-5).sqrt() * scale + shift).relu()
        return grid

    lightness = some_input(2, 32, 48)
    grid, skips = 2 * lightness / 100 - 1, []
    for level in range(4):
        skips.append(block(grid, f"down.{level}"))
        grid = nn.functional.max_pool2d(skips[-1], 2)
    grid = block(grid, "bottom")
    for level in range(4):
        weight, bias = (state[f"doubling.{level}.{part}"] for part in ("weight", "bias"))
        grid = nn.functional.conv_transpose2d(grid, weight, bias, stride=2)
        grid = block(torch.cat([grid, skips.pop()], dim=1), f"up.{level}")
    grid = function(nn.functional.conv2d(grid, state["head.weight"], state["head.bias"]))
    found = network(lightness)
    torch.testing.assert_close(found, lab_units(grid))
    if head == "sigmoid":
        assert found.min() >= -0.5  # neither green nor blue
