"""DDColor's colour queries: learnt vectors that look at three grids in turn.

Not here: the grids (``ddcolor``). Each layer is cross-attention, self-attention, perceptron, in
this order, each added and then normed (the masked-attention transformer of Cheng et al. 2022).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ColorQueries"]

_PERIOD = 10_000.0


class _Attention(nn.Module):
    """Attention with several heads, under the parameter names of torch's own."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Return (B, Q, C) of queries (B, Q, C), keys and values (B, K, C)."""
        channels = query.shape[-1]
        parts: list[Tensor] = []
        for number, given in enumerate((query, key, value)):
            own = slice(number * channels, (number + 1) * channels)
            made = F.linear(given, self.in_proj_weight[own], self.in_proj_bias[own])
            parts.append(self._split(made))
        asked, offered, taken = parts  # each (B, heads, n, C / heads)
        near = asked @ offered.transpose(-2, -1) / math.sqrt(asked.shape[-1])
        mixed = torch.softmax(near, dim=-1) @ taken
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def _split(self, rows: Tensor) -> Tensor:
        batch, count, channels = rows.shape
        return rows.view(batch, count, self.heads, channels // self.heads).transpose(1, 2)


class _Cross(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.multihead_attn = _Attention(channels, heads)
        self.norm = nn.LayerNorm(channels)

    def forward(self, rows: Tensor, places: Tensor, where: Tensor, embed: Tensor) -> Tensor:
        return self.norm(rows + self.multihead_attn(rows + embed, places + where, places))


class _Self(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.self_attn = _Attention(channels, heads)
        self.norm = nn.LayerNorm(channels)

    def forward(self, rows: Tensor, embed: Tensor) -> Tensor:
        return self.norm(rows + self.self_attn(rows + embed, rows + embed, rows))


class _Perceptron(nn.Module):
    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, inner)
        self.linear2 = nn.Linear(inner, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, rows: Tensor) -> Tensor:
        return self.norm(rows + self.linear2(torch.relu(self.linear1(rows))))


class _Head(nn.Module):
    """Three linear layers with a ReLU between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(channels, channels) for _ in range(3))

    def forward(self, rows: Tensor) -> Tensor:
        first, second, third = self.layers
        return third(torch.relu(second(torch.relu(first(rows)))))


class ColorQueries(nn.Module):
    """The queries and their layers."""

    def __init__(
        self,
        channels: Sequence[int],
        *,
        queries: int,
        hidden: int,
        heads: int,
        inner: int,
        layers: int,
    ) -> None:
        """Make them.

        Args:
            channels: of the grids that are looked at, in turn.
            queries: how many.
            hidden: channels of a query; also of the full-size grid that it is compared with.
            heads: of the attention.
            inner: channels inside the perceptrons.
            layers: how many.
        """
        super().__init__()
        self.query_feat = nn.Embedding(queries, hidden)
        self.query_embed = nn.Embedding(queries, hidden)
        self.level_embed = nn.Embedding(len(channels), hidden)
        self.input_proj = nn.ModuleList(nn.Conv2d(width, hidden, 1) for width in channels)
        self.transformer_cross_attention_layers = nn.ModuleList(
            _Cross(hidden, heads) for _ in range(layers)
        )
        self.transformer_self_attention_layers = nn.ModuleList(
            _Self(hidden, heads) for _ in range(layers)
        )
        self.transformer_ffn_layers = nn.ModuleList(
            _Perceptron(hidden, inner) for _ in range(layers)
        )
        self.decoder_norm = nn.LayerNorm(hidden)
        self.color_embed = _Head(hidden)

    def forward(self, grids: list[Tensor]) -> Tensor:
        """Return (B, queries, hidden) after looking at grids (B, C, h, w)."""
        levels: list[tuple[Tensor, Tensor]] = []
        for number, (grid, project) in enumerate(zip(grids, self.input_proj, strict=True)):
            places = project(grid).flatten(2).transpose(1, 2)  # (B, h * w, hidden)
            where = _positions(grid, places.shape[-1])  # (1, h * w, hidden)
            levels.append((places + self.level_embed.weight[number], where))
        batch = grids[0].shape[0]
        embed = self.query_embed.weight.expand(batch, -1, -1)
        rows = self.query_feat.weight.expand(batch, -1, -1)  # (B, queries, hidden)
        layers = zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
            strict=True,
        )
        for number, (cross, own, perceptron) in enumerate(layers):
            places, where = levels[number % len(levels)]
            rows = perceptron(own(cross(rows, places, where, embed), embed))
        return self.color_embed(self.decoder_norm(rows))


def _positions(grid: Tensor, channels: int) -> Tensor:
    """Return (1, h * w, channels) where each place lies: sines of its row, then of its column.

    As in DETR (Carion et al. 2020): counted from 1, scaled to 2 pi over the grid, at wavelengths
    that grow geometrically; sines and cosines take turns.
    """
    height, width = grid.shape[-2:]
    half = channels // 2
    numbers = torch.arange(half, device=grid.device, dtype=torch.float32)
    wavelength = _PERIOD ** (2 * torch.div(numbers, 2, rounding_mode="floor") / half)

    def sines(count: int) -> Tensor:
        steps = torch.arange(1, count + 1, device=grid.device, dtype=torch.float32)
        angle = (steps / (count + 1e-6) * (2 * math.pi))[:, None] / wavelength
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], dim=2).flatten(1)

    rows = sines(height)[:, None].expand(-1, width, -1)  # (h, w, half)
    columns = sines(width)[None].expand(height, -1, -1)
    return torch.cat([rows, columns], dim=2).flatten(0, 1)[None]
