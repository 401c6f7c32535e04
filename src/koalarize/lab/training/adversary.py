"""A PatchGAN beside the network: it learns to tell its colours from real ones, patch by patch.

Not here: the network's own step (``module``).
After Isola et al. 2017 (pix2pix) with the squared error of Mao et al. 2017; it may begin late, when
the network colours well already, as in NoGAN training. It is no part of the network or its average:
only its state is saved, for a run that continues.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize.lab.runs.recipe import AdversarialOptions

__all__ = ["Adversary", "PatchDiscriminator"]

#: What ``state_dict`` of the network and of its optimizer hold.
State = dict[str, dict[str, object]]

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

    def forward(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Return (B, 1, h, w) scores of L* (B, 1, H, W) with ab (B, 2, H, W) in Lab units."""
        return self.layers(torch.cat([lightness / 50 - 1, ab / _AB], dim=1))  # (B, 1, H/4-2, W/4-2)


class Adversary:
    """The discriminator and its optimizer.

    Args:
        options: of the recipe.
        seed: of its first weights.
    """

    def __init__(self, options: AdversarialOptions, seed: int) -> None:
        self.options = options
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = PatchDiscriminator(options.width)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), options.learning_rate, betas=_BETAS
        )

    def to(self, device: torch.device) -> None:
        """Move everything to a device."""
        self.network.to(device)
        self.load_state_dict(self.state_dict())  # Adam's state follows its weights

    def fooled(self, lightness: Tensor, ab: Tensor) -> Tensor:
        """Return how far the network's colours are from passing for real; 0 if they do.

        Args:
            lightness: (B, 1, H, W), L*.
            ab: (B, 2, H, W) in Lab units, which gets a gradient.
        """
        self.network.requires_grad_(False)
        with torch.autocast(ab.device.type, enabled=False):
            scores = self.network(lightness, ab.float())
        self.network.requires_grad_(True)
        return F.mse_loss(scores, torch.ones_like(scores))

    def learn(self, lightness: Tensor, ab: Tensor, target: Tensor) -> Tensor:
        """Take one step on made and real colours, and return the loss before it.

        Args:
            lightness: (B, 1, H, W), L*.
            ab: (B, 2, H, W) in Lab units, the network's.
            target: the same, real.
        """
        with torch.autocast(ab.device.type, enabled=False):
            made = self.network(lightness, ab.detach().float())
            real = self.network(lightness, target.float())
            loss = (made.square().mean() + (real - 1).square().mean()) / 2
        self.optimizer.zero_grad()
        loss.backward()
        self._share_gradients()
        self.optimizer.step()
        return loss.detach()

    def state_dict(self) -> State:
        """Return what a run that continues needs."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: State) -> None:
        """Take the state of an earlier run."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _share_gradients(self) -> None:
        """Average the gradients over all processes, as the trainer does for the network's own."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return
        world = torch.distributed.get_world_size()
        for weights in self.network.parameters():
            assert weights.grad is not None
            torch.distributed.all_reduce(weights.grad)
            weights.grad /= world
