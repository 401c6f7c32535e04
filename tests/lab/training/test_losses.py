"""Losses: definitions, references outside, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from koalarize import color
from koalarize.errors import OptionError
from koalarize.lab.training import losses


class TestBinWeights:
    @pytest.mark.parametrize("uniform", [0.0, 3.0])
    def test_no_bin_weighs_without_bound(self, uniform):
        share = np.array([0.0, 0.4, 0.6])
        with pytest.raises(OptionError, match=rf"`loss\.uniform` is {uniform} but must be above 0"):
            losses.bin_weights(share, uniform=uniform, power=0.5)
        assert losses.bin_weights(share, uniform=0.0, power=0).tolist() == [1, 1, 1]
        assert losses.bin_weights(np.array([0.4, 0.6]), uniform=0.0, power=1).isfinite().all()

    @pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
    @pytest.mark.parametrize("uniform", [0.1, 0.5, 1.0])
    def test_mean_over_the_data_is_one(self, uniform, power):
        share = np.random.default_rng(0).dirichlet(np.full(260, 0.1))
        weights = losses.bin_weights(share, uniform=uniform, power=power)
        assert float((weights * torch.tensor(share)).sum()) == pytest.approx(1, abs=1e-5)
        if power == 0 or uniform == 1:
            assert torch.allclose(weights, torch.ones(260))
        else:
            assert weights[share.argmax()] == weights.min() < 1
            assert weights[share.argmin()] == weights.max() > 1

    def test_shares_of_pictures(self):
        from koalarize.lab.datasets.sources import Pictures

        flat = np.full((30, 30, 3), (200, 30, 30), np.uint8)
        shares = losses.bin_shares(
            Pictures([flat, np.full((30, 30, 3), 90, np.uint8)]), color.default_bins()
        )
        assert shares.shape == (len(color.ab_bins()),)
        assert shares.sum() == pytest.approx(1)
        red = color.encode_ab(color.srgb_to_lab(flat)[0, 0, 1:])[0][0]
        grey = color.encode_ab(np.zeros(2, np.float32))[0][0]
        assert set(np.argsort(shares)[-2:]) == {red, grey}


def dense_cross_entropy(logits, ab, weights):
    """The loss as the paper writes it, over the full table of soft targets."""
    batch, bins, height, width = logits.shape
    grid = ab.reshape(batch, 2, height, ab.shape[2] // height, width, -1).mean(dim=(3, 5))
    whole = grid.round().permute(0, 2, 3, 1).reshape(-1, 2)
    numbers, shares = color.encode_ab(whole.numpy())
    target = torch.zeros(len(whole), bins, dtype=logits.dtype)
    rows = torch.arange(len(whole))[:, None]
    target[rows, torch.from_numpy(numbers).long()] = torch.from_numpy(shares).to(logits.dtype)
    log_chance = torch.log_softmax(logits.permute(0, 2, 3, 1).reshape(-1, bins), dim=1)
    rarity = weights[torch.from_numpy(numbers[:, 0]).long()].to(logits.dtype)
    return -(rarity * (target * log_chance).sum(1)).mean()


class TestRebalancedCrossEntropy:
    def example(self, seed=0):
        rng = np.random.default_rng(seed)
        bins = len(color.ab_bins())
        logits = torch.tensor(rng.normal(0, 2, (2, bins, 3, 5)), dtype=torch.float32)
        ab = torch.tensor(rng.uniform(-60, 60, (2, 2, 12, 20)), dtype=torch.float32)
        weights = torch.tensor(rng.uniform(0.2, 3, bins), dtype=torch.float32)
        return logits, ab, weights

    def test_equals_the_dense_form_and_so_does_its_gradient(self, monkeypatch):
        monkeypatch.setattr(losses, "_CPU_ROWS", 7)  # so that there are several pieces
        logits, ab, weights = self.example()
        logits.requires_grad_()
        exact = logits.detach().double().requires_grad_()
        loss = losses.rebalanced_cross_entropy(logits, ab, weights)
        expected = dense_cross_entropy(exact, ab, weights)
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        (loss * 3).backward()
        (expected * 3).backward()
        assert torch.allclose(logits.grad.double(), exact.grad, rtol=1e-4, atol=1e-7)

    def test_gradient_by_finite_differences(self):
        logits, ab, weights = self.example(1)
        logits.requires_grad_()
        losses.rebalanced_cross_entropy(logits, ab, weights).backward()
        direction = logits.grad / logits.grad.norm()
        with torch.no_grad():
            up, down = (
                losses.rebalanced_cross_entropy(logits + step * direction, ab, weights)
                for step in (0.5, -0.5)
            )
        assert float(up - down) == pytest.approx(float(logits.grad.norm()), rel=0.02)

    def test_without_rebalancing_it_is_plain_cross_entropy(self):
        logits, ab, _ = self.example()
        share = np.full(logits.shape[1], 1 / logits.shape[1])
        weights = losses.bin_weights(share, uniform=0.5, power=0)
        numbers, shares = losses.soft_bins(
            torch.nn.functional.avg_pool2d(ab, 4).permute(0, 2, 3, 1).reshape(-1, 2)
        )
        target = torch.zeros(len(numbers), logits.shape[1]).scatter_(1, numbers, shares)
        rows = logits.permute(0, 2, 3, 1).reshape(-1, logits.shape[1])
        expected = torch.nn.functional.cross_entropy(rows, target)
        found = losses.rebalanced_cross_entropy(logits, ab, weights)
        assert float(found) == pytest.approx(float(expected), rel=1e-5)

    def test_certain_and_wrong_is_finite(self):
        logits, ab, weights = self.example()
        logits = (logits * 1e4).requires_grad_()
        loss = losses.rebalanced_cross_entropy(logits, ab, weights)
        loss.backward()
        assert torch.isfinite(loss)
        assert torch.isfinite(logits.grad).all()

    def test_colors_beyond_the_table_count_as_its_edge(self):
        numbers, shares = losses.soft_bins(torch.tensor([[-300.0, 300.0], [-128.0, 127.0]]))
        assert torch.equal(numbers[0], numbers[1])
        assert torch.equal(shares[0], shares[1])

    def test_low_precision(self):
        logits, ab, weights = self.example()
        rough = logits.bfloat16().requires_grad_()
        loss = losses.rebalanced_cross_entropy(rough, ab, weights)
        loss.backward()
        assert loss.dtype == torch.float32
        assert rough.grad.dtype == torch.bfloat16
        expected = losses.rebalanced_cross_entropy(logits, ab, weights)
        assert loss.item() == pytest.approx(expected.item(), rel=0.01)


class TestDistillation:
    def example(self):
        rng = np.random.default_rng(3)
        return (torch.tensor(rng.normal(0, 2, (2, 9, 3, 5)), dtype=torch.float32) for _ in "ab")

    def test_equals_torchs_divergence_and_so_does_its_gradient(self, monkeypatch):
        monkeypatch.setattr(losses, "_CPU_ROWS", 7)  # so that there are several pieces
        logits, teacher = self.example()
        logits.requires_grad_()
        found = losses.distillation(logits, teacher)
        rows = [torch.log_softmax(part, 1).permute(0, 2, 3, 1) for part in (logits, teacher)]
        expected = torch.nn.functional.kl_div(
            *(part.reshape(-1, 9) for part in rows), reduction="batchmean", log_target=True
        )
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)
        ours, theirs = (torch.autograd.grad(loss, logits)[0] for loss in (found, expected))
        torch.testing.assert_close(ours, theirs)

    def test_who_agrees_loses_nothing(self):
        logits, _ = self.example()
        assert losses.distillation(logits, logits + 5).item() == pytest.approx(0, abs=1e-6)


def planes(seed=0, shape=(2, 2, 24, 31)):
    rng = np.random.default_rng(seed)
    ab = torch.tensor(rng.normal(0, 30, shape), dtype=torch.float32)
    return ab, ab + torch.tensor(rng.normal(0, 20, shape), dtype=torch.float32)


class TestErrors:
    def test_mean_squared_error(self):
        ab = torch.tensor([[[[10.0]], [[-20.0]]]])
        target = torch.tensor([[[[10.0]], [[-20.0 + 127.5]]]])
        assert float(losses.mean_squared_error(ab, target)) == pytest.approx(0.5)
        assert float(losses.mean_squared_error(ab, ab)) == 0

    def test_mean_absolute_error(self):
        ab = torch.tensor([[[[10.0]], [[-20.0]]]])
        target = torch.tensor([[[[10.0 - 255]], [[-20.0 + 127.5]]]])
        assert float(losses.mean_absolute_error(ab, target)) == pytest.approx(1.5)
        assert float(losses.mean_absolute_error(ab, ab)) == 0

    def test_half_precision_of_a_network_is_compared_in_full(self):
        ab, target = planes()
        rough = ab.bfloat16()
        for loss in (losses.mean_squared_error, losses.mean_absolute_error):
            assert loss(rough, target).dtype == torch.float32
            assert float(loss(rough, target)) == pytest.approx(float(loss(ab, target)), rel=0.01)


def zero_padded_ssim(one, two, *, inside=False):
    """SSIM of planes (B, 2, H, W) on [-1, 1], window by window; the edge is padded with zeros."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.5**2))
    window /= window.sum()

    def smoothed(planes):
        padded = np.pad(planes, ((0, 0), (0, 0), (5, 5), (5, 5)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (11, 11), axis=(2, 3))
        return np.einsum("bchwij,ij->bchw", views, window)

    m1, m2 = smoothed(one), smoothed(two)
    v1, v2 = smoothed(one**2) - m1**2, smoothed(two**2) - m2**2
    both = smoothed(one * two) - m1 * m2
    c1, c2 = 0.0001, 0.0009
    whole = (2 * m1 * m2 + c1) * (2 * both + c2) / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2))
    return float((whole[..., 5:-5, 5:-5] if inside else whole).mean())


class TestStructuralSimilarity:
    @pytest.mark.parametrize("shape", [(2, 2, 24, 31), (1, 2, 11, 11), (1, 2, 11, 40)])
    def test_equals_the_second_article_s_library(self, shape):
        ab, target = planes(3, shape)
        found = 1 - float(losses.structural_similarity_loss(ab, target))
        expected = zero_padded_ssim(*(part.double().numpy() / 127.5 for part in (ab, target)))
        assert found == pytest.approx(expected, abs=1e-5)

    def test_the_inside_of_a_picture_equals_scikit_image(self):
        from skimage.metrics import structural_similarity

        ab, target = planes(4, (1, 2, 40, 40))
        one, two = (part[0].double().numpy() / 127.5 for part in (ab, target))
        options = {"data_range": 1, "gaussian_weights": True, "use_sample_covariance": False}
        _, whole = structural_similarity(one, two, channel_axis=0, full=True, **options)
        inside = zero_padded_ssim(one[None], two[None], inside=True)
        assert inside == pytest.approx(whole[:, 5:-5, 5:-5].mean(), abs=1e-9)

    def test_range(self):
        ab, target = planes()
        assert float(losses.structural_similarity_loss(ab, ab)) == pytest.approx(0, abs=1e-6)
        noisy = float(losses.structural_similarity_loss(ab, target))
        worse = float(losses.structural_similarity_loss(ab, ab + 3 * (target - ab)))
        assert 0 < noisy < worse < 2
        flat = torch.full_like(ab, 20.0)
        assert float(losses.structural_similarity_loss(flat, flat)) == pytest.approx(0, abs=1e-5)

    def test_gradient(self):
        ab, target = planes(1, (1, 2, 12, 13))
        ab, target = ab.double(), target.double()
        ab.requires_grad_()
        losses.structural_similarity_loss(ab, target).backward()
        direction = ab.grad / ab.grad.norm()
        with torch.no_grad():
            up, down = (
                losses.structural_similarity_loss(ab + step * direction, target)
                for step in (0.5, -0.5)
            )
        assert float(up - down) == pytest.approx(float(ab.grad.norm()), rel=0.02)

    def test_autocast_does_not_touch_it(self):
        ab, target = planes()
        with torch.autocast("cpu", torch.bfloat16):
            found = losses.structural_similarity_loss(ab, target)
        assert torch.equal(found, losses.structural_similarity_loss(ab, target))


class TestCombined:
    @pytest.mark.parametrize("weights", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 2, 3)])
    def test_it_is_the_weighted_sum(self, weights):
        ab, target = planes(5)
        parts = (
            losses.mean_absolute_error(ab, target),
            losses.mean_squared_error(ab, target),
            losses.structural_similarity_loss(ab, target),
        )
        expected = sum(weight * float(part) for weight, part in zip(weights, parts, strict=True))
        alpha, beta, gamma = weights
        found = losses.combined_loss(ab, target, alpha=alpha, beta=beta, gamma=gamma)
        assert float(found) == pytest.approx(expected, rel=1e-5)

    def test_without_similarity_no_window_need_fit(self):
        ab, target = planes(6, (1, 2, 4, 4))
        assert float(losses.combined_loss(ab, target, alpha=1, beta=1, gamma=0)) > 0
