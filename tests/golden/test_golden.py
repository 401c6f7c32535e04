"""Colours stay what they were: ten pictures, a dozen ways of asking, two networks.

``make_golden.py`` recorded them. A change of colours that is meant is recorded again, and the
pictures beside this file then show it.
"""

from __future__ import annotations

from platform import machine

import numpy as np
import pytest

from golden import cases
from koalarize.colorizer.colorizer import Colorizer

PICTURES = cases.pictures()
RECORD = cases.record()


@pytest.fixture(scope="module")
def koala():
    return Colorizer.load("koala", threads=1)


@pytest.fixture(scope="module")
def stand_in():
    return cases.stand_in()


@pytest.mark.skipif(machine() not in ("x86_64", "AMD64"), reason="the bytes are those of x86-64")
@pytest.mark.parametrize("name", PICTURES)
def test_with_a_stand_in_every_byte_is_the_same(name, stand_in):
    found, expected = stand_in[name], dict(RECORD["stand-in"][name])
    if PICTURES[name].dtype != np.uint8:
        # A palette leads by products of matrices, whose last bit of 16 changes from one BLAS to
        # another; seen in this one way of asking only.
        found["all"], expected["all"] = coarse(found["all"]), coarse(expected["all"])
    assert found == expected


def coarse(facts):
    """Of a deep result: all but the bytes, and its means without their fractions."""
    means = [round(mean) for mean in facts["mean"]]
    return {"shape": list(facts["shape"]), "dtype": facts["dtype"], "mean": means}


@pytest.mark.parametrize("name", PICTURES)
def test_koala_colours_them_as_it_did(name, koala):
    """ONNX Runtime's sums differ a little from processor to processor."""
    picture = PICTURES[name]
    asked, recorded = cases.asked_of(picture), RECORD["koala"][name]
    wanted = cases.sheet(name).reshape(len(asked), *picture.shape[:2], 3).astype(int)
    for (key, how), expected in zip(asked.items(), wanted, strict=True):
        result = cases.colored(koala, picture, how)
        facts = recorded[key]
        if result is None or facts is None:
            assert result is facts, f"{key}: the picture has an alternative, or no longer has one"
            continue
        assert (list(result.shape), str(result.dtype)) == (facts["shape"], facts["dtype"])
        off = np.abs(cases.eight_bits(result).astype(int) - expected).max(-1)
        assert off.max() <= 3, f"{key}: a pixel is {off.max()} levels off"
        assert (off > 1).mean() <= 0.001, f"{key}: {(off > 1).mean():.2%} of pixels are off"


def test_the_recording_tells_ways_of_asking_apart():
    """Each of them changes some picture, so that none could be ignored without a sign."""
    for model, pictures in RECORD.items():
        for key in cases.asked_of(PICTURES["grey"]):
            if key == "plain":
                continue
            differ = [
                name
                for name, results in pictures.items()
                if results[key] is not None and results[key] != results["plain"]
            ]
            assert differ, f"{model}: `{key}` changes nothing"
