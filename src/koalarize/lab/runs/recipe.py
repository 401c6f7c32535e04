"""The typed recipe of a training: a frozen dataclass read from YAML, unknown keys rejected.

Not here: the check of keys and types (``options``), what a recipe does (``lab.training.train``).
A field, its YAML key and its ``--set`` name are one word.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from koalarize.engines.engine import Overview
from koalarize.errors import OptionError, did_you_mean
from koalarize.lab.datasets.batches import CropOptions, HintOptions
from koalarize.lab.datasets.degrade import DegradeOptions
from koalarize.lab.networks import ClassifyingNetwork, network_class
from koalarize.lab.own import is_own
from koalarize.lab.runs.data_options import DataOptions, SplitOptions
from koalarize.lab.runs.home import expand_home
from koalarize.lab.runs.options import build, fault_of, read_yaml
from koalarize.lab.runs.overviews import check_overview_of_crops
from koalarize.lab.runs.teacher_options import TeacherOptions

__all__ = [
    "AdversarialOptions",
    "DataOptions",
    "LossOptions",
    "NetworkOptions",
    "OptimizerOptions",
    "Recipe",
    "SplitOptions",
    "build",
    "load_recipe",
]

LOSSES = ("rebalanced-cross-entropy", "mse", "l1", "ssim", "combined")
OPTIMIZERS = ("adamw", "adam")
SCHEDULES = ("cosine", "constant")
SEES = ("patches", "features")
_NULLS = ("null", "~", "")  # YAML's words for nothing


@dataclass(frozen=True)
class NetworkOptions:
    """Which network, its own options, its start.

    Attributes:
        name: of ``koalarize.lab.networks.NETWORKS``, or ``MODULE:CLASS`` of one's own.
        options: fields of the network's configuration; keywords of a class of one's own.
        encoder: timm's mobilenetv2_100 as safetensors, to start the encoder of ``koala`` from.
        start: weights to go on from: a checkpoint of ours, an exported model, or a model's name.
    """

    name: str = "koala"
    options: dict[str, Any] = field(default_factory=dict)
    encoder: str | None = None
    start: str | None = None


@dataclass(frozen=True)
class LossOptions:
    """Which loss.

    Attributes:
        name: ``rebalanced-cross-entropy`` for networks that classify; ``mse``, ``l1``, ``ssim`` or
            ``combined`` of predicted ab, on the articles' scale from -1 to 1; or ``MODULE:NAME`` of
            one's own, of predicted ab.
        options: keywords of a loss of one's own.
        uniform: share of a uniform distribution mixed into the bins' frequencies, from 0 to 1.
        power: strength of the rebalancing: 0 none, 1 that of Zhang et al. 2016.
        alpha: weight of L1 in ``combined``.
        beta: weight of the squared error in ``combined``.
        gamma: weight of 1 - SSIM in ``combined``.
        perceptual: weight of LPIPS of the coloured crop, beside any of these.
    """

    name: str = "rebalanced-cross-entropy"
    options: dict[str, Any] = field(default_factory=dict)
    uniform: float = 0.5
    power: float = 0.5
    alpha: float = 1.0
    beta: float = 1.0
    gamma: float = 1.0
    perceptual: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in LOSSES and not is_own(self.name):
            raise OptionError(
                f"`loss.name` is {self.name!r} but must be one of {LOSSES}, or MODULE:NAME of your "
                f"own{did_you_mean(self.name, LOSSES)}"
            )
        if self.options and not is_own(self.name):
            raise OptionError(
                f"`loss.options` is {self.options} but the loss {self.name!r} takes none: set "
                "`loss.uniform`, `loss.alpha` and the like"
            )
        for name in ("uniform", "power", "alpha", "beta", "gamma", "perceptual"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(
                    f"`loss.{name}` is {getattr(self, name)} but must be 0 or more, and finite"
                )
        if self.uniform > 1:
            raise OptionError(f"`loss.uniform` is {self.uniform} but must be a share from 0 to 1")
        if self.alpha + self.beta + self.gamma == 0:
            raise OptionError(
                "`loss.alpha`, `loss.beta` and `loss.gamma` are all 0: give one of them a weight"
            )


@dataclass(frozen=True)
class AdversarialOptions:
    """A discriminator that tells the network's colours from real ones.

    Attributes:
        sees: ``patches`` of the picture (PatchGAN), or ``features``: what the network of
            ``loss.perceptual``, which then must be above 0, sees in it (a projected GAN).
        weight: of the network's loss for being found out, beside the recipe's loss.
        start: steps before it begins: late, on a network that colours well, is NoGAN's way.
        learning_rate: of the discriminator.
        width: channels of its first layer.
    """

    sees: str = "patches"
    weight: float = 0.01
    start: int = 0
    learning_rate: float = 2e-4
    width: int = 64

    def __post_init__(self) -> None:
        if self.sees not in SEES:
            raise OptionError(f"`adversarial.sees` is {self.sees!r} but must be one of {SEES}")
        for name in ("weight", "learning_rate", "width"):
            if not 0 < getattr(self, name) < math.inf:
                raise OptionError(
                    f"`adversarial.{name}` is {getattr(self, name)} but must be above 0"
                )
        if self.start < 0:
            raise OptionError(f"`adversarial.start` is {self.start} but must be 0 or more")


@dataclass(frozen=True)
class OptimizerOptions:
    """Adam in one of its two forms, and how its learning rate goes.

    Attributes:
        name: ``adamw`` shrinks the weights by ``learning_rate * weight_decay`` a step; ``adam``
            adds ``weight_decay`` times the weights to the gradient, as L2 regularisation does.
        learning_rate: after the warm-up.
        weight_decay: 0 for none.
        warmup: steps over which the rate rises linearly; 0 for none.
        schedule: ``cosine`` to zero over the run, or ``constant``.
        accumulate: batches whose gradients make one step.
        clip: largest norm of all gradients of a step together; larger ones are scaled down to it.
            None leaves them.
    """

    name: str = "adamw"
    learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: int = 300
    schedule: str = "cosine"
    accumulate: int = 1
    clip: float | None = None

    def __post_init__(self) -> None:
        for name, allowed in (("name", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in allowed:
                raise OptionError(
                    f"`optimizer.{name}` is {getattr(self, name)!r} but must be one of {allowed}"
                )
        if not 0 < self.learning_rate < math.inf:
            raise OptionError(
                f"`optimizer.learning_rate` is {self.learning_rate} but must be above 0, and finite"
            )
        for name in ("weight_decay", "warmup"):
            if not 0 <= getattr(self, name) < math.inf:
                raise OptionError(
                    f"`optimizer.{name}` is {getattr(self, name)} but must be 0 or more"
                )
        if self.accumulate < 1:
            raise OptionError(f"`optimizer.accumulate` is {self.accumulate} but must be at least 1")
        if self.clip is not None and not 0 < self.clip < math.inf:
            raise OptionError(
                f"`optimizer.clip` is {self.clip} but must be above 0: null leaves gradients alone"
            )


@dataclass(frozen=True)
class Recipe:
    """Everything a training depends on.

    Attributes:
        name: of the model; also of the run's folder.
        batch: crops whose gradients are averaged, over all devices together.
        steps: optimizer steps.
        epochs: passes over the pictures, instead of ``steps``, which then follow from the data; the
            last step is filled up with pictures of the next pass.
        segment: steps between two checkpoints.
        validate_every: segments between two validations; 0 never validates.
        patience: validations without a lower loss after which the run ends; None goes through.
        ema: decay of the moving average of the weights that is validated and exported.
        precision: ``auto``, ``bf16``, ``fp32``, or ``fp16`` on GPUs.
        accelerator: ``auto`` takes a GPU where there is one; ``cpu`` or ``gpu``.
        devices: GPUs, or processes on CPUs, of one node.
        nodes: machines.
        logger: where the numbers go besides TensorBoard: ``wandb`` or ``mlflow``, each a package to
            install; None for nowhere.
        seed: of the weights, the order of the pictures, crops, hints and dropout.
        size: working size of the trained model, shorter side in pixels.
        temperature: of the annealed mean.
        chroma_gain: factor on the trained model's chroma; chosen by measurement.
        overview: the trained model's second look at each picture, at a smaller size; None for one
            look.
        train_overview: whether crops in training get the second look too, both looks' logits joined
            before the loss; its size is to a crop's as ``overview.size`` is to ``size``.
    """

    name: str = "koala"
    network: NetworkOptions = field(default_factory=NetworkOptions)
    data: DataOptions = field(default_factory=DataOptions)
    crop: CropOptions = field(default_factory=CropOptions)
    hints: HintOptions | None = field(default_factory=HintOptions)
    degrade: DegradeOptions | None = None
    loss: LossOptions = field(default_factory=LossOptions)
    adversarial: AdversarialOptions | None = None
    teacher: TeacherOptions | None = None
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    batch: int = 32
    steps: int = 10_000
    epochs: int | None = None
    segment: int = 500
    validate_every: int = 2
    patience: int | None = None
    ema: float = 0.999
    precision: Literal["auto", "bf16", "fp16", "fp32"] = "auto"
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: int = 1
    nodes: int = 1
    logger: Literal["wandb", "mlflow"] | None = None
    seed: int = 0
    size: int = 160
    temperature: float = 0.5
    chroma_gain: float = 1.0
    overview: Overview | None = None
    train_overview: bool = False

    def __post_init__(self) -> None:
        for name, words in _closed_words().items():  # types check files, but no Python
            value = getattr(self, name)
            if value not in words:
                allowed = " or ".join("null" if word is None else word for word in words)
                raise OptionError(f"`{name}` is {value!r} but must be {allowed}")
        counts = ("batch", "steps", "epochs", "segment", "size", "devices", "nodes", "patience")
        for name in counts:
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionError(f"`{name}` is {value} but must be at least 1")
        if self.validate_every < 0:
            raise OptionError(f"`validate_every` is {self.validate_every} but must be 0 or more")
        if self.patience is not None and not (self.validate_every and self.data.validation):
            raise OptionError(
                f"`patience` is {self.patience} but the run does not validate: give "
                "`data.validation` a folder or {split: N}, and `validate_every` 1 or more"
            )
        network = network_class(self.network.name) or ClassifyingNetwork
        if self.overview is not None and not issubclass(network, ClassifyingNetwork):
            raise OptionError(
                f"`overview` is set but the network `{self.network.name}` predicts ab itself, and "
                "only answers of logits are joined: leave it out"
            )
        if self.degrade and self.degrade.resize and not issubclass(network, ClassifyingNetwork):
            raise OptionError(
                f"`degrade.resize` is set but the network `{self.network.name}` predicts ab "
                "itself, and only logits are compared across sizes: leave it out"
            )
        if (
            self.teacher
            and self.teacher.learns == "distributions"
            and not issubclass(network, ClassifyingNetwork)
        ):
            raise OptionError(
                "`teacher.learns` is 'distributions' but the network "
                f"`{self.network.name}` predicts ab itself: let it learn `colors`"
            )
        if self.train_overview:
            check_overview_of_crops(self.overview, self.size, self.crop.sizes, network.stride)
        adversarial = self.adversarial
        if adversarial and adversarial.sees == "features" and not self.loss.perceptual:
            raise OptionError(
                "`adversarial.sees` is 'features' but `loss.perceptual`, whose network sees them, "
                "is 0: give it a weight, or let the adversary see patches"
            )
        if not 0 <= self.ema < 1:
            raise OptionError(f"`ema` is {self.ema} but must be in [0, 1): 0 does not average")
        if self.hints is not None and self.hints.patch[1] > min(self.crop.sizes):
            raise OptionError(
                f"`hints.patch` is {self.hints.patch} but must fit into the smallest crop, "
                f"{min(self.crop.sizes)}"
            )
        for name in ("temperature", "chroma_gain"):
            if not 0 < getattr(self, name) < math.inf:
                raise OptionError(
                    f"`{name}` is {getattr(self, name)} but must be above 0, and finite"
                )
        if not 0 <= self.seed < 2**32:
            raise OptionError(f"`seed` is {self.seed} but must be from 0 to {2**32 - 1}")
        world = self.devices * self.nodes
        if self.batch % world:
            near = max(1, round(self.batch / world)) * world
            raise OptionError(
                f"`batch` is {self.batch} but must be a multiple of `devices` x `nodes`, {world}, "
                f"which share it: try {near}"
            )

    @property
    def samples_a_step(self) -> int:
        """Crops of pictures that a step learns from; degraded copies of them do not count."""
        world = self.devices * self.nodes
        copies = 0 if self.degrade is None else world * self.degrade.copies(self.batch // world)
        return (self.batch - copies) * self.optimizer.accumulate


@cache
def _closed_words() -> dict[str, tuple[str | None, ...]]:
    """Return the fields of a recipe that take a closed set of words, with these."""
    found: dict[str, tuple[str | None, ...]] = {}
    for name, kind in get_type_hints(Recipe).items():
        parts = (kind,) if get_origin(kind) is Literal else get_args(kind)
        words = [word for part in parts if get_origin(part) is Literal for word in get_args(part)]
        if words:
            found[name] = (*words, *((None,) if type(None) in parts else ()))
    return found


def load_recipe(path: Path, overrides: dict[str, str] | None = None) -> Recipe:
    """Read a recipe from YAML.

    Args:
        path: the YAML file.
        overrides: dotted keys and YAML values that win over the file, as ``--set data.limit=64``.
            In paths of either `~` is the folder of one's own.

    Raises:
        OptionError: if the file cannot be read, has an unknown key, or a value of a wrong type.
    """
    try:
        values: Any = read_yaml(path.read_text(encoding="utf-8")) or {}
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(f"`{path}` cannot be read as a recipe: {error}") from error
    except yaml.YAMLError as error:
        raise OptionError(f"`{path}` is not YAML: {fault_of(error)}") from error
    if not isinstance(values, dict):
        raise OptionError(f"`{path}` must hold keys and values, as recipes/koala.yaml does")
    _keep_one_length(values, path, overrides or {})
    for key, text in (overrides or {}).items():
        *parents, last = key.split(".")
        place: Any = values
        for depth, parent in enumerate(parents, start=1):
            if place.get(parent) is None:  # as `hints: null`, which holds neither value nor keys
                place[parent] = {}
            place = place[parent]
            if not isinstance(place, dict):
                above = ".".join(parents[:depth])
                raise OptionError(f"`{key}` cannot be set: `{above}` holds {place!r}, not keys")
        try:
            place[last] = read_yaml(text)
        except yaml.YAMLError as error:
            raise OptionError(f"`{key}` is {text!r}, which is not a YAML value") from error
    expand_home(values)
    return build(Recipe, values)


def _keep_one_length(values: dict[Any, Any], path: Path, overrides: dict[str, str]) -> None:
    """Let `steps` or `epochs` count, whichever was asked for last; together they are an error."""
    lengths = ("steps", "epochs")
    asked = {name: text for name, text in overrides.items() if text.lower() not in _NULLS}
    for where, given in ((f"`{path}`", values), ("the command line", asked)):
        if all(given.get(name) is not None for name in lengths):
            raise OptionError(
                f"{where} gives both `steps` ({given['steps']}) and `epochs` ({given['epochs']}): "
                "give one of them"
            )
    for name, other in (lengths, lengths[::-1]):
        if name in asked:
            values.pop(other, None)
