"""What the tests of the laboratory share: pictures, checkpoints, a hub folder without files."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

KOALA = {"context": 8, "widths": ((8, 8), (8, 8), (8, 8))}
UNET = {"widths": (4, 4, 4)}


def photo(seed: int = 0, size: tuple[int, int] = (48, 40)) -> np.ndarray:
    """A smooth colourful picture (H, W, 3) uint8 of ``size`` (W, H)."""
    coarse = np.random.default_rng(seed).integers(20, 236, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC))


def picture_folder(folder: Path) -> Path:
    """Three pictures of unlike shapes in a new folder."""
    folder.mkdir()
    for i, size in enumerate([(48, 40), (40, 64), (90, 72)]):
        Image.fromarray(photo(i, size)).save(folder / f"{i}.png")
    return folder


def hash_of(data: Path, count: int) -> str:
    """Hash the encoded bytes of the first pictures of a set, as reports and checkpoints have it."""
    from koalarize.lab.datasets.sources import encoded_pictures

    return hashlib.sha256(b"".join(islice(encoded_pictures(data), count))).hexdigest()


def checkpoint(path: Path, name: str, options: dict, **recipe) -> Path:
    """A checkpoint of an untrained network."""
    import torch

    from koalarize.lab.runs.checkpoint import build_network, save_checkpoint
    from koalarize.lab.runs.recipe import NetworkOptions, Recipe

    path.parent.mkdir(exist_ok=True)
    torch.manual_seed(0)
    made = Recipe(network=NetworkOptions(name=name, options=options), **recipe)
    save_checkpoint(path, build_network(made.network).state_dict(), made, {})
    return path


def empty_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A torch hub folder without any file, where a download would be an error."""
    import torch

    monkeypatch.setenv("TORCH_HOME", str(folder))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *_, **__: pytest.fail("download"))
    checkpoints = folder / "hub" / "checkpoints"
    checkpoints.mkdir(parents=True)
    return checkpoints


def stand_in_lpips(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch hub folder where the weights of LPIPS' network are noise."""
    import torch
    import torchvision

    from koalarize.lab.metrics.perceptual import LPIPS

    hub = empty_hub(folder, monkeypatch)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        torch.save(
            torchvision.models.squeezenet1_1(weights=None).state_dict(), hub / LPIPS.weights.file
        )


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder that ``make`` fills once in a run of the tests, whichever process needs it first."""
    from filelock import FileLock

    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process has a folder of its own in the run's
    folder, part = base / f"once-{name}", base / f"once-{name}.part"
    with FileLock(base / f"once-{name}.lock"):
        if not folder.exists():
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder
