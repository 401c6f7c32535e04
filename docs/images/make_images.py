"""Colour the example pictures with the shipped weights, for the README; one also with a hint.

python docs/images/make_images.py
"""

from pathlib import Path

from PIL import Image

from koalarize import Colorizer, Hint

#: As ``--hint 230,376=#e87820 --reach 1``, which stands in the README.
ORANGE = Hint(x=230, y=376, color="#e87820")


def main() -> None:
    """Write one picture beside this script for each example."""
    here = Path(__file__).parent
    colorizer = Colorizer.load("koala")
    for example in sorted((here.parent.parent / "examples").glob("*.jpg")):
        if ".color" in example.name or ".compare" in example.name:
            continue
        colored: Image.Image = colorizer(Image.open(example))
        colored.save(here / example.name, quality=90)
        if example.stem == "astronaut":
            colored = colorizer(Image.open(example), hints=[ORANGE], reach=1)
            colored.save(here / "astronaut-hint.jpg", quality=90)


if __name__ == "__main__":
    main()
