"""Colour the example pictures with the shipped weights, for the README.

python docs/images/make_images.py
"""

from pathlib import Path

from PIL import Image

from koalarize import Colorizer


def main() -> None:
    """Write one picture beside this script for each example."""
    here = Path(__file__).parent
    colorizer = Colorizer.load("koala")
    for example in sorted((here.parent.parent / "examples").glob("*.jpg")):
        if ".color" in example.name or ".compare" in example.name:
            continue
        colored: Image.Image = colorizer(Image.open(example))
        colored.save(here / example.name, quality=90)


if __name__ == "__main__":
    main()
