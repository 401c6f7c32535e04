"""Recolouring by hue: what has one colour anywhere in the photo gets another.

Not here: colours at a point (``steering.hints``), the order of steering (``colorizer.plan``).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from koalarize.errors import OptionError
from koalarize.steering.fields import Help, check_all
from koalarize.steering.hints import HEX_COLOR, ab_of_hex, check_hex

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["Recolor", "recolored"]

_LEAST = 6.0  # Lab units: a colour of less chroma is a grey, which has no hue
_SAME, _OTHER = 12.0, 32.0  # degrees of hue: up to the first all changes, from the second none
_GREY, _COLORED = 3.0, 10.0  # Lab units of chroma: likewise, from nothing to all
_MOST = 4.0  # times the chroma grows at most


@dataclass(frozen=True)
class Recolor:
    """What has one hue becomes another, in the whole photo.

    Attributes:
        was: ``#rrggbb`` or ``#rgb`` of what shall change; its hue counts.
        becomes: ``#rrggbb`` or ``#rgb`` of what it becomes: its hue, and its chroma on average.
    """

    was: Annotated[str, Help("`#rrggbb` of what shall change; its hue counts.", pattern=HEX_COLOR)]
    becomes: Annotated[
        str, Help("`#rrggbb` of what it becomes; lightness stays.", pattern=HEX_COLOR)
    ]

    def __post_init__(self) -> None:
        check_hex("`was` of a recolouring", self.was)
        check_hex("`becomes` of a recolouring", self.becomes)
        check_all(self, "the recolouring's ")
        if _chroma(ab_of_hex(self.was)) < _LEAST:
            raise OptionError(
                f"`was` of a recolouring is `{self.was}`, a grey, but must have a hue: "
                "give what is grey a hint instead"
            )

    @classmethod
    def parse(cls, text: str) -> "Recolor":
        """Read ``#RRGGBB=#RRGGBB``.

        Raises:
            OptionError: if the text has another form.
        """
        was, sign, becomes = text.partition("=")
        if not sign:
            raise OptionError(
                f"the recolouring `{text}` must be #RRGGBB=#RRGGBB, as in `#3050c0=#6f4a2c`"
            )
        return cls(was.strip(), becomes.strip())


def recolored(
    ab: "npt.NDArray[np.float32]", recolors: Sequence[Recolor], gain: float = 1.0
) -> "npt.NDArray[np.float32]":
    """Give what has the hue of each ``was`` the colour of its ``becomes``.

    Hues turn by the same angle, so that shades stay apart; the chroma of all that changes becomes
    that of ``becomes`` on average. All look at the colours there are before any of them, so that
    two may exchange their places.

    Args:
        ab: (2, h, w), Lab units.
        recolors: what is asked.
        gain: by what the chroma will be multiplied later.
    """
    if not recolors:
        return ab
    import numpy as np

    from koalarize import color

    chroma = np.hypot(ab[0], ab[1])
    hue = np.degrees(np.arctan2(ab[1], ab[0]))
    colored = color.smoothstep(chroma * gain, _GREY, _COLORED)
    change, shares = np.zeros_like(ab), np.zeros_like(chroma)
    for recolor in recolors:
        was, becomes = ab_of_hex(recolor.was), ab_of_hex(recolor.becomes)
        start, end = (float(np.degrees(np.arctan2(b, a))) for a, b in (was, becomes))
        away = np.abs((hue - start + 180) % 360 - 180)
        share = colored * (1 - color.smoothstep(away, _SAME, _OTHER))
        mean = float((share * chroma).sum() / max(float(share.sum()), 1e-6))
        scale = min(_chroma(becomes) / gain / max(mean, 1e-6), _MOST)
        angle = np.radians(end - start)
        cos, sin = np.float32(scale * np.cos(angle)), np.float32(scale * np.sin(angle))
        turned = np.stack([cos * ab[0] - sin * ab[1], sin * ab[0] + cos * ab[1]])
        change += share * (turned - ab)
        shares += share
    return (ab + change / np.maximum(shares, 1)).astype(np.float32)


def _chroma(ab: tuple[float, float]) -> float:
    return float((ab[0] ** 2 + ab[1] ** 2) ** 0.5)
