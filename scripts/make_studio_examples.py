"""Make the studio page's example pictures from ``examples/``: smaller files, square thumbnails.

Run ``python scripts/make_studio_examples.py`` in an environment with koalarize. Where the pictures
come from, and their licences, stand in ``examples/README.md``.
"""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image, ImageOps

TITLES = {
    "astronaut": "An astronaut",
    "chelsea": "A cat",
    "coffee": "A cup of coffee",
    "rocket": "A rocket",
}
ROOT = Path(__file__).parent.parent
SIDE = 192  # of a thumbnail, pixels


def main() -> None:
    """Write pictures, thumbnails and their list into the page's folder."""
    target = ROOT / "src/koalarize/web/studio/static/examples"
    rows: list[dict[str, str]] = []
    for name, title in TITLES.items():
        picture = Image.open(ROOT / f"examples/{name}.jpg")
        picture.save(target / f"{name}.jpg", quality=88, optimize=True)
        thumb = ImageOps.fit(picture, (SIDE, SIDE), Image.Resampling.LANCZOS)
        thumb.save(target / f"{name}.thumb.jpg", quality=82, optimize=True)
        rows.append({"file": f"{name}.jpg", "thumb": f"{name}.thumb.jpg", "title": title})
    (target / "examples.json").write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
