"""What goes over the wire, as models that the OpenAPI description is made of.

Not here: what is done with it. Ranges that need the photo (a hint's place) are checked with it.
"""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, Strict

from koalarize.steering.wire import SteeringAsked, whole

__all__ = [
    "AlternativesAsked",
    "AlternativesFound",
    "Gamut",
    "Health",
    "LeaveAsked",
    "Limits",
    "ModelList",
    "Output",
    "PhotoInfo",
    "PreviewAsked",
    "ProblemDetails",
    "RegionAsked",
    "RenderAsked",
    "SessionAsked",
    "SuggestionsAsked",
    "SuggestionsFound",
]

Output = Literal["png", "jpeg", "tiff", "webp"]
Shown = Literal["jpeg", "webp", "png"]
_Coordinate = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False, strict=True)]
#: JSON Schema takes 5.0 for a whole number; text it does not take.
_Int = Annotated[int, BeforeValidator(whole), Strict()]
_Whole = Annotated[int, Field(ge=0, le=10**6), BeforeValidator(whole), Strict()]


#: What example answers call a photo.
_ID = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


def _example(**values: object) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [cast("JsonValue", values)]})


class _Strict(BaseModel):
    """Refuses unknown keys."""

    model_config = ConfigDict(extra="forbid")


class _Steered(_Strict):
    steering: SteeringAsked = Field(
        default_factory=lambda: SteeringAsked.model_validate({}), validate_default=False
    )


class PreviewAsked(_Steered):
    """Asks for a small version."""

    side: _Int = Field(1024, ge=16, le=2048, description="longer side, pixels")
    format: Shown = "jpeg"
    grey: bool = Field(False, strict=True, description="the untouched original instead")


class RegionAsked(_Steered):
    """Asks for a part of the full-size result."""

    x: _Whole = 0
    y: _Whole = 0
    width: _Int = Field(512, ge=1, le=10**6)
    height: _Int = Field(512, ge=1, le=10**6)
    scale: float = Field(1.0, ge=0.05, le=1, allow_inf_nan=False, strict=True)
    format: Shown = "jpeg"
    grey: bool = Field(False, strict=True, description="the untouched original instead")


class SuggestionsAsked(_Steered):
    """Asks what the network holds likely at a point."""

    x: _Coordinate
    y: _Coordinate
    count: _Int = Field(6, ge=1, le=12)


class AlternativesAsked(_Steered):
    """Asks for other plausible colourings."""

    count: _Int = Field(4, ge=1, le=5)
    side: _Int = Field(256, ge=16, le=512, description="longer side of the previews")


class RenderAsked(_Steered):
    """Asks for the full-size file."""

    format: Output | None = Field(None, description="null is the photo's own")


class SessionAsked(_Steered):
    """Asks for the session as a file."""


class LeaveAsked(_Strict):
    """Says which photos nobody looks at any more."""

    ids: list[Annotated[str, Field(pattern="^[0-9a-f]{64}$")]] = Field(max_length=1000)


class SuggestionFound(BaseModel):
    """One likely colour, as it looks at the spot."""

    color: str
    a: float
    b: float
    probability: float


class SuggestionsFound(BaseModel):
    """Likely colours at a point, most likely first."""

    model_config = _example(
        lightness=46.2,
        color="#6e6a63",
        suggestions=[{"color": "#2d6e4f", "a": -25.1, "b": 9.8, "probability": 0.31}],
    )

    lightness: float
    color: str = Field(description="what is there now")
    suggestions: list[SuggestionFound]


class AlternativeFound(BaseModel):
    """One plausible colouring."""

    alternative: int = Field(description="what goes into `steering.alternative`")
    difference: float = Field(description="mean distance from number 0, Lab units")
    preview: str = Field(description="a JPEG as a data URL")


class AlternativesFound(BaseModel):
    """Plausible colourings; number 0, the network's own, is first."""

    alternatives: list[AlternativeFound]


class PhotoInfo(BaseModel):
    """An uploaded photo."""

    model_config = _example(
        id=_ID,
        name="oma.jpg",
        sha256=_ID,
        width=1800,
        height=1200,
        format="JPEG",
        bytes=612345,
        grey=True,
        negative=False,
        deep=False,
        exif=True,
        pages=1,
        notes=[],
        expires_in=43200,
    )

    id: str = Field(description="the sha256 of its bytes")
    name: str
    sha256: str
    width: int
    height: int
    format: str
    bytes: int
    grey: bool = Field(description="it holds no colour of its own")
    negative: bool = Field(description="it looks like a negative of colour film")
    deep: bool = Field(description="it has 16 bits a channel")
    exif: bool
    pages: int = Field(description="pages or frames of its file, of which this is the first")
    notes: list[str] = Field(description="what of its file is not in it, a phrase each")
    expires_in: int = Field(description="seconds without use after which it leaves")


class ModelFacts(BaseModel):
    """A model that can be asked for."""

    name: str
    summary: str
    licence: str
    parameters: int
    size: int = Field(description="its working size, pixels")
    accepts_hints: bool
    suggests: bool = Field(description="it has suggestions, alternatives and references")
    default: bool


class ModelList(BaseModel):
    """The models."""

    models: list[ModelFacts]


class Gamut(BaseModel):
    """Which a* and b* exist at a lightness."""

    lightness: float
    extent: float = Field(description="no a* or b* lies further from 0")
    boundary: list[Annotated[list[float], Field(min_length=2, max_length=2)]] = Field(
        description="a* and b* of 72 points, by hue from 0 degrees"
    )


class Limits(BaseModel):
    """What the service takes at most."""

    max_bytes: int
    max_pixels: int
    workers: int
    queue: int
    timeout: float


class Health(BaseModel):
    """How the service is."""

    status: Literal["ok"]
    version: str
    busy: int
    waiting: int
    photos: int


class ProblemDetails(BaseModel):
    """An error (RFC 9457)."""

    model_config = _example(
        type="urn:koalarize:problem:not-allowed",
        title="A value is not allowed",
        status=422,
        detail="`steering.vividness` is 7 but must be less than or equal to 5",
    )

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] | None = None
