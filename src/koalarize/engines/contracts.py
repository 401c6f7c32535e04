"""Other people's networks in ONNX files: three contracts, of which only the chroma is taken.

Not here: files that describe themselves (``onnx``), which files there are (``models``).
Whatever a network wants to see is made of L* alone, so a coloured photo and its grey give the same.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from koalarize import color
from koalarize.engines.engine import AuthorsWay, ModelInfo, Prediction
from koalarize.engines.session import Session, checked
from koalarize.errors import ModelError, OptionError, did_you_mean

__all__ = ["Contract", "ContractEngine", "Kind", "contract_file", "read_contract"]

Array = npt.NDArray[Any]
Float32 = npt.NDArray[np.float32]
#: What goes in and comes out.
Kind = Literal["l-to-ab", "grey-to-ab", "grey-to-srgb"]

#: Contract -> channels of its input and of its output.
_CHANNELS: dict[Kind, tuple[int, int]] = {
    "l-to-ab": (1, 2),
    "grey-to-ab": (3, 2),
    "grey-to-srgb": (3, 3),
}
_MOST_AB = 128.0  # networks without bounds have been seen far outside Lab
_TYPES: dict[str, type[np.floating[Any]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


@dataclass(frozen=True)
class Contract:
    """What a network takes and gives.

    Attributes:
        kind: L* to ab; grey sRGB to ab; or grey sRGB to sRGB.
        size: working size where the file takes any, shorter side in pixels; a file that takes one
            square size only is always run at that.
        stride: height and width must be multiples of it, where the file takes any.
        white: what its input has for white; by default 100 for L* and 1 for sRGB.
        unit: of ab, how many Lab units its output's 1 is, 1 by default; of sRGB, what its output
            has for white, by default what its input has.
        upsampling: how its authors bring chroma to full size.
    """

    kind: Kind
    size: int = 256
    stride: int = 32
    white: float | None = None
    unit: float | None = None
    upsampling: Literal["nearest", "bilinear"] = "bilinear"

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise OptionError(
                f"`kind` is {self.kind!r} but must be one of {', '.join(get_args(Kind))}"
                f"{did_you_mean(str(self.kind), get_args(Kind))}"
            )
        if self.upsampling not in ("nearest", "bilinear"):
            raise OptionError(
                f"`upsampling` is {self.upsampling!r} but must be nearest or bilinear"
            )
        for name in ("size", "stride"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:  # nor true, which Python takes for 1
                raise OptionError(f"`{name}` is {value!r} but must be a whole number above 0")
        for name in ("white", "unit"):
            value = getattr(self, name)
            if value is not None and not (isinstance(value, (int, float)) and 0 < value < 1e6):
                raise OptionError(f"`{name}` is {value!r} but must be a number above 0")

    @property
    def white_in(self) -> float:
        """What the input has for white."""
        return self.white or (100.0 if self.kind == "l-to-ab" else 1.0)

    @property
    def unit_out(self) -> float:
        """Lab units, or white, of the output."""
        return self.unit or (self.white_in if self.kind == "grey-to-srgb" else 1.0)


def contract_file(model: Path) -> Path:
    """Return where a person may say what contract an ONNX file has."""
    return model.with_suffix(".contract.json")


def read_contract(path: Path) -> Contract:
    """Read a contract from JSON, as ``{"kind": "grey-to-srgb", "white": 255}``.

    Raises:
        ModelError: if it cannot be read, or says what no contract has.
    """
    known = [field.name for field in dataclasses.fields(Contract)]
    try:
        facts: Any = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"`{path}` cannot be read as JSON: {error}") from error
    if not isinstance(facts, dict) or "kind" not in facts:
        raise ModelError(f'`{path}` must hold a kind, as {{"kind": "grey-to-ab", "size": 512}}')
    for name in facts:
        if name not in known:
            raise ModelError(
                f"`{path}` has the key `{name}`, which is unknown{did_you_mean(name, known)}: "
                f"known are {', '.join(known)}"
            )
    try:
        return Contract(**facts)
    except OptionError as error:
        raise ModelError(f"`{path}`: {error}") from error


@dataclass(frozen=True)
class _Ports:
    """Where a graph takes pictures and gives them: names, type, and what is fixed of the shape."""

    input: str
    output: str
    dtype: type[np.floating[Any]]
    channels: tuple[int | None, int | None]
    batch: int | None
    side: int | None


class ContractEngine:
    """Runs a network of one of the three contracts."""

    def __init__(
        self,
        session: Session,
        contract: Contract | None = None,
        *,
        name: str | None = None,
        faithful: bool = False,
        identity: str = "",
    ) -> None:
        """Make it of an open file.

        Args:
            session: the file.
            contract: what the network takes and gives; by default as the shapes in the file say.
            name: for messages; by default the file's.
            faithful: whether photos are shown to it as its authors do.
            identity: the sha256 of the file, where it is known.

        Raises:
            ModelError: if the graph is no colorizer's, or not of this contract.
        """
        self._session = session
        self._ports = _inspect(session)
        self.contract = contract or _guessed(session.path, self._ports)
        _check_channels(session.path, self.contract, self._ports)
        side = self._ports.side
        self.info = ModelInfo(
            name=name or session.path.stem,
            stride=1 if side else self.contract.stride,
            accepts_hints=False,
            size=side or self.contract.size,
            fixed_size=side,
            authors=AuthorsWay(side or self.contract.size, self.contract.upsampling),
            faithful=faithful,
            identity=f"{identity} {self.contract}" if identity else "",
        )

    def run(self, lightness: Float32, hints: Float32 | None) -> Prediction:
        """Predict the chroma of pictures of one size, as ``Engine.run`` says; hints say nothing.

        Raises:
            ModelError: if the network gives what it should not.
        """
        planes = self._shown(np.clip(np.asarray(lightness, np.float32), 0, 100))
        most = self._ports.batch or len(planes)
        parts = [self._answer(planes[at : at + most], most) for at in range(0, len(planes), most)]
        return Prediction(np.concatenate(parts))

    def _shown(self, lightness: Float32) -> Array:
        """Return (B, C, H, W) what the network sees of L* (B, H, W)."""
        if self.contract.kind == "l-to-ab":
            planes = lightness[:, None] * np.float32(self.contract.white_in / 100)
        else:
            lab = np.zeros((*lightness.shape, 3), np.float32)
            lab[..., 0] = lightness
            grey = color.lab_to_srgb(lab)[..., 1] * np.float32(self.contract.white_in)
            planes = np.repeat(grey[:, None], 3, axis=1)
        return np.ascontiguousarray(planes, self._ports.dtype)

    def _answer(self, planes: Array, batch: int) -> Float32:
        count = len(planes)
        if count < batch:  # a file that takes so many at once, and no fewer
            planes = np.concatenate([planes, np.repeat(planes[-1:], batch - count, axis=0)])
        (found,) = self._session.run([self._ports.output], {self._ports.input: planes})
        channels = _CHANNELS[self.contract.kind][1]
        if found.ndim != 4 or found.shape[1] != channels:
            raise ModelError(
                f"the model `{self.info.name}` gives {' x '.join(map(str, found.shape))} but a "
                f"`{self.contract.kind}` model gives B x {channels} x H x W: say in "
                f"`{contract_file(self._session.path).name}` what it is, see docs/models.md"
            )
        values = checked(found[:count], self.info.name) * np.float32(1)
        if self.contract.kind != "grey-to-srgb":
            ab = values * np.float32(self.contract.unit_out)
        else:
            srgb = np.clip(values / np.float32(self.contract.unit_out), 0, 1)
            lab = color.srgb_to_lab(np.ascontiguousarray(np.moveaxis(srgb, 1, -1)))
            ab = np.moveaxis(lab[..., 1:], -1, 1)
        return np.ascontiguousarray(np.clip(ab, -_MOST_AB, _MOST_AB))


def _inspect(session: Session) -> _Ports:
    """Find where a graph takes a picture and gives one.

    Raises:
        ModelError: if there is not one of each.
    """
    path, runtime = session.path, session.runtime
    weights = {node.name for node in runtime.get_overridable_initializers()}
    inputs: list[Any] = [node for node in runtime.get_inputs() if node.name not in weights]
    outputs: list[Any] = list(runtime.get_outputs())
    if len(inputs) != 1:
        raise ModelError(
            f"`{path}` takes {len(inputs)} inputs ({_shapes(inputs)}) but a colorizer of other "
            "people takes one, a grey picture: export it with that input alone"
        )
    (given,) = inputs
    if given.type not in _TYPES:
        raise ModelError(
            f"`{path}` takes {given.type} at `{given.name}` but must take tensor(float) or "
            "tensor(float16): export it with such an input"
        )
    pictures = [node for node in outputs if len(node.shape) == 4]
    if len(outputs) > 1:
        pictures = [node for node in pictures if _whole(node.shape[1]) in (2, 3)]
    if len(given.shape) != 4 or len(pictures) != 1:
        raise ModelError(
            f"`{path}` takes {_shapes(inputs)} and gives {_shapes(outputs)}, but a colorizer takes "
            "one B x C x H x W and gives one: it is no model of ours and none of the contracts "
            "in docs/models.md"
        )
    if _whole(given.shape[3]) in (1, 3) and _whole(given.shape[1]) not in (1, 3):
        raise ModelError(
            f"`{path}` takes {_shapes(inputs)}, channels last, but must take B x C x H x W: export "
            "it so (tf2onnx: `--inputs-as-nchw` and `--outputs-as-nchw`)"
        )
    height, width = map(_whole, given.shape[2:])
    if height != width:
        raise ModelError(
            f"`{path}` takes pictures of {given.shape[2]} x {given.shape[3]} only but must take "
            "squares, or any size: export it so"
        )
    return _Ports(
        given.name,
        pictures[0].name,
        _TYPES[given.type],
        (_whole(given.shape[1]), _whole(pictures[0].shape[1])),
        _whole(given.shape[0]),
        height,
    )


def _guessed(path: Path, ports: _Ports) -> Contract:
    """Return the contract that fits the channels of a graph."""
    fitting: list[Kind] = [kind for kind, own in _CHANNELS.items() if _fit(own, ports.channels)]
    if len(fitting) != 1:
        raise ModelError(
            f"`{path}` takes {ports.channels[0] or 'any number of'} channels and gives "
            f"{ports.channels[1] or 'any number of'}, which is {'more than' if fitting else 'not'} "
            f"one of {_LIST}: say which it is in `{contract_file(path)}`, see docs/models.md"
        )
    return Contract(fitting[0])


def _check_channels(path: Path, contract: Contract, ports: _Ports) -> None:
    own = _CHANNELS[contract.kind]
    if not _fit(own, ports.channels):
        raise ModelError(
            f"`{path}` takes {ports.channels[0]} channels and gives {ports.channels[1]} but "
            f"`{contract.kind}` is {own[0]} and {own[1]}: its contract is another one"
        )


def _fit(own: tuple[int, int], found: tuple[int | None, int | None]) -> bool:
    return all(there in (None, wanted) for wanted, there in zip(own, found, strict=True))


def _whole(place: object) -> int | None:
    """Return a size that is fixed; None for one that is free or has a name."""
    return place if isinstance(place, int) and place > 0 else None


def _shapes(nodes: list[Any]) -> str:
    listed = (f"`{node.name}` {' x '.join(map(str, node.shape)) or 'a number'}" for node in nodes)
    return ", ".join(listed) or "none"


_LIST = ", ".join(f"{kind} ({a} and {b})" for kind, (a, b) in _CHANNELS.items())
