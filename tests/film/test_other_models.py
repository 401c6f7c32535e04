"""Films in the colours of other people's models, one of each contract, and of a blend."""

from __future__ import annotations

import numpy as np
import pytest

import film_parts as fp
from foreign_parts import tiny
from koalarize.cli import main


@pytest.mark.parametrize("kind", ["l-to-ab", "grey-to-ab", "grey-to-srgb"])
def test_a_film_of_each_contract(kind, tmp_path):
    import av

    source = fp.write(tmp_path / "a.mp4", fp.moved(4))
    model = str(tiny(tmp_path / "m.onnx", kind, side=64))
    for number, more in enumerate(([model], [model, "--faithful"], [f"koala,{model}"])):
        out = tmp_path / f"{number}.mp4"
        assert main([str(source), "-o", str(out), "--model", *more]) == 0
        with av.open(str(out)) as film:
            frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
        assert len(frames) == 4
        assert np.ptp(frames[0].astype(int), axis=2).mean() > 3
