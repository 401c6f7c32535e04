"""The working grid: sizes, places of the photo on it, padding and its cutting off."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from koalarize.colorizer.grid import Grid, working_size
from koalarize.engines.engine import ModelInfo
from koalarize.errors import OptionError
from koalarize.steering.hints import Hint

ANY = ModelInfo("any", 32, True, 64)
BOUND = ModelInfo("bound", 1, True, 64, fixed_size=64)
sides = st.integers(1, 3000)


class TestSizes:
    @given(sides, sides)
    def test_the_network_gets_whole_strides_and_the_whole_photo(self, height, width):
        grid = Grid.of((height, width), None, ANY)
        for shown, padded in zip(grid.shape, grid.padded, strict=True):
            assert 1 <= shown <= padded < shown + ANY.stride
            assert padded % ANY.stride == 0
        assert grid.shape[0] * grid.shape[1] <= 8.5 * ANY.size**2 + ANY.size * 50

    def test_the_shorter_side_has_the_size_asked_for(self):
        assert working_size(300, 600, None, ANY) == (64, 128)
        assert working_size(600, 300, 100, ANY) == (200, 100)

    def test_a_panorama_has_at_most_eight_squares(self):
        height, width = working_size(100, 5000, None, ANY)
        assert height * width == pytest.approx(8 * 64**2, rel=0.05)

    @given(sides, sides)
    def test_a_bound_model_gets_its_square(self, height, width):
        grid = Grid.of((height, width), None, BOUND)
        assert max(grid.shape) == 64
        assert grid.padded == (64, 64)

    def test_a_bound_model_takes_no_other_size(self):
        assert working_size(100, 100, 64, BOUND) == (64, 64)
        with pytest.raises(OptionError, match="`size` is 32 but the model `bound` only works at"):
            working_size(100, 100, 32, BOUND)


class TestPlaces:
    @given(sides, sides, st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
    def test_each_point_of_the_photo_has_a_cell(self, height, width, down, across):
        grid = Grid.of((height, width), None, ANY)
        x, y = min(across * width, width - 0.01), min(down * height, height - 0.01)
        for shape in (grid.shape, (3, 5)):
            row, column = grid.cell(x, y, shape)
            assert abs(row + 0.5 - y * shape[0] / height) <= 0.5 + 1e-6
            assert abs(column + 0.5 - x * shape[1] / width) <= 0.5 + 1e-6

    def test_corners(self):
        grid = Grid((100, 200), (10, 20), (32, 32))
        assert grid.cell(0, 0) == (0, 0)
        assert grid.cell(199.9, 99.9) == (9, 19)
        assert grid.cell(199.9, 99.9, (4, 4)) == (3, 3)

    @pytest.mark.parametrize("point", [(200, 5), (5, 100), (-1, 5), (5, -1), (float("nan"), 5)])
    def test_points_outside(self, point):
        with pytest.raises(OptionError, match="the point"):
            Grid((100, 200), (10, 20), (32, 32)).cell(*point)

    def test_hints(self):
        grid = Grid((100, 200), (10, 20), (32, 32))
        first, second = grid.places([Hint(50, 20, "#c03020"), Hint(199, 99, "#2050c0", 30)])
        assert (first.cell, first.radius) == ((2, 5), 0)
        assert (second.cell, second.radius) == ((9, 19), 3)
        assert second.ab == Hint(0, 0, "#2050c0").ab
        assert grid.places([Hint(50, 20, "#c03020")], (5, 4))[0].cell == (1, 1)
        with pytest.raises(OptionError, match="the hint at"):
            grid.places([Hint(200, 20, "#c03020")])


@pytest.mark.parametrize("shape", [(1, 20_000_000), (20_000_000, 1), (3, 300_000), (1, 300)])
def test_thin_pictures_are_bounded_once_they_are_padded(shape):
    grid = Grid.of(shape, None, ANY)
    rows, columns = grid.padded
    assert rows * columns <= 13 * 64 * 64
    assert grid.cell(shape[1] - 1e-4, shape[0] - 1e-4) == (grid.shape[0] - 1, grid.shape[1] - 1)


class TestPaddingAndCutting:
    @pytest.mark.parametrize("shape", [(1, 1), (5, 40), (33, 64), (31, 5)])
    def test_the_photo_stands_at_the_upper_left(self, shape):
        grid = Grid.of(shape, min(shape), ANY)
        assert grid.shape == shape
        planes = np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)
        padded = grid.pad(planes)
        assert padded.shape == (3, *grid.padded)
        assert np.array_equal(padded[:, : shape[0], : shape[1]], planes)
        assert np.array_equal(grid.pad(planes[0]), padded[0])

    def test_the_border_is_a_reflection(self):
        padded = Grid((4, 4), (4, 4), (4, 8)).pad(np.arange(16, dtype=np.float32).reshape(4, 4))
        assert padded[0].tolist() == [0, 1, 2, 3, 2, 1, 0, 1]

    def test_cells_that_show_the_photo(self):
        grid = Grid((40, 60), (40, 60), (64, 64))
        assert grid.shown((16, 16), (64, 64)) == (10, 15)
        assert grid.shown((10, 15), (40, 60)) == (10, 15)  # nothing is padded
        assert Grid((1, 1), (1, 1), (64, 64)).shown((2, 2), (64, 64)) == (1, 1)

    def test_cutting_between_cells_is_exact(self):
        grid = Grid((40, 60), (40, 60), (64, 64))
        cells = np.random.default_rng(0).normal(size=(2, 16, 16)).astype(np.float32)
        assert np.array_equal(grid.cut(cells), cells[:, :10, :15])

    def test_cutting_through_cells_keeps_places(self):
        """A ramp over the padded photo stays that ramp, sampled about the photo's own middle."""
        grid = Grid((38, 62), (38, 62), (64, 64))
        ramp = (np.arange(16, dtype=np.float32) + 0.5) * 4  # working pixels
        found = grid.cut(np.tile(ramp, (1, 16, 1)))
        assert found.shape == (1, 10, 16)
        middles = (np.arange(16) + 0.5) * 62 / 16
        assert np.allclose(found[0, 0], np.maximum(middles, 2), atol=1e-4)
