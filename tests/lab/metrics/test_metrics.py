"""Scores of pictures and of sets, against hand-computed values and other libraries."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torchvision
from skimage.color import deltaE_ciede2000, rgb2lab
from torch import nn
from torchmetrics.functional.image import structural_similarity_index_measure
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from koalarize import color
from koalarize.errors import DependencyError, KoalarizeError, ModelError, OptionError
from koalarize.lab.metrics import perceptual
from koalarize.lab.metrics.definitions import ALL_METRICS, DEFAULT_METRICS, choose_metrics
from koalarize.lab.metrics.metrics import (
    Measured,
    article_ssim,
    colorfulness_abs,
    inverse_ssim,
    picture_scores,
    ssim,
)
from koalarize.lab.metrics.perceptual import FID, LPIPS
from koalarize.lab.metrics.tally import Tally, variety
from samples import empty_hub, photo

SINGLE = [name for name in ALL_METRICS if name not in ("lpips", "fid")]


@pytest.fixture
def no_weights(tmp_path: Path, monkeypatch) -> Path:
    return empty_hub(tmp_path, monkeypatch)


# -- one picture ------------------------------------------------------------------------------


def test_psnr_of_a_known_error():
    original = np.full((8, 8, 3), 100, np.uint8)
    assert picture_scores(original + 5, original)["psnr"] == pytest.approx(
        20 * math.log10(255 / 5), abs=1e-6
    )


def test_psnr_of_known_noise_and_sign():
    original = np.full((200, 200, 3), 128, np.uint8)
    noise = np.random.default_rng(0).normal(0, 10, original.shape)
    noisy = np.clip(np.rint(original + noise), 0, 255).astype(np.uint8)
    # Rounding adds 1/12 to the variance.
    wanted = 10 * math.log10(255**2 / (100 + 1 / 12))
    assert picture_scores(noisy, original)["psnr"] == pytest.approx(wanted, abs=0.05)
    assert picture_scores(original, noisy)["psnr"] == picture_scores(noisy, original)["psnr"]


def test_equal_pictures_have_infinite_psnr_and_the_same_colorfulness():
    scores = picture_scores(photo(), photo())
    assert scores["psnr"] == math.inf
    assert scores["colorfulness"] == scores["colorfulness_original"] == color.colorfulness(photo())


def test_pictures_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="`original` is"):
        picture_scores(photo(), photo()[:-1])


def test_identical_pictures_are_perfect():
    scores = picture_scores(photo(), photo(), ALL_METRICS)
    assert scores["psnr"] == scores["ab-psnr"] == math.inf
    assert scores["ssim"] == scores["ssim-a"] == scores["ssim-b"] == pytest.approx(1, abs=1e-6)
    assert scores["inverse-ssim"] == pytest.approx(0, abs=1e-6)
    assert scores["delta-e"] == 0


def direct_ssim(one: np.ndarray, other: np.ndarray, data_range: float) -> float:
    """Wang et al. 2004, equation 13, window by window in float64."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    scores = []
    for row in range(5, one.shape[0] - 5):
        for column in range(5, one.shape[1] - 5):
            part = np.s_[row - 5 : row + 6, column - 5 : column + 6]
            x, y = one[part].astype(float), other[part].astype(float)
            mx, my = (window * x).sum(), (window * y).sum()
            vx, vy = (window * (x - mx) ** 2).sum(), (window * (y - my) ** 2).sum()
            covariance = (window * (x - mx) * (y - my)).sum()
            scores.append(
                (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
            )
    return float(np.mean(scores))


def test_ssim_is_wangs():
    one, other = photo(1, (24, 18)), photo(2, (24, 18))
    wanted = np.mean([direct_ssim(one[..., i], other[..., i], 255) for i in range(3)])
    assert ssim(one, other, data_range=255) == pytest.approx(wanted, abs=1e-5)
    assert ssim(one[..., 0], other[..., 0], data_range=255) == pytest.approx(
        direct_ssim(one[..., 0], other[..., 0], 255), abs=1e-5
    )
    tensors = (torch.tensor(one / 255).permute(2, 0, 1)[None] for one in (one, other))
    # torchmetrics counts the border, too, reflected.
    assert float(structural_similarity_index_measure(*tensors, data_range=1.0)) == pytest.approx(
        wanted, abs=0.1
    )


def uniform_ssim(one: np.ndarray, other: np.ndarray) -> float:
    """SSIM in windows of 7 x 7 that count alike, covariances over n - 1, data range 2."""
    scores = []
    for x, y in zip(windows(one), windows(other), strict=True):
        (vx, covariance), (_, vy) = np.cov(x, y)
        size = (x.mean() ** 2 + y.mean() ** 2 + 0.02**2) * (vx + vy + 0.06**2)
        scores.append((2 * x.mean() * y.mean() + 0.02**2) * (2 * covariance + 0.06**2) / size)
    return float(np.mean(scores))


def windows(plane: np.ndarray) -> np.ndarray:
    views = np.lib.stride_tricks.sliding_window_view(plane.astype(np.float64), (7, 7))
    return views.reshape(-1, 49)


def test_inverse_ssim_is_article_as():
    one, other = photo(1, (24, 18)), photo(2, (24, 18))
    planes = [(color.srgb_to_lab(each)[..., 1:] + 128) / 255 for each in (one, other)]
    a, b = (uniform_ssim(planes[0][..., i], planes[1][..., i]) for i in range(2))
    gaussian = direct_ssim(planes[0][..., 0], planes[1][..., 0], 1.0)
    scores = picture_scores(one, other, ("inverse-ssim", "ssim-a"))
    assert scores == {
        "ssim-a": pytest.approx(gaussian, abs=1e-5),
        "inverse-ssim": pytest.approx(2 - a - b, abs=1e-5),
    }
    assert scores["inverse-ssim"] > 0.01
    assert article_ssim(planes[0][..., 0], planes[1][..., 0]) == pytest.approx(a, abs=1e-6)


def test_inverse_ssim_clips_what_a_network_answers():
    """As the article clips it: ab outside -128..127 score like those at the bounds."""
    lab = color.srgb_to_lab(photo(1, (24, 18)))
    beyond, bound, real = lab.copy(), lab.copy(), Measured(photo(2, (24, 18)))
    beyond[:12, :, 1:], bound[:12, :, 1:] = (300, -300), (127, -128)
    pixels = photo(1, (24, 18))
    found, expected = (inverse_ssim(Measured(pixels, each), real) for each in (beyond, bound))
    assert found == pytest.approx(expected, abs=1e-6)


def test_too_small_for_inverse_ssim():
    with pytest.raises(ValueError, match="18 x 6 but inverse SSIM needs at least 7"):
        article_ssim(np.zeros((6, 18)), np.zeros((6, 18)))


def test_delta_e_is_scikit_images():
    one, other = photo(1, (150, 120)), photo(2, (150, 120))  # more pixels than one chunk
    wanted = deltaE_ciede2000(rgb2lab(other), rgb2lab(one)).mean()
    assert picture_scores(one, other, ("delta-e",))["delta-e"] == pytest.approx(wanted, abs=1e-3)


def test_ab_psnr_of_a_known_error():
    lab = np.zeros((16, 16, 3), np.float32) + np.float32([60, 10, -10])
    one, other = (Measured(np.zeros((16, 16, 3), np.uint8)) for _ in range(2))
    one.lab, other.lab = lab, lab + np.float32([7, 3, 4])  # lightness does not count
    assert picture_scores(one, other, ("ab-psnr",))["ab-psnr"] == pytest.approx(
        10 * math.log10(255**2 / 12.5), abs=1e-4
    )


def test_colorfulness_of_signs():
    # Half red, half green: rg is 100 and -100, yb is 50 everywhere.
    picture = np.zeros((2, 2, 3), np.uint8)
    picture[0, :, 0] = picture[1, :, 1] = 100
    assert color.colorfulness(picture) == pytest.approx(100 + 0.3 * 50)
    assert colorfulness_abs(picture) == pytest.approx(0.3 * math.hypot(100, 50))


def test_too_small_for_ssim():
    with pytest.raises(ValueError, match="at least 11"):
        picture_scores(photo()[:10], photo()[:10], ("ssim",))
    assert picture_scores(photo()[:10], photo()[:10], ("psnr",)) == {"psnr": math.inf}


# -- sets -------------------------------------------------------------------------------------


def test_lpips_of_several_rivals_equals_the_library_one_by_one(no_weights: Path):
    torch.manual_seed(0)
    random = torchvision.models.squeezenet1_1(weights=None).state_dict()
    torch.save(random, no_weights / LPIPS.weights.file)
    rivals = 11  # more than one batch
    ours = LPIPS(rivals)
    theirs = [
        LearnedPerceptualImagePatchSimilarity(net_type="squeeze", normalize=True)
        for _ in range(rivals)
    ]
    for number, size in enumerate([(48, 40), (64, 64)]):
        original = photo(number, size)
        colored = [original, *(photo(100 + number + i, size) for i in range(rivals - 1))]
        ours.update(original, colored)
        for metric, picture in zip(theirs, colored, strict=True):
            metric.update(unit(picture), unit(original))
    scores = ours.compute()
    assert scores[0] == pytest.approx(0, abs=1e-9)
    assert scores == pytest.approx(
        [float(metric.compute()) for metric in theirs], rel=1e-3, abs=1e-9
    )
    assert min(scores[1:]) > 1e-5
    assert [np.mean(own) for own in ours.single()] == pytest.approx(scores, abs=1e-9)


def unit(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255


class TinyInception(nn.Module):
    """768 features of a picture: random projections of its 2 x 2 means."""

    num_features = 768

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("mix", torch.randn(12, 768, generator=generator))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        assert pictures.dtype == torch.uint8
        self.seen += len(pictures)
        pooled = nn.functional.adaptive_avg_pool2d(pictures.float() / 255, 2)
        return pooled.flatten(1) @ self.mix


def test_fid_of_several_rivals_equals_the_library_one_by_one(monkeypatch):
    network = TinyInception()
    monkeypatch.setattr(perceptual.Weights, "load", lambda *_: SimpleNamespace(inception=network))
    ours = FID(2)
    theirs = [FrechetInceptionDistance(feature=TinyInception()) for _ in range(2)]
    for number in range(5):
        original, other = photo(number), photo(50 + number)
        ours.update(original, [original, other])
        for metric, picture in zip(theirs, (original, other), strict=True):
            metric.update(byte(original), real=True)
            metric.update(byte(picture), real=False)
    scores = ours.compute()
    assert network.seen == 5 * 3  # the originals once, not once a rival
    assert scores == pytest.approx([float(metric.compute()) for metric in theirs], abs=1e-3)
    assert scores[0] == pytest.approx(0, abs=1e-3)
    assert scores[1] > 0.01
    assert ours.single() == [[], []]  # a picture alone has none


def byte(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]


@pytest.mark.parametrize("metric", [LPIPS, FID])
def test_missing_weights_say_what_to_do(metric, no_weights: Path):
    with pytest.raises(DependencyError) as caught:
        metric(1)
    text = str(caught.value)
    for part in (metric.weights.metric, metric.weights.url, "TORCH_HOME", str(no_weights)):
        assert part in text
    assert isinstance(caught.value, KoalarizeError)


@pytest.mark.parametrize("metric", [LPIPS, FID])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_damaged_weights_say_what_to_do(metric, content: bytes, no_weights: Path):
    (no_weights / metric.weights.file).write_bytes(content)
    with pytest.raises(ModelError, match=r"download .* again"):
        metric(1)


# -- a rival's tally ----------------------------------------------------------------------------


def flat(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((16, 16, 3), rgb, np.uint8)


def test_variety_of_four_corners():
    corners = [np.array(ab, float) for ab in [(3, 4), (-3, -4), (3, -4), (-3, 4)]]
    assert variety(corners) == pytest.approx(5)
    assert variety([corners[0] + 50] * 3) == 0


def test_one_colour_for_everything_has_no_variety():
    tally = Tally(["variety"])
    originals = [flat((200, 60, 60)), flat((60, 200, 60)), flat((60, 60, 200))]
    for original in originals:
        tally.add(flat((180, 140, 100)), Measured(original))
    assert tally.scores() == {"variety": 0}
    means = [color.srgb_to_lab(original)[..., 1:].mean((0, 1)) for original in originals]
    assert tally.originals() == {"variety": pytest.approx(variety(means), rel=1e-4)}
    assert tally.originals()["variety"] > 30


def test_delta_colorfulness_of_the_set_hides_what_pictures_show():
    tally = Tally(["delta-colorfulness"])
    vivid, dull = flat((200, 60, 60)), flat((130, 126, 126))
    tally.add(vivid, Measured(dull))
    tally.add(dull, Measured(vivid))
    assert tally.scores() == {"delta-colorfulness": pytest.approx(0)}
    gap = color.colorfulness(vivid) - color.colorfulness(dull)
    assert tally.beside() == {"delta_colorfulness_per_picture": pytest.approx(gap)}
    assert gap > 10


def test_inverse_ssim_keeps_sum_and_mean():
    tally = Tally(["inverse-ssim"])
    alone = []
    for seed in range(3):
        original, colored = photo(seed), photo(50 + seed)
        tally.add(colored, Measured(original))
        alone.append(picture_scores(colored, original, ["inverse-ssim"])["inverse-ssim"])
    assert tally.scores() == {"inverse-ssim": pytest.approx(sum(alone) / 3)}
    assert tally.beside() == {"inverse_ssim_sum": pytest.approx(sum(alone))}


def test_every_metric_but_the_networks_has_a_score():
    tally = Tally(ALL_METRICS)
    for seed in range(2):
        tally.add(photo(9 + seed), Measured(photo(seed)))
    assert sorted(tally.scores()) == sorted(SINGLE)
    assert set(tally.originals()) == {"colorfulness", "colorfulness-abs", "variety"}


# -- names ----------------------------------------------------------------------------------------


def test_metrics_by_name():
    assert choose_metrics(["fid", "psnr", "fid"]) == ["psnr", "fid"]
    assert choose_metrics(["all"]) == list(ALL_METRICS)
    assert set(DEFAULT_METRICS) < set(ALL_METRICS)
    with pytest.raises(OptionError, match="did you mean `delta-e`"):
        choose_metrics(["deltae"])
    with pytest.raises(OptionError, match="no metric"):
        choose_metrics([])


def test_metrics_say_what_computed_them():
    assert ALL_METRICS["delta-e"].backend.startswith("scikit-image 0.")
    assert ALL_METRICS["psnr"].backend.startswith("koalarize: ")
    assert ALL_METRICS["delta-e"].relative == "delta_e_of_grey"
    assert ALL_METRICS["ssim"].relative == "ssim_minus_grey"
