"""A frozen network that says what a picture shows, made by timm, with ImageNet's weights.

Not here: what is done with its features (``koala_net``).
Its weights belong to others and never change, so they stand in no checkpoint of ours: only their
name and sha256 do, and loading a checkpoint gives the same weights or an error.
"""

from __future__ import annotations

import hashlib
import math
import pickle
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from koalarize.color import DELTA
from koalarize.errors import DependencyError, ModelError, OptionError, did_you_mean
from koalarize.lab.networks.fit import misfits
from koalarize.lab.networks.packaged import PACKAGES, timm_names

__all__ = [
    "EXTRACTOR_FILE",
    "Extractor",
    "ExtractorConfig",
    "build_extractor",
    "copy_weights",
    "grey_of_lightness",
    "weights_sha256",
]

FEATURES = ("logits", "pooled")
INPUTS = ("srgb", "lightness")
#: The extractor's weights under this name beside a checkpoint win over a download.
EXTRACTOR_FILE = "extractor.safetensors"

_Triple = tuple[float, float, float]
#: Counters of a training that is over; files may lack them, and nothing is computed with them.
_COUNTER = "num_batches_tracked"
#: How long the hub may take to answer before a download is begun.
_HUB_SECONDS = 5
#: What torch raises at a file that is no state dict, besides safetensors' own.
_UNREADABLE = (
    *(OSError, RuntimeError, EOFError, ValueError, LookupError, AttributeError),
    pickle.PickleError,
)


@dataclass(frozen=True)
class ExtractorConfig:
    """Which extractor; the defaults are the first article's.

    Attributes:
        extractor: any model of timm; that of the original paper (Baldassarre et al. 2017) is
            ``inception_resnet_v2.tf_in1k``. ``efficientnet_lite1`` takes its weights from a package
            of the package index, see ``packaged``.
        features: ``logits`` takes the scores of ImageNet's 1000 classes, as published; ``pooled``
            the features before them, averaged over the picture.
        pretrained: let timm download the weights; without, they are random, but the same each time.
        extractor_file: weights on this machine in timm's layout (.safetensors or .pth), instead.
        extractor_kwargs: further arguments of ``timm.create_model``, as ``{pad_type: same}``.
        extractor_size: side of the square that the picture is brought to; by default timm's own.
        extractor_input: ``srgb`` shows it the grey picture as it was shown coloured ones;
            ``lightness`` shows it L from -1 to 1, as the first article does.
        mean: of the channels the extractor was trained on, in [0, 1]; by default timm's own.
        std: their standard deviation; by default timm's own.
    """

    extractor: str = "efficientnet_b4.ra2_in1k"
    features: str = "logits"
    pretrained: bool = True
    extractor_file: str | None = None
    extractor_kwargs: dict[str, Any] = field(default_factory=dict)
    extractor_size: int | None = None
    extractor_input: str = "srgb"
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.features not in FEATURES:
            raise OptionError(
                f"`features` is {self.features!r} but must be one of {FEATURES}"
                f"{did_you_mean(self.features, FEATURES)}"
            )
        if self.extractor_input not in INPUTS:
            raise OptionError(
                f"`extractor_input` is {self.extractor_input!r} but must be one of {INPUTS}"
                f"{did_you_mean(self.extractor_input, INPUTS)}"
            )
        if self.extractor_size is not None and self.extractor_size < 1:
            raise OptionError(f"`extractor_size` is {self.extractor_size} but must be at least 1")
        if self.mean is not None and not all(math.isfinite(value) for value in self.mean):
            raise OptionError(f"`mean` is {self.mean} but must hold finite numbers")
        if self.std is not None and not all(0 < value < math.inf for value in self.std):
            raise OptionError(f"`std` is {self.std} but must be above 0")


class Extractor(nn.Module):
    """A frozen timm model, always in eval mode, fed grey pictures as it was fed coloured ones.

    Args:
        model: takes (B, 3, S, S), gives (B, F).
        name: timm's name of it.
        features: F.
        size: S.
        mean: of its input's channels, in [0, 1].
        std: of its input's channels.
        sha256: of its weights, see ``weights_sha256``.
        sees: of ``INPUTS``.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        model: nn.Module,
        *,
        name: str,
        features: int,
        size: int,
        mean: _Triple,
        std: _Triple,
        sha256: str,
        sees: str = "srgb",
    ) -> None:
        super().__init__()
        self.model = model
        self.name = name
        self.features = features
        self.size = size
        self.sha256 = sha256
        self.sees = sees
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Extractor:
        """Stay in eval mode: its batch norms must not follow our pictures."""
        return super().train(False)

    def forward(self, l: Tensor) -> Tensor:
        """Return features (B, F) of lightness (B, 1, H, W), L* in [0, 100].

        The whole picture is brought to the extractor's own square, as in the original paper: many
        of timm's models take no other size, and features of a size they were not trained at are
        worse. Only what the extractor sees is squashed, never the picture that is coloured.
        """
        with torch.no_grad():
            plain = self.sees == "lightness"
            grey = l.float() / 50 - 1 if plain else grey_of_lightness(l)  # (B, 1, H, W)
            grey = F.interpolate(
                grey, size=(self.size, self.size), mode="bilinear", align_corners=False
            )
            planes = grey.repeat(1, 3, 1, 1) if plain else (grey - self.mean) / self.std
            return self.model(planes)  # (B, 3, S, S) -> (B, F)


def grey_of_lightness(l: Tensor) -> Tensor:
    """Return sRGB's grey level in [0, 1] of L* in [0, 100], any shape; L* beyond is clipped.

    The inverse of ``color.grey_to_lightness`` (CIE 15:2004, IEC 61966-2-1).
    """
    curve = (l.float().clamp(0, 100) + 16) / 116
    cubed = curve.clamp(min=DELTA)
    linear = cubed**3 + 3 * DELTA**2 * (curve - cubed)  # below DELTA the curve is its tangent
    bright = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear <= 0.0031308, 12.92 * linear, bright)


def build_extractor(config: ExtractorConfig) -> Extractor:
    """Make an extractor by timm, with the weights that ``config`` asks for.

    Raises:
        DependencyError: if timm is not installed.
        OptionError: if timm knows no such model or no such argument of it, or the model has not
            what is asked for.
        ModelError: if the weights cannot be found, downloaded or read, or are of another model.
    """
    model = _model(config)
    package = PACKAGES.get(config.extractor)
    if config.extractor_file is not None:
        path = Path(config.extractor_file)
        _load(model, _weights(path), path, config.extractor)
    elif package is not None and config.pretrained:
        path = package.file()
        _load(model, timm_names(_weights(path), list(model.state_dict())), path, package.timm)
    sha256 = weights_sha256(model)
    features = int(model.num_classes)
    if config.features == "pooled":
        model.reset_classifier(0)
        features = int(getattr(model, "head_hidden_size", None) or model.num_features)
    if not features:
        raise OptionError(
            f"`features` is 'logits' but timm's {config.extractor} has no classes: use 'pooled'"
        )
    facts: dict[str, Any] = model.pretrained_cfg
    size = int(config.extractor_kwargs.get("img_size") or facts["input_size"][-1])
    if facts.get("fixed_input_size") and config.extractor_size not in (None, size):
        raise OptionError(
            f"`extractor_size` is {config.extractor_size} but timm's {config.extractor} takes only "
            f"{size} pixels: leave it out, or set `extractor_kwargs: {{img_size: ...}}`"
        )
    return Extractor(
        model,
        name=config.extractor,
        features=features,
        size=config.extractor_size or size,
        mean=config.mean or tuple(facts["mean"]),
        std=config.std or tuple(facts["std"]),
        sha256=sha256,
        sees=config.extractor_input,
    )


def copy_weights(source: Path, target: Path) -> None:
    """Write an extractor's weights, .safetensors or .pth, as .safetensors.

    Raises:
        ModelError: if they cannot be read.
    """
    from safetensors.torch import save_file

    tensors = {name: tensor.contiguous().clone() for name, tensor in _weights(source).items()}
    save_file(tensors, target)


def weights_sha256(model: nn.Module) -> str:
    """Return the sha256 over names, types, shapes and bytes of a module's weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        if name.endswith(_COUNTER):
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()


def _model(config: ExtractorConfig) -> Any:
    try:
        import timm
    except ModuleNotFoundError as error:
        raise DependencyError(
            "`koala-net` needs timm for its extractor, which is not installed: "
            'pip install "koalarize[train]"'
        ) from error
    name, download = config.extractor, config.pretrained and config.extractor_file is None
    if name in PACKAGES:
        name, download = PACKAGES[name].timm, False
    if not timm.is_model(name):
        near = did_you_mean(name.partition(".")[0], timm.list_models())
        raise OptionError(
            f"`extractor` is {name!r}{near}, which timm {timm.__version__} does not have: "
            "timm.list_models() lists what it has"
        )
    advice = (
        "give its weights as `extractor_file`, or `pretrained: false` to go on with random ones"
    )
    kwargs = dict(config.extractor_kwargs)
    if download and (cached := _cached_or_reachable(name)) is not None:
        kwargs["pretrained_cfg_overlay"] = {"file": str(cached)}
    try:
        # Random weights must be the same each time: a checkpoint does not hold them.
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model: Any = timm.create_model(name, pretrained=download, **kwargs)
    except TypeError as error:
        raise OptionError(
            f"`extractor_kwargs` is {config.extractor_kwargs} but must fit timm's {name}: {error}"
        ) from error
    except Exception as error:  # those of the network, the hub and its cache share no base class
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(f"the extractor `{name}` cannot be had ({reason}): {advice}") from error
    if download and not (model.pretrained_cfg.get("hf_hub_id") or model.pretrained_cfg.get("url")):
        raise ModelError(f"timm has no weights of the extractor `{name}`: {advice}")
    return model


def _cached_or_reachable(name: str) -> Path | None:
    """Return the weights of an earlier download, or None if the hub that has them answers.

    timm's own download tries for most of a minute where there is no network; this tries once.

    Raises:
        ModelError: if there is no earlier download and the hub is not reached.
    """
    import timm
    from huggingface_hub import constants, hf_hub_url, try_to_load_from_cache

    facts: Any = timm.get_pretrained_cfg(name)
    repository = None if facts is None else facts.hf_hub_id
    if not repository:
        return None
    file = "model.safetensors"
    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    url = hf_hub_url(repository, file)
    try:
        if constants.HF_HUB_OFFLINE:
            raise OSError("HF_HUB_OFFLINE is set")
        request = urllib.request.Request(url, method="HEAD")
        with urllib.request.urlopen(request, timeout=_HUB_SECONDS):
            return None
    except urllib.error.HTTPError:
        return None  # the hub answers; timm knows what to do about the rest
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise ModelError(
            f"the weights of the extractor `{name}` are neither on this machine nor to be had "
            f"({reason}): download {url} where there is a network and give the file as "
            "`network.options.extractor_file`; or take `network.options.extractor: "
            "efficientnet_lite1`, which installs from the package index; or "
            "`network.options.pretrained: false` to go on with random ones"
        ) from error


def _weights(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, map_location="cpu", weights_only=True)
        return dict(weights.get("state_dict", weights))
    except (*_UNREADABLE, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:160]
        raise ModelError(
            f"`{path}` cannot be read as the extractor's weights ({reason}): "
            "give a .safetensors or .pth file in timm's layout as `extractor_file`"
        ) from error


def _load(model: nn.Module, weights: dict[str, Any], path: Path, name: str) -> None:
    if problems := misfits(weights, model, may_lack=lambda key: _COUNTER in key):
        raise ModelError(
            f"`{path}` does not fit timm's {name}: {problems}: "
            "give the weights of that model in timm's layout"
        )
    model.load_state_dict(weights, strict=False)
