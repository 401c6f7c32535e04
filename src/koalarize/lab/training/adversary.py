"""A discriminator beside the network: it learns to tell its colours from real ones, place by place.

Not here: the network's own step (``module``), the features (``perceptual``).
One looks at patches of the picture, after Isola et al. 2017 (pix2pix); the other at what a network
that knows ImageNet sees in it, after Sauer et al. 2021 (projected GANs). Both learn by the squared
error of Mao et al. 2017 and may begin late, when the network colours well already, as in NoGAN
training. Neither is part of the network or its average: only the state is saved, for a run that
continues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from koalarize.lab.runs.recipe import AdversarialOptions
from koalarize.lab.training.perceptual import FEATURES

__all__ = ["Adversary", "FeatureDiscriminator", "PatchDiscriminator"]

#: What ``state_dict`` of the network and of its optimizer hold.
State = dict[str, dict[str, object]]

#: What a discriminator looks at.
Picture = Sequence[Tensor]

_AB = 110.0
_BETAS = (0.5, 0.999)  # pix2pix's


class PatchDiscriminator(nn.Module):
    """Scores patches of 34 pixels of a coloured picture: 1 is real, 0 is not.

    Args:
        width: channels of the first layer.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False),
            nn.InstanceNorm2d(2 * width, affine=True),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, padding=1, bias=False),
            nn.InstanceNorm2d(4 * width, affine=True),
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 4, padding=1),
        )

    def forward(self, picture: Picture) -> list[Tensor]:
        """Return (B, 1, H/4-2, W/4-2) scores of a list of L* and ab in Lab units, in a list."""
        lightness, ab = picture  # (B, 1, H, W), (B, 2, H, W)
        return [self.layers(torch.cat([lightness / 50 - 1, ab / _AB], dim=1))]


class FeatureDiscriminator(nn.Module):
    """Scores each place of what LPIPS' network sees of a picture: 1 is real, 0 is not.

    It leaves out the finest features, edges at half the size, which would take two thirds of its
    time. Spectral norm keeps it smooth; the levels of the features, which say how much colour there
    is, stay as they are.

    Args:
        width: channels between the features and the scores.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(channels, width, 1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, width, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(width, 1, 1)),
            )
            for channels in FEATURES[1:]
        )

    def forward(self, picture: Picture) -> list[Tensor]:
        """Return (B, 1, h, w) scores of all but the first of the features (B, C, h, w).

        Args:
            picture: features, each of length 1 along C.
        """
        return [
            head(part * part.shape[1] ** 0.5)
            for head, part in zip(self.heads, picture[1:], strict=True)
        ]


class Adversary:
    """The discriminator and its optimizer.

    A picture is a list of tensors: L* (B, 1, H, W) and ab (B, 2, H, W) in Lab units where it
    looks at patches, and what ``PerceptualLoss.features`` returns where it looks at features.

    Args:
        options: of the recipe.
        seed: of its first weights.
    """

    def __init__(self, options: AdversarialOptions, seed: int) -> None:
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = _KINDS[options.sees](options.width)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), options.learning_rate, betas=_BETAS
        )

    def to(self, device: torch.device) -> None:
        """Move everything to a device."""
        self.network.to(device)
        self.load_state_dict(self.state_dict())  # Adam's state follows its weights

    def fooled(self, made: Picture) -> Tensor:
        """Return how far the network's picture is from passing for real; 0 if it does."""
        self.network.requires_grad_(False)
        loss = _mean([(part - 1).square().mean() for part in self._look(made)])
        self.network.requires_grad_(True)
        return loss

    def learn(self, made: Picture, real: Picture) -> Tensor:
        """Take one step on a made and a real picture, and return the loss before it."""
        found = self._look([part.detach() for part in made])
        wanted = self._look([part.detach() for part in real])
        loss = _mean(
            [
                (a.square().mean() + (b - 1).square().mean()) / 2
                for a, b in zip(found, wanted, strict=True)
            ]
        )
        self.optimizer.zero_grad()
        loss.backward()
        self._share_gradients()
        self.optimizer.step()
        return loss.detach()

    def _look(self, picture: Picture) -> list[Tensor]:
        """Return the scores of a picture: features in the run's precision, patches in fp32."""
        if self.options.sees == "features":
            return [part.float() for part in self.network(picture)]
        with torch.autocast(picture[0].device.type, enabled=False):
            return cast(list[Tensor], self.network([part.float() for part in picture]))

    def state_dict(self) -> State:
        """Return what a run that continues needs."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: State) -> None:
        """Take the state of an earlier run, but for its learning rate."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        for group in self.optimizer.param_groups:
            group["lr"] = self.options.learning_rate

    def _share_gradients(self) -> None:
        """Average the gradients over all processes, as the trainer does for the network's own."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return
        world = torch.distributed.get_world_size()
        for weights in self.network.parameters():
            assert weights.grad is not None
            torch.distributed.all_reduce(weights.grad)
            weights.grad /= world


_KINDS: dict[str, Callable[[int], nn.Module]] = {
    "patches": PatchDiscriminator,
    "features": FeatureDiscriminator,
}


def _mean(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).mean()
