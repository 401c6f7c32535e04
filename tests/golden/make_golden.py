"""Record what becomes of ten pictures: ``python tests/golden/make_golden.py [--exact]``.

Without a word it colours the pictures and writes ``golden.json`` and a PNG a picture: do this only
where colours are meant to change. ``--exact`` writes nothing and lists every result that is not the
recorded one to the bit (of ``koala``: on the machine that recorded it). ``--draw`` makes the
pictures themselves again, from scikit-image's. ``--stand-in`` prints what a network that is none
makes of them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from golden import cases
from golden.standin import StandIn
from koalarize.colorizer.colorizer import Colorizer


def draw() -> dict[str, cases.Array]:
    """Make the ten pictures, none longer than 96 pixels."""
    from skimage import data

    def small(name: str, box: tuple[int, int, int, int], size: tuple[int, int]) -> Image.Image:
        picture = Image.fromarray(getattr(data, name)()).convert("RGB")
        return picture.crop(box).resize(size, Image.Resampling.BOX)

    camera = small("camera", (90, 40, 410, 280), (56, 42)).convert("L")
    face = small("astronaut", (150, 0, 330, 240), (42, 56))
    coffee = small("coffee", (60, 20, 560, 390), (54, 40))
    cat = small("chelsea", (60, 10, 380, 250), (56, 42))
    rocket = small("rocket", (0, 100, 640, 200), (96, 15)).convert("L")
    page = small("page", (0, 0, 191, 191), (48, 48)).convert("L")
    grey = np.asarray(face.convert("L"))
    ramp = np.arange(40 * 54, dtype=np.uint16).reshape(40, 54) % 257
    tinted = np.repeat(grey[..., None], 3, axis=-1).astype(np.float64)
    tinted[34:, 4:38] *= (1.0, 0.62, 0.55)  # a red dress, by hand
    deep = np.asarray(coffee).astype(np.uint16) * 257
    alpha = np.minimum(255, np.add.outer(np.arange(42) * 5, np.arange(56) * 3)).astype(np.uint8)
    return {
        "grey": np.asarray(camera),
        "grey-16": np.asarray(coffee.convert("L")).astype(np.uint16) * 256 + ramp.astype(np.uint16),
        "grey-alpha": np.stack([np.asarray(cat.convert("L")), alpha], -1),
        "hand-tinted": tinted.astype(np.uint8),
        "rgb-alpha": np.concatenate([np.asarray(cat), alpha[..., None]], -1),
        "panorama": np.asarray(rocket),
        "rgb-16": deep,
        "tiny": np.arange(15, dtype=np.uint8).reshape(3, 5) * 17,
        "portrait": grey,
        "page": np.asarray(page),
    }


def _facts_of(
    colorizer: Colorizer, *, draw: bool = False
) -> dict[str, dict[str, cases.Result | None]]:
    """Colour the pictures in all ways, and draw a sheet of each if asked."""
    made: dict[str, dict[str, cases.Result | None]] = {}
    for name, picture in cases.pictures().items():
        asked = cases.asked_of(picture)
        results = {key: cases.colored(colorizer, picture, how) for key, how in asked.items()}
        made[name] = {key: cases.facts(result) for key, result in results.items()}
        if draw:
            blank = np.zeros((*picture.shape[:2], 3), np.uint8)
            rows = [blank if r is None else cases.eight_bits(r) for r in results.values()]
            Image.fromarray(np.concatenate(rows)).save(cases.sheet_path(name), optimize=True)
    return made


def main(words: list[str]) -> int:
    """Record, or compare to the bit."""
    if words == ["--draw"]:
        np.savez_compressed(cases.PICTURES, **draw())
        return 0
    if words == ["--stand-in"]:
        sys.stdout.write(json.dumps(_facts_of(Colorizer(StandIn()))))
        return 0
    made = {"stand-in": cases.stand_in()}
    koala = Colorizer.load("koala", threads=1)
    made["koala"] = _facts_of(koala, draw=words != ["--exact"])
    if words == ["--exact"]:
        recorded = cases.record()
        other = [
            f"{model}, {name}, {key}: {recorded[model][name][key]} became {result}\n"
            for model, found in made.items()
            for name, results in found.items()
            for key, result in results.items()
            if recorded[model][name][key] != result
        ]
        sys.stdout.writelines([*other, f"{len(other)} results are others\n"])
        return 1 if other else 0
    cases.RECORD.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
