"""The catalogue: every model by name, with all that belongs beside its weights.

Not here: finding or reading the files (``store``), fetching them (``download``). Nothing slow is
imported. ``MODELS`` come with the package; ``FOREIGN`` are other people's, fetched when asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from koalarize.engines.contracts import Contract

__all__ = ["FOREIGN", "MODELS", "ForeignCard", "ModelCard", "card_of", "known_names"]


@dataclass(frozen=True)
class ModelCard:
    """What is known of a model.

    Attributes:
        name: what a person types.
        file: its ONNX file, beside this module.
        sha256: of that file.
        licence: of the weights.
        training_data: what they were trained on.
        recipe: the file that trains them, from photos on.
        summary: one sentence for `koalarize models`.
        parameters: how many weights.
        scores: metric -> value; shares are of the grey pictures' own; protocol in the model card.
    """

    name: str
    file: str
    sha256: str
    licence: str
    training_data: str
    recipe: str
    summary: str
    parameters: int
    scores: Mapping[str, float]


_DATA = (
    "some 143,000 varied colour photographs from public research collections and repositories, "
    "short side at most 256 px; encoder started from ImageNet weights of MobileNetV2"
)
_CARDS = (
    ModelCard(
        name="koala",
        file="koala.onnx",
        sha256="926f6b7c8a7bfcf5c3ec4d49058d486af61be1cfa03f5818b2a3144c099cee2a",
        licence="Apache-2.0",
        training_data=_DATA,
        recipe="recipes/shipped.sh",
        summary="The default: an encoder-decoder with global context that classifies ab; takes "
        "colour hints.",
        parameters=5_367_172,
        scores={"psnr_gain_db": 0.57, "lpips_share": 0.660, "fid_share": 0.464},
    ),
    ModelCard(
        name="koala-int8",
        file="koala-int8.onnx",
        sha256="aa6993811ea23d197d655e0764421642eff87c3d55c3f53c9a05ce1852408f9b",
        licence="Apache-2.0",
        training_data=_DATA,
        recipe="recipes/shipped.sh",
        summary="koala with its decoder in 8 bits: nearly the same colours, sooner; for many "
        "files.",
        parameters=5_367_172,
        scores={"delta_e2000_from_koala": 0.72},
    ),
)

MODELS: Mapping[str, ModelCard] = MappingProxyType({card.name: card for card in _CARDS})


@dataclass(frozen=True)
class ForeignCard:
    """What is known of another person's model.

    Attributes:
        name: what a person types.
        summary: one sentence: when to use it.
        sha256: of its ONNX file.
        bytes: of it, where known.
        addresses: where it can be fetched, tried in turn; the hash decides, not the place.
        contract: what the network takes and gives.
        parameters: how many weights.
        source: whose network it is, and the page that tells of it.
        licence: of the weights.
        export_licence: of the ONNX file, which somebody else made of them.
        consent: why a person is asked before it is fetched; empty where the licences are plain.
        times: how many times koala's time a photo of 1 megapixel takes, photo to photo; None if
            not measured (benchmarks/rivals.py).
        memory: MiB that the process needs for it; None if not measured.
    """

    name: str
    summary: str
    sha256: str
    bytes: int | None
    addresses: tuple[str, ...]
    contract: Contract
    parameters: int
    source: str
    licence: str
    export_licence: str
    consent: str = ""
    times: float | None = None
    memory: int | None = None

    @property
    def file(self) -> str:
        """The name of its file in the store."""
        return f"{self.name}.onnx"


_HUB = "https://huggingface.co"
_CLIBDEV = "https://github.com/clibdev/colorization/releases/latest/download"
_DDCOLOR = "DDColor, Kang et al. 2023, github.com/piddnad/DDColor"
_DEOLDIFY = "DeOldify, Jason Antic, github.com/jantic/DeOldify"
_SQUARE_512 = Contract("grey-to-ab", size=512, upsampling="nearest")
_NO_LICENCE = "whoever exported it states no licence for the file; the weights are under {}"
_FOREIGN = (
    ForeignCard(
        name="ddcolor-tiny",
        summary="Vivid: the one to try beside koala.",
        sha256="2653da00dc15e54a45e5200b61dbf82ee9ceaf56b02bb9b9657569ac775e82e6",
        bytes=135_444_402,
        addresses=(
            f"{_HUB}/edgetools/ddcolor/resolve/4755ae9f1f7a35a9e7693b96c2a88f3432cb6ab0/"
            "ddcolor-tiny-fp16.onnx",
            f"{_HUB}/edgetools/ddcolor/resolve/main/ddcolor-tiny-fp16.onnx",
        ),
        contract=_SQUARE_512,
        parameters=55_006_640,
        source=_DDCOLOR,
        licence="Apache-2.0",
        export_licence="Apache-2.0",
        times=12,
        memory=2024,
    ),
    ForeignCard(
        name="ddcolor-tiny-256",
        summary="ddcolor-tiny at half the size in full precision: a quarter of the time, coarser.",
        sha256="1410b455cd230a587c38b5771a0193aa6f28bb89b0e29566fbdb791bb1310c47",
        bytes=223_650_419,
        addresses=(f"{_HUB}/K-Arthur/varve-ddcolor-onnx/resolve/main/ddcolor-tiny.onnx",),
        contract=Contract("grey-to-ab", size=256, upsampling="nearest"),
        parameters=55_006_640,
        source=_DDCOLOR,
        licence="Apache-2.0",
        export_licence="Apache-2.0",
        times=3,
        memory=763,
    ),
    ForeignCard(
        name="ddcolor",
        summary="The large DDColor, its authors' default: for single pictures; slow.",
        sha256="9c881551a0caf29ea283be09e863a841b5bf454b83299357f483f49f6ca18193",
        bytes=915_477_115,
        addresses=(f"{_HUB}/K-Arthur/varve-ddcolor-onnx/resolve/main/ddcolor.onnx",),
        contract=_SQUARE_512,
        parameters=227_869_328,
        source=_DDCOLOR,
        licence="Apache-2.0",
        export_licence="Apache-2.0",
        times=27,
        memory=2639,
    ),
    ForeignCard(
        name="ddcolor-artistic",
        summary="The large DDColor trained without its colourfulness loss: calmer colours.",
        sha256="e7f6d8e48d609be3f2615b70637fbc7019cbad545038279a7ba26f229503d61c",
        bytes=911_801_965,
        addresses=(f"{_HUB}/T8RIN/ddcolor-onnx/resolve/main/ddcolor_artistic.onnx",),
        contract=_SQUARE_512,
        parameters=227_869_328,
        source=_DDCOLOR,
        licence="Apache-2.0",
        export_licence="not stated",
        consent=_NO_LICENCE.format("Apache-2.0"),
    ),
    ForeignCard(
        name="deoldify-artistic",
        summary="DeOldify as its author offers it for detail and vivid colours.",
        sha256="9ac296cf05fecbdb604f50211f632b722402bc1f9a96ee5a8987b01c0c3c688f",
        bytes=255_044_725,
        addresses=(f"{_HUB}/facefusion/models-3.0.0/resolve/main/deoldify_artistic.onnx",),
        contract=Contract("grey-to-srgb", size=256, white=255.0),
        parameters=0,
        source=_DEOLDIFY,
        licence="MIT",
        export_licence="not stated",
        consent=_NO_LICENCE.format("MIT"),
    ),
    ForeignCard(
        name="deoldify-stable",
        summary="DeOldify as its author offers it for portraits and landscapes; large and slow.",
        sha256="37fc9f524f5a6ad13bc4379e3a929829a13fe1015203dcb10f9bfb9a38377cd1",
        bytes=None,
        addresses=(
            "https://github.com/Makistos/colorize/releases/download/models-v1/deoldify_stable.onnx",
        ),
        contract=Contract("grey-to-srgb", size=560, stride=16),
        parameters=0,
        source=_DEOLDIFY,
        licence="MIT",
        export_licence="MIT",
    ),
    ForeignCard(
        name="eccv16",
        summary="The classic of 2016, to compare with: bold colours that spill over edges.",
        sha256="b4a4cecae9e84e776d665e85774815b0bb43de382813b02fb13144f8fd5d6c83",
        bytes=None,
        addresses=(f"{_CLIBDEV}/colorization-eccv-16.onnx",),
        contract=Contract("l-to-ab", size=256, stride=8),
        parameters=32_236_011,
        source="Zhang, Isola, Efros 2016, github.com/richzhang/colorization",
        licence="BSD-2-Clause",
        export_licence="BSD-2-Clause",
        times=4,
        memory=442,
    ),
    ForeignCard(
        name="siggraph17",
        summary="Calm colours; without hints, which its .pth gives when it is converted.",
        sha256="7db825910668ee321327d2e6b446e57cbc9c066e196e8be0e152bf76e1206eb7",
        bytes=None,
        addresses=(f"{_CLIBDEV}/colorization-siggraph-17.onnx",),
        contract=Contract("l-to-ab", size=256, stride=8),
        parameters=34_187_027,
        source="Zhang, Zhu et al. 2017, github.com/richzhang/colorization",
        licence="BSD-2-Clause",
        export_licence="BSD-2-Clause",
        times=9,
        memory=792,
    ),
)

FOREIGN: Mapping[str, ForeignCard] = MappingProxyType({card.name: card for card in _FOREIGN})


def card_of(name: str) -> ModelCard | ForeignCard | None:
    """Return what is known of a model; None of a file or an unknown name."""
    return MODELS.get(name) or FOREIGN.get(name)


def known_names() -> tuple[str, ...]:
    """Return every name of the catalogue, those that come with the package first."""
    return (*MODELS, *FOREIGN)
