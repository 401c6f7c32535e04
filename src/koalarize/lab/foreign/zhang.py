"""The networks of Zhang et al.: ECCV 2016, and SIGGRAPH 2017 with hints and suggestions.

Not here: their weights (``load``). Layers, their order and their names are those of the published
PyTorch port (richzhang/colorization, BSD-2-Clause).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from koalarize.lab.networks import ClassifyingNetwork, ColorNetwork

__all__ = ["ECCV16", "Siggraph17"]

_AB = 110.0  # Lab units in one unit of their ab
#: Side of the squares that their authors show them.
_SIDE = 256
_GRID = torch.arange(-110.0, 111.0, 10.0)  # of SIGGRAPH17's classes, in a* and in b*
#: What its authors multiply its class logits with before the softmax.
_SHARPNESS = 0.2
_PROBE = 32  # pixels: side of the patches by which the order of its classes is found


def _convolutions(
    channels: int, widths: Sequence[int], *, dilation: int = 1, halve: bool = False
) -> list[nn.Module]:
    """Return convolutions with a ReLU each, the last of which may halve the size, and a norm."""
    layers: list[nn.Module] = []
    for number, width in enumerate(widths):
        stride = 2 if halve and number == len(widths) - 1 else 1
        layers += [
            nn.Conv2d(channels, width, 3, stride, padding=dilation, dilation=dilation),
            nn.ReLU(),
        ]
        channels = width
    return [*layers, nn.BatchNorm2d(channels)]


class ECCV16(ClassifyingNetwork):
    """The network of 2016, "Colorful Image Colorization": classifies, at a quarter of the size.

    Its last layer, without a bias, holds its 313 bins: their mean under the distribution is ab.
    """

    stride = 8
    accepts_hints = False
    authors_side = _SIDE

    def __init__(self, width: int = 64, bins: int = 313) -> None:
        """Make it.

        Args:
            width: channels of the first block; the others are multiples of it.
            bins: how many.
        """
        super().__init__()
        w = width
        self.model1 = nn.Sequential(*_convolutions(1, [w, w], halve=True))
        self.model2 = nn.Sequential(*_convolutions(w, [2 * w] * 2, halve=True))
        self.model3 = nn.Sequential(*_convolutions(2 * w, [4 * w] * 3, halve=True))
        self.model4 = nn.Sequential(*_convolutions(4 * w, [8 * w] * 3))
        self.model5 = nn.Sequential(*_convolutions(8 * w, [8 * w] * 3, dilation=2))
        self.model6 = nn.Sequential(*_convolutions(8 * w, [8 * w] * 3, dilation=2))
        self.model7 = nn.Sequential(*_convolutions(8 * w, [8 * w] * 3))
        self.model8 = nn.Sequential(
            nn.ConvTranspose2d(8 * w, 4 * w, 4, 2, 1),
            *[
                part
                for _ in range(2)
                for part in (nn.ReLU(), nn.Conv2d(4 * w, 4 * w, 3, padding=1))
            ],
            nn.ReLU(),
            nn.Conv2d(4 * w, bins, 1),
        )
        self.model_out = nn.Conv2d(bins, 2, 1, bias=False)

    def logits(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Return (B, Q, H/4, W/4) of L* (B, 1, H, W)."""
        del hints
        self.check_size(l)
        grid = self.model3(self.model2(self.model1((l - 50) / 100)))  # (B, 4w, H/8, W/8)
        grid = self.model7(self.model6(self.model5(self.model4(grid))))  # (B, 8w, H/8, W/8)
        return self.model8(grid)  # (B, Q, H/4, W/4)

    def decode(self, logits: Tensor) -> Tensor:
        """Return ab (B, 2, h, w) of logits (B, Q, h, w)."""
        return self.model_out(torch.softmax(logits / self.temperature, dim=1)) * _AB

    def centres(self) -> Tensor:
        """Return (Q, 2) its bins in Lab units."""
        return self.model_out.weight.detach()[:, :, 0, 0].T * _AB


class Siggraph17(ColorNetwork):
    """The network of 2017, "Real-Time User-Guided Image Colorization with Learned Deep Priors".

    It predicts ab, led by hints, and suggests colours. The mask of hints is 0 and 1, as for the
    weights that were converted from Caffe.
    """

    stride = 8
    accepts_hints = True
    authors_side = _SIDE

    def __init__(self, width: int = 64) -> None:
        """Make it; ``width`` is the channels of the first block."""
        super().__init__()
        w = width
        self.model1 = nn.Sequential(*_convolutions(4, [w, w]))
        self.model2 = nn.Sequential(*_convolutions(w, [2 * w] * 2))
        self.model3 = nn.Sequential(*_convolutions(2 * w, [4 * w] * 3))
        self.model4 = nn.Sequential(*_convolutions(4 * w, [8 * w] * 3))
        self.model5 = nn.Sequential(*_convolutions(8 * w, [8 * w] * 3, dilation=2))
        self.model6 = nn.Sequential(*_convolutions(8 * w, [8 * w] * 3, dilation=2))
        self.model7 = nn.Sequential(*_convolutions(8 * w, [8 * w] * 3))
        self.model8up = _wrapped(nn.ConvTranspose2d(8 * w, 4 * w, 4, 2, 1))
        self.model3short8 = _wrapped(nn.Conv2d(4 * w, 4 * w, 3, padding=1))
        self.model8 = nn.Sequential(nn.ReLU(), *_convolutions(4 * w, [4 * w] * 2))
        self.model9up = _wrapped(nn.ConvTranspose2d(4 * w, 2 * w, 4, 2, 1))
        self.model2short9 = _wrapped(nn.Conv2d(2 * w, 2 * w, 3, padding=1))
        self.model9 = nn.Sequential(nn.ReLU(), *_convolutions(2 * w, [2 * w]))
        self.model10up = _wrapped(nn.ConvTranspose2d(2 * w, 2 * w, 4, 2, 1))
        self.model1short10 = _wrapped(nn.Conv2d(w, 2 * w, 3, padding=1))
        self.model10 = nn.Sequential(
            nn.ReLU(), nn.Conv2d(2 * w, 2 * w, 3, padding=1), nn.LeakyReLU(0.2)
        )
        self.model_class = _wrapped(nn.Conv2d(4 * w, len(_GRID) ** 2, 1))
        self.model_out = nn.Sequential(nn.Conv2d(2 * w, 2, 1), nn.Tanh())

    def forward(self, l: Tensor, hints: Tensor | None = None) -> Tensor:
        """Predict ab (B, 2, H, W) from lightness (B, 1, H, W) and hint planes (a, b, mask)."""
        return self.both(l, hints)[0]

    def both(self, l: Tensor, hints: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return ab (B, 2, H, W) and the logits (B, 529, H/4, W/4) of the colours it suggests."""
        self.check_size(l)
        given = torch.zeros_like(l).expand(-1, 3, -1, -1) if hints is None else hints
        planes = torch.cat([(l - 50) / 100, given[:, :2] / _AB, given[:, 2:]], dim=1)
        one = self.model1(planes)  # (B, w, H, W)
        two = self.model2(one[:, :, ::2, ::2])  # (B, 2w, H/2, W/2)
        three = self.model3(two[:, :, ::2, ::2])  # (B, 4w, H/4, W/4)
        grid = self.model4(three[:, :, ::2, ::2])  # (B, 8w, H/8, W/8)
        grid = self.model7(self.model6(self.model5(grid)))  # (B, 8w, H/8, W/8)
        eight = self.model8(self.model8up(grid) + self.model3short8(three))  # (B, 4w, H/4, W/4)
        grid = self.model9(self.model9up(eight) + self.model2short9(two))  # (B, 2w, H/2, W/2)
        grid = self.model10(self.model10up(grid) + self.model1short10(one))  # (B, 2w, H, W)
        return self.model_out(grid) * _AB, self.model_class(eight) * _SHARPNESS

    def centres(self) -> Tensor:
        """Return (529, 2) the colours that it classifies over, Lab units.

        Two programs of its authors disagree whether a* or b* comes first, so the weights are asked:
        under strong hints the classes' mean must lie where the predicted ab does.
        """
        slow = torch.cartesian_prod(_GRID, _GRID)
        hints = torch.zeros(4, 3, _PROBE, _PROBE)
        hints[:, :2] = torch.tensor([[60.0, 0], [-50, 0], [0, 60], [0, -60]])[..., None, None]
        hints[:, 2] = 1
        l = torch.linspace(30, 80, _PROBE).expand(4, 1, _PROBE, -1)
        awake = self.training
        with torch.no_grad():
            ab, logits = self.eval().both(l, hints)
        self.train(awake)
        likely = torch.softmax(logits / _SHARPNESS, dim=1).mean((2, 3))  # (4, 529)
        ab = ab.mean((2, 3))
        misses = [(likely @ order - ab).square().sum().item() for order in (slow, slow.flip(1))]
        return slow if misses[0] <= misses[1] else slow.flip(1)


def _wrapped(layer: nn.Module) -> nn.Sequential:
    return nn.Sequential(layer)
