"""Time of koala's forward pass beside that of SIGGRAPH17 (Zhang et al. 2017), in one run.

    python benchmarks/network.py [--model koala koala-int8] [--size 256] [--threads 2]

The rival is built here from its published list of layers, with random weights, since its time does
not depend on them; batch norms are left out, as a runtime folds them into the convolutions before
them. Both are exported by the same exporter and run in turn by ONNX Runtime on the same picture,
ours with what belongs to its answer: the second look, and the decoding of the logits. Printed are
medians, and medians of one round's ratios. Needs the extra `train`.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from koalarize.models.open import open_model


def block(channels: int, *widths: int, dilation: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=dilation, dilation=dilation), nn.ReLU()]
        channels = width
    return nn.Sequential(*layers)


class Siggraph17(nn.Module):
    """The layers of "Real-Time User-Guided Image Colorization with Learned Deep Priors"."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [block(4, 64, 64), block(64, 128, 128), block(128, 256, 256, 256)]
        )
        self.middle = nn.Sequential(
            block(256, 512, 512, 512),
            block(512, 512, 512, 512, dilation=2),
            block(512, 512, 512, 512, dilation=2),
            block(512, 512, 512, 512),
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(c, w, 4, 2, 1) for c, w in ((512, 256), (256, 128), (128, 128))
        )
        self.short = nn.ModuleList(
            nn.Conv2d(c, w, 3, padding=1) for c, w in ((256, 256), (128, 128), (64, 128))
        )
        self.after = nn.ModuleList([block(256, 256, 256), block(128, 128), block(128, 128)])
        self.out = nn.Conv2d(128, 2, 1)

    def forward(self, planes: Tensor) -> Tensor:
        """Return ab (B, 2, H, W) from L, ab hints and a mask (B, 4, H, W)."""
        kept: list[Tensor] = []
        grid = planes
        for part in self.down:
            grid = part(grid)
            kept.append(grid)
            grid = grid[:, :, ::2, ::2]
        grid = self.middle(grid)
        for up, short, after in zip(self.up, self.short, self.after, strict=True):
            grid = after(F.relu(up(grid) + short(kept.pop())))
        return torch.tanh(self.out(grid))


def export_rival(path: Path, size: int) -> None:
    torch.onnx.export(
        Siggraph17().eval(),
        (torch.rand(1, 4, size, size),),
        str(path),
        input_names=["planes"],
        opset_version=18,
        external_data=False,
        dynamo=True,
        verbose=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--model", nargs="+", default=["koala", "koala-int8"])
    parser.add_argument("--size", type=int, default=256, help="side of the square, pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=15)
    options = parser.parse_args()
    settings = ort.SessionOptions()
    settings.intra_op_num_threads = options.threads
    side = options.size
    rng = np.random.default_rng(0)
    lightness = rng.uniform(0, 100, (1, side, side)).astype(np.float32)
    hints = np.zeros((1, 3, side, side), np.float32)
    planes = rng.random((1, 4, side, side), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        rival = Path(folder) / "siggraph17.onnx"
        export_rival(rival, side)
        session = ort.InferenceSession(rival, settings, providers=["CPUExecutionProvider"])
    runs: dict[str, Callable[[], object]] = {
        "siggraph17": partial(session.run, None, {"planes": planes})
    }
    for name in options.model:
        engine = open_model(name, threads=options.threads)
        runs[name] = partial(engine.run, lightness, hints)
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(options.runs + 2):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            if number >= 2:  # after the warm-up
                seconds[name].append(time.perf_counter() - started)
    print(f"{side} x {side}, {options.threads} threads, {options.runs} runs")
    print("| | ms | siggraph17's time / its own |")
    print("|---|---|---|")
    for name, own in seconds.items():
        pairs = zip(seconds["siggraph17"], own, strict=True)
        ratio = statistics.median(rival / mine for rival, mine in pairs)
        print(f"| {name} | {1000 * statistics.median(own):.1f} | {ratio:.1f} |")


if __name__ == "__main__":
    main()
