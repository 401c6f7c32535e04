"""The same networks once more, from the tables of their layers: functions of a state dict alone.

Independent of ``koalarize.lab.foreign``: no module, other torch functions where there are some.
"""

import math

import torch
from torch.nn import functional as F  # noqa: N812

NORM = "running_mean"
#: Layers that halve the size in the network of 2016.
HALVING = {"model1.2", "model2.2", "model3.4"}
WIDE = ("model5", "model6")  # dilated by 2


def block(state, name, grid, *, after_last=True):
    """Run a Sequential: a ReLU after each convolution, norms as they stand."""
    numbers = sorted({int(key.split(".")[1]) for key in state if key.startswith(f"{name}.")})
    for number in numbers:
        layer = f"{name}.{number}"
        if f"{layer}.{NORM}" in state:
            grid = norm(state, layer, grid)
            continue
        weight, bias = state[f"{layer}.weight"], state[f"{layer}.bias"]
        if weight.shape[-1] == 4:
            grid = F.conv_transpose2d(grid, weight, bias, stride=2, padding=1)
        else:
            spread = 2 if name in WIDE else 1
            grid = F.conv2d(
                grid,
                weight,
                bias,
                stride=2 if layer in HALVING and "model1short10.0.weight" not in state else 1,
                padding=spread if weight.shape[-1] == 3 else 0,
                dilation=spread,
            )
        if number != numbers[-1] or after_last:
            grid = grid.clamp_min(0)
    return grid


def norm(state, name, grid):
    parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    mean, variance, weight, bias = (part.view(1, -1, 1, 1) for part in parts)
    return (grid - mean) / torch.sqrt(variance + 1e-5) * weight + bias


def eccv16(state, l):
    grid = (l - 50) / 100
    for number in range(1, 8):
        grid = block(state, f"model{number}", grid)
    likely = block(state, "model8", grid, after_last=False).softmax(1)
    ab = F.conv2d(likely, state["model_out.weight"])
    return 110 * F.interpolate(ab, scale_factor=4, mode="bilinear")


def siggraph17(state, l, hints=None):
    given = torch.zeros(len(l), 3, *l.shape[2:]) if hints is None else hints
    one = block(state, "model1", torch.cat([(l - 50) / 100, given[:, :2] / 110, given[:, 2:]], 1))
    two = block(state, "model2", one[..., ::2, ::2])
    three = block(state, "model3", two[..., ::2, ::2])
    grid = block(state, "model4", three[..., ::2, ::2])
    for number in (5, 6, 7):
        grid = block(state, f"model{number}", grid)
    one_each = {"after_last": False}
    eight = block(state, "model8up", grid, **one_each)
    eight = (eight + block(state, "model3short8", three, **one_each)).clamp_min(0)
    eight = block(state, "model8", eight)
    nine = block(state, "model9up", eight, **one_each)
    nine = (nine + block(state, "model2short9", two, **one_each)).clamp_min(0)
    nine = block(state, "model9", nine)
    ten = block(state, "model10up", nine, **one_each)
    ten = (ten + block(state, "model1short10", one, **one_each)).clamp_min(0)
    ten = F.leaky_relu(block(state, "model10", ten, **one_each), 0.2)
    ab = 110 * torch.tanh(block(state, "model_out", ten, **one_each))
    return ab, 0.2 * block(state, "model_class", eight, **one_each)


def spectral(state, name):
    """A weight under its spectral norm."""
    weight = state[f"{name}.weight_orig"]
    rows = weight.reshape(len(weight), -1)
    return weight / (state[f"{name}.weight_u"] @ (rows @ state[f"{name}.weight_v"]))


def plane_norm(state, name, grid, eps=1e-6):
    mean = grid.mean(1, keepdim=True)
    variance = ((grid - mean) ** 2).mean(1, keepdim=True)
    weight, bias = (state[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
    return (grid - mean) / torch.sqrt(variance + eps) * weight + bias


def convnext(state, name, grid):
    features = []
    for stage in range(4):
        down = f"{name}.downsample_layers.{stage}"
        step = 4 if stage == 0 else 2
        if stage:
            grid = plane_norm(state, f"{down}.0", grid)
        conv = f"{down}.{0 if stage == 0 else 1}"
        grid = F.conv2d(grid, state[f"{conv}.weight"], state[f"{conv}.bias"], stride=step)
        if not stage:
            grid = plane_norm(state, f"{down}.1", grid)
        place = 0
        while f"{name}.stages.{stage}.{place}.gamma" in state:
            own = f"{name}.stages.{stage}.{place}"
            weight = state[f"{own}.dwconv.weight"]
            made = F.conv2d(
                grid, weight, state[f"{own}.dwconv.bias"], padding=3, groups=len(weight)
            )
            made = plane_norm(state, f"{own}.norm", made)
            for layer in ("pwconv1", "pwconv2"):
                weight = state[f"{own}.{layer}.weight"][..., None, None]
                made = F.conv2d(made, weight, state[f"{own}.{layer}.bias"])
                made = F.gelu(made) if layer == "pwconv1" else made
            grid = grid + state[f"{own}.gamma"].view(1, -1, 1, 1) * made
            place += 1
        features.append(plane_norm(state, f"{name}.norm{stage}", grid))
    return features


def shuffled(grid, factor):
    grid = F.pixel_shuffle(grid.clamp_min(0), factor)
    grid = F.pad(grid, (1, 0, 1, 0), mode="replicate")
    return (grid[..., 1:, 1:] + grid[..., :-1, 1:] + grid[..., 1:, :-1] + grid[..., :-1, :-1]) / 4


def places(grid, channels):
    """Sine position embedding, normalised, half the channels for rows and half for columns."""
    ones = torch.ones(1, *grid.shape[-2:])
    row, column = ones.cumsum(1), ones.cumsum(2)
    row = row / (row[:, -1:] + 1e-6) * 2 * math.pi
    column = column / (column[:, :, -1:] + 1e-6) * 2 * math.pi
    scale = 10000 ** (2 * (torch.arange(channels // 2) // 2) / (channels // 2))
    found = []
    for axis in (row, column):
        angle = axis[..., None] / scale
        found.append(torch.stack([angle[..., 0::2].sin(), angle[..., 1::2].cos()], 4).flatten(3))
    return torch.cat(found, 3).flatten(1, 2)  # (1, h * w, channels)


def attention(state, name, query, key, value, heads):
    weights = (state[f"{name}.in_proj_weight"], state[f"{name}.in_proj_bias"])
    out = (state[f"{name}.out_proj.weight"], state[f"{name}.out_proj.bias"])
    rows = [part.transpose(0, 1) for part in (query, key, value)]  # length first, as torch has it
    found, _ = F.multi_head_attention_forward(
        *rows, query.shape[-1], heads, *weights, None, None, False, 0.0, *out, training=False
    )
    return found.transpose(0, 1)


def queries(state, name, grids, heads):
    def normed(layer, rows):
        return F.layer_norm(
            rows, rows.shape[-1:], state[f"{layer}.weight"], state[f"{layer}.bias"], 1e-5
        )

    batch = len(grids[0])
    rows = state[f"{name}.query_feat.weight"].repeat(batch, 1, 1)
    embed = state[f"{name}.query_embed.weight"].repeat(batch, 1, 1)
    sources, where = [], []
    for level, grid in enumerate(grids):
        project = f"{name}.input_proj.{level}"
        made = F.conv2d(grid, state[f"{project}.weight"], state[f"{project}.bias"])
        where.append(places(grid, made.shape[1]))
        made = made.flatten(2).transpose(1, 2)
        sources.append(made + state[f"{name}.level_embed.weight"][level])
    layer = 0
    while f"{name}.transformer_ffn_layers.{layer}.norm.weight" in state:
        source, place = sources[layer % 3], where[layer % 3]
        own = f"{name}.transformer_cross_attention_layers.{layer}"
        made = attention(
            state, f"{own}.multihead_attn", rows + embed, source + place, source, heads
        )
        rows = normed(f"{own}.norm", rows + made)
        own = f"{name}.transformer_self_attention_layers.{layer}"
        made = attention(state, f"{own}.self_attn", rows + embed, rows + embed, rows, heads)
        rows = normed(f"{own}.norm", rows + made)
        own = f"{name}.transformer_ffn_layers.{layer}"
        inner = F.linear(rows, state[f"{own}.linear1.weight"], state[f"{own}.linear1.bias"])
        inner = inner.clamp_min(0)
        made = F.linear(inner, state[f"{own}.linear2.weight"], state[f"{own}.linear2.bias"])
        rows = normed(f"{own}.norm", rows + made)
        layer += 1
    rows = normed(f"{name}.decoder_norm", rows)
    for number in range(3):
        own = f"{name}.color_embed.layers.{number}"
        rows = F.linear(rows, state[f"{own}.weight"], state[f"{own}.bias"])
        rows = rows.clamp_min(0) if number < 2 else rows
    return rows


def ddcolor(state, srgb, heads):
    """ab of grey sRGB (B, 3, H, W)."""
    shown = (srgb - state["mean"]) / state["std"]
    *skips, grid = convnext(state, "encoder.arch", shown)
    levels = []
    for number in range(3):
        own = f"decoder.layers.{number}"
        up = F.conv2d(grid, spectral(state, f"{own}.shuf.conv.0"))
        up = norm(state, f"{own}.shuf.conv.1", up)
        joined = torch.cat([shuffled(up, 2), norm(state, f"{own}.bn", skips.pop())], 1)
        made = F.conv2d(joined.clamp_min(0), spectral(state, f"{own}.conv.0"), padding=1)
        grid = norm(state, f"{own}.conv.2", made.clamp_min(0))
        levels.append(grid)
    last = "decoder.last_shuf.conv.0"
    full = shuffled(F.conv2d(grid, spectral(state, last), state[f"{last}.bias"]), 4)
    rows = queries(state, "decoder.color_decoder", levels, heads)
    coarse = (rows @ full.flatten(2)).unflatten(2, full.shape[2:])
    refine = "refine_net.0.0"
    both = torch.cat([coarse, shown], 1)
    return F.conv2d(both, spectral(state, refine), state[f"{refine}.bias"])
