"""What goes over the wire about films, as models that the OpenAPI description is made of.

Not here: pictures (``schemas``), what is asked of the colours of a shot (``steering.wire``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict

from koalarize.steering.wire import SteeringAsked, whole
from koalarize.web.studio.film_store import MOST_SHOTS, Film, Render

__all__ = ["FilmAsked", "FilmInfo"]

_Number = Annotated[int, Field(ge=0, lt=MOST_SHOTS), BeforeValidator(whole), Strict()]


class ShotAsked(BaseModel):
    """What is asked of a shot."""

    model_config = ConfigDict(extra="forbid")

    number: _Number = Field(description="from 0, of `FilmInfo`")
    steering: SteeringAsked = Field(
        description="as of a photo; hints are at pixels of the frame that stands for the shot"
    )


class FilmAsked(BaseModel):
    """What is asked of a film: shots that are not named are as the network sees them."""

    model_config = ConfigDict(extra="forbid")

    model: Annotated[str, Strict()] = Field("koala", min_length=1, max_length=100)
    steadiness: float = Field(0.9, ge=0, le=1, allow_inf_nan=False, strict=True)
    shots: list[ShotAsked] = Field(default_factory=list[ShotAsked], max_length=MOST_SHOTS)


class ShotFound(BaseModel):
    """A shot of a film."""

    number: int
    start: float = Field(description="seconds of its first frame")
    stop: float = Field(description="seconds before which it ends")
    time: float = Field(description="seconds of the frame that stands for it")


class RenderFacts(BaseModel):
    """How far a film is on its way to being coloured."""

    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    done: int = Field(description="frames")
    total: int = Field(description="frames; 0 where nobody knows")
    bytes: int = Field(description="coded so far")
    problem: str | None
    notes: list[str] = Field(description="what of the film is not in the result")

    @classmethod
    def of(cls, render: Render) -> RenderFacts:
        """Make it of what the service knows."""
        return cls(
            state=render.state,
            done=render.done,
            total=render.total,
            bytes=render.bytes,
            problem=render.problem,
            notes=list(render.notes),
        )


class FilmInfo(BaseModel):
    """An uploaded film."""

    id: str = Field(description="the sha256 of its bytes")
    name: str
    bytes: int
    width: int = Field(description="pixels, as players show it")
    height: int
    seconds: float
    frames: int = Field(description="as its header says; 0 where it does not")
    colored: bool = Field(description="it has colours of its own, which are replaced")
    state: Literal["looking", "ready", "failed"] = Field(description="whether shots are known")
    seen: int = Field(description="frames that were looked at for them")
    problem: str | None = Field(description="why they are not known")
    shots: list[ShotFound]
    more: int = Field(description="shots behind those, coloured as the network sees them")
    render: RenderFacts | None
    expires_in: int = Field(description="seconds without use after which it leaves")

    @classmethod
    def of(cls, film: Film, expiry: float) -> FilmInfo:
        """Make it of what the service knows."""
        from koalarize.film.anchors import shown_size

        width, height = shown_size(film.facts)
        shots = [
            ShotFound(number=n, start=one.start, stop=one.stop, time=one.time)
            for n, one in enumerate(film.shots)
        ]
        return cls(
            id=film.id,
            name=film.name,
            bytes=film.bytes,
            width=width,
            height=height,
            seconds=film.facts.seconds,
            frames=film.facts.frames,
            colored=film.facts.colored,
            state=film.state,
            seen=film.seen,
            problem=film.problem,
            shots=shots,
            more=max(0, len(film.cuts) - len(shots)),
            render=None if film.render is None else RenderFacts.of(film.render),
            expires_in=int(expiry),
        )
