import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from koalarize import color
from koalarize.errors import ModelError, OptionError
from koalarize.lab.networks import NETWORKS, ClassifyingNetwork, Koala, KoalaConfig, UNetMini
from koalarize.lab.networks.encoders import BACKBONES
from koalarize.lab.runs.checkpoint import build_network
from koalarize.lab.runs.recipe import NetworkOptions
from koalarize.lab.training.initialise import load_encoder

# sum(p.numel() for p in fresh(name).parameters()); test_networks.py counts the articles' by layer
GOLDEN_PARAMETERS = {
    "cnn": 1_395_650,
    "koala": 5_367_172,
    "koala-net": 6_573_794,
    "unet": 7_762_498,
    "unet-mini": 618_530,
}
MOST_PARAMETERS = 16_000_000
MOST_FLOPS = 6.5e9


#: Network -> the options it is tested with where the defaults need a download.
OPTIONS = {
    "koala-net": {"extractor": "test_efficientnet", "pretrained": False, "extractor_size": 32}
}


def fresh(name):
    torch.manual_seed(0)
    return build_network(NetworkOptions(name, OPTIONS.get(name, {})))


@pytest.fixture(scope="module")
def networks():
    """Network name -> the network, in eval mode."""
    return {name: fresh(name).eval() for name in NETWORKS}


@pytest.fixture(scope="module")
def koala():
    torch.manual_seed(0)
    return Koala().eval()


@pytest.fixture(scope="module")
def unet_mini():
    torch.manual_seed(0)
    return UNetMini().eval()


def some_input(batch=1, height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 1, height, width, generator=generator) * 100


def input_of(network, batch, height, width):
    """Some input; height and width in strides, where the network leaves them free."""
    if network.fixed_size:
        return some_input(batch, network.fixed_size, network.fixed_size)
    return some_input(batch, height * network.stride, width * network.stride)


def hint_at(lightness, top=32, left=40, ab=(60.0, 40.0), side=6):
    planes = torch.zeros(len(lightness), 3, *lightness.shape[2:])
    patch = (..., slice(top, top + side), slice(left, left + side))
    for plane, value in enumerate((*ab, 1.0)):
        planes[:, plane][patch] = value
    return planes


class TestEveryNetwork:
    @pytest.mark.parametrize("name", NETWORKS)
    def test_parameters(self, name, networks):
        count = sum(parameter.numel() for parameter in networks[name].parameters())
        assert count == GOLDEN_PARAMETERS[name]
        assert count <= MOST_PARAMETERS

    @pytest.mark.parametrize("name", NETWORKS)
    @pytest.mark.parametrize(("batch", "height", "width"), [(1, 1, 1), (3, 1, 3), (2, 5, 2)])
    def test_shapes(self, name, batch, height, width, networks):
        network = networks[name]
        lightness = input_of(network, batch, height, width)
        with torch.inference_mode():
            ab = network(lightness)
            assert ab.shape == (batch, 2, *lightness.shape[2:])
            if isinstance(network, ClassifyingNetwork):
                grid = [side // 8 for side in lightness.shape[2:]]
                assert network.logits(lightness).shape == (batch, len(color.ab_bins()), *grid)
        assert ab.dtype == torch.float32
        assert torch.isfinite(ab).all()

    @pytest.mark.parametrize("name", NETWORKS)
    def test_the_pictures_of_a_batch_do_not_mix(self, name, networks):
        network = networks[name]
        lightness = input_of(network, 3, 2, 3)
        with torch.inference_mode():
            together, alone = network(lightness), network(lightness[1:2])
        assert torch.allclose(together[1], alone[0], atol=1e-3)

    @pytest.mark.parametrize("name", NETWORKS)
    def test_groups_hold_every_parameter_once(self, name, networks):
        network = networks[name]
        groups = network.parameter_groups(1e-3)
        held = [id(parameter) for group in groups for parameter in group["params"]]
        assert sorted(held) == sorted(id(parameter) for parameter in network.parameters())

    @pytest.mark.parametrize("name", NETWORKS)
    def test_a_side_that_it_does_not_take_is_an_error(self, name, networks):
        network = networks[name]
        side = network.fixed_size or 2 * network.stride
        with pytest.raises(RuntimeError, match="size"):
            network(some_input(1, side, side - 3))
        if network.fixed_size:
            with pytest.raises(RuntimeError, match=f"must be {side} x {side}"):
                network(some_input(1, side - 3, side))

    @pytest.mark.parametrize("name", NETWORKS)
    def test_it_declares_what_it_takes(self, name, networks):
        network = networks[name]
        strides = {"cnn": 1, "koala": 32, "koala-net": 8, "unet": 16, "unet-mini": 4}
        assert network.stride == strides[name]
        assert network.fixed_size == (128 if name == "cnn" else None)
        assert network.accepts_hints is (name == "koala")


class TestKoala:
    def test_flops(self, koala):
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            koala.logits(some_input(1, 256, 256))
        assert 2e9 < counter.get_total_flops() <= MOST_FLOPS

    def test_no_hints_equal_planes_of_zeros(self, koala):
        lightness = some_input()
        with torch.inference_mode():
            none = koala.logits(lightness)
            zero = koala.logits(lightness, torch.zeros(1, 3, *lightness.shape[2:]))
        assert torch.equal(none, zero)

    def test_training_mode_computes_the_same(self, koala):
        lightness = some_input(2)
        hints = hint_at(lightness)
        with torch.inference_mode():
            expected = koala.logits(lightness, hints)
            found = koala.train().logits(lightness, hints)
        koala.eval()
        assert torch.allclose(found, expected, atol=1e-5)

    def test_a_hint_changes_what_is_near(self, koala):
        lightness = some_input(1, 128, 128)
        with torch.inference_mode():
            plain = koala.logits(lightness)
            steered = koala.logits(lightness, hint_at(lightness, top=64, left=64))
        change = (steered - plain).abs().mean(dim=1)[0]
        assert change[8, 8] > 1e-4
        assert change[8, 8] > change.median()

    def test_the_place_of_a_hint_matters(self, koala):
        lightness = some_input(1, 128, 128)
        with torch.inference_mode():
            here = koala.logits(lightness, hint_at(lightness, top=16, left=16))
            there = koala.logits(lightness, hint_at(lightness, top=96, left=96))
        assert (here - there).abs().max() > 1e-4

    def test_what_the_picture_is_reaches_every_pixel(self, koala):
        """A change in one corner changes the opposite one: the context is global."""
        lightness = some_input(1, 256, 256)
        changed = lightness.clone()
        changed[..., :32, :32] = 0
        with torch.inference_mode():
            difference = (koala.logits(changed) - koala.logits(lightness))[0, :, -1, -1]
        assert difference.abs().max() > 0

    def test_it_normalises_inside_itself(self, koala):
        planes = []
        handle = koala.encoder.register_forward_pre_hook(lambda _, given: planes.append(given[0]))
        lightness = torch.tensor([0.0, 50.0, 100.0, 25.0]).repeat_interleave(32 * 32)
        lightness = lightness.reshape(1, 1, 128, 32)
        with torch.inference_mode():
            koala.logits(lightness, hint_at(lightness, top=0, left=0, ab=(110.0, -55.0), side=1))
        handle.remove()
        (seen,) = planes
        assert seen[0, 0, 16::32, 0].tolist() == [-1.0, 0.0, 1.0, -0.5]
        assert seen[0, 1:, 0, 0].tolist() == [1.0, -0.5, 1.0]

    def test_decoding_equals_that_of_the_engine(self, koala):
        logits = torch.randn(2, len(color.ab_bins()), 3, 5, generator=torch.manual_seed(0)) * 3
        assert np.allclose(
            koala.decode(logits).numpy(), color.decode_ab(logits.numpy(), temperature=1), atol=1e-3
        )

    def test_the_encoder_learns_more_slowly(self, koala):
        rest, encoder = koala.parameter_groups(1e-3)
        assert rest["lr"] == 1e-3
        assert encoder["lr"] == pytest.approx(2e-4)
        assert len(encoder["params"]) == len(list(koala.encoder.parameters()))

    @pytest.mark.parametrize("stages", [0, 1, 3])
    def test_frozen_stages_keep_their_weights(self, stages):
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8)), 0, frozen=stages)).train()
        before = {name: tensor.clone() for name, tensor in network.named_parameters()}
        optimizer = torch.optim.AdamW(network.parameter_groups(0.1), weight_decay=0.1)
        network.logits(some_input()).square().mean().backward()
        optimizer.step()
        frozen = {
            name for name, tensor in network.named_parameters() if torch.equal(tensor, before[name])
        }
        parts = tuple(f"encoder.stages.{number}." for number in range(stages))
        parts += ("encoder.stem.",) * bool(stages)
        expected = {name for name in before if parts and name.startswith(parts)}
        assert expected == {name for name in frozen if name.startswith("encoder.st")}

    @pytest.mark.parametrize(
        ("side", "row"),
        [(1, (1,)), (3, (1, 2, 1)), (4, (1, 8, 14, 8, 1)), (5, (1, 4, 6, 4, 1))],
    )
    def test_it_sees_blurred_lightness_and_sharp_hints(self, side, row):
        network = Koala(KoalaConfig(8, ((8, 8), (8, 8)), 0, blur=side)).eval()
        planes = []
        network.encoder.register_forward_pre_hook(lambda _, given: planes.append(given[0]))
        lightness = some_input(1, 32, 64)
        hints = hint_at(lightness)
        with torch.inference_mode():
            network.logits(lightness, hints)
        padded = np.pad(lightness[0, 0].numpy(), side // 2, mode="edge")
        weights = np.array(row) / sum(row)
        rows = np.apply_along_axis(np.convolve, 0, padded, weights, "valid")
        smooth = np.apply_along_axis(np.convolve, 1, rows, weights, "valid")
        (seen,) = planes
        np.testing.assert_allclose(seen[0, 0].numpy(), smooth / 50 - 1, atol=1e-5)
        assert torch.equal(seen[:, 3], hints[:, 2])

    def test_a_blur_of_another_side_is_an_error(self):
        with pytest.raises(OptionError, match=r"`blur` is 2 but must be one of \(1, 3, 4, 5\)"):
            KoalaConfig(blur=2)

    def test_more_frozen_stages_than_there_are_is_an_error(self):
        with pytest.raises(OptionError, match="from 0 to 7 stages"):
            KoalaConfig(frozen=8)

    def test_options_are_its_configuration(self):
        options = {"context": 64, "widths": [[32, 32], [32, 32], [32, 16]]}
        network = build_network(NetworkOptions("koala", options))
        assert network.head.in_channels == 16
        assert network.deepest.out_channels == 64
        with torch.inference_mode():
            assert network.logits(some_input()).shape[1] == len(color.ab_bins())

    @pytest.mark.parametrize(("pairs", "side"), [(2, 8), (3, 4)])
    def test_pairs_of_widths_say_the_grid_of_the_answer(self, pairs, side):
        options = {"context": 64, "widths": [[32, 16]] * pairs}
        network = build_network(NetworkOptions("koala", options))
        lightness = some_input(1, 64, 96)
        with torch.inference_mode():
            plain = network.logits(lightness)
            steered = network.logits(lightness, hint_at(lightness, top=32, left=48))
        assert plain.shape == (1, len(color.ab_bins()), 64 // side, 96 // side)
        change = (steered - plain).abs().mean(dim=1)[0]
        assert change[32 // side, 48 // side] > change.median()

    @pytest.mark.parametrize("pairs", [1, 4])
    def test_other_numbers_of_widths_are_an_error(self, pairs):
        options = {"widths": [[32, 32]] * pairs}
        with pytest.raises(OptionError, match=r"must have 2 .* or 3"):
            build_network(NetworkOptions("koala", options))


class TestUNetMini:
    def test_chroma_of_both_signs(self, unet_mini):
        with torch.inference_mode():
            unet_mini.head.bias.fill_(-0.5)
            low = unet_mini(some_input())
            unet_mini.head.bias.fill_(0.5)
            high = unet_mini(some_input())
        assert low.max() < 0 < high.min()
        assert torch.allclose(high - low, torch.tensor(127.5), atol=1e-3)

    def test_hints_are_not_used(self, unet_mini):
        lightness = some_input()
        with torch.inference_mode():
            assert torch.equal(unet_mini(lightness), unet_mini(lightness, hint_at(lightness)))

    def test_dropout_only_while_training(self, unet_mini):
        lightness = some_input()
        with torch.inference_mode():
            assert torch.equal(unet_mini(lightness), unet_mini(lightness))
            unet_mini.train()
            assert not torch.equal(unet_mini(lightness), unet_mini(lightness))
        unet_mini.eval()


@pytest.fixture(scope="module", params=["mobilenetv2_100", "tf_efficientnet_lite1"])
def backbone(request):
    return request.param


@pytest.fixture(scope="module")
def timm_network(backbone):
    timm = pytest.importorskip("timm")
    network = timm.create_model(backbone, pretrained=False, pad_type="same")
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            with torch.no_grad():
                for statistic, low, high in (
                    (module.running_mean, -0.3, 0.3),
                    (module.running_var, 0.5, 2.0),
                    (module.weight, 0.7, 1.5),
                    (module.bias, -0.2, 0.4),
                ):
                    statistic.copy_(
                        torch.rand(statistic.shape, generator=generator) * (high - low) + low
                    )
    return network.eval()


@pytest.fixture(scope="module")
def timm_path(backbone, timm_network, tmp_path_factory):
    from safetensors.torch import save_file

    path = tmp_path_factory.mktemp("timm") / f"{backbone}.safetensors"
    save_file(timm_network.state_dict(), path)
    return path


class TestInitialise:
    @pytest.mark.parametrize("shape", [(64, 64), (96, 160)])
    def test_features_equal_those_of_timm(self, backbone, timm_network, timm_path, shape):
        encoder = Koala(KoalaConfig(backbone=backbone)).eval().encoder
        load_encoder(encoder, timm_path)
        grey = torch.rand(2, 1, *shape, generator=torch.Generator().manual_seed(2)) * 2 - 1
        planes = torch.cat([grey, torch.randn(2, 3, *shape)], dim=1)  # hints start without effect
        with torch.inference_mode():
            _, pooled = encoder(planes)
            expected = timm_network.forward_head(
                timm_network.forward_features(grey.expand(-1, 3, -1, -1)), pre_logits=True
            )
        assert expected.std() > 0.05  # the comparison says something
        assert torch.allclose(pooled, expected, atol=1e-4, rtol=1e-4)

    @pytest.mark.parametrize("shape", [(64, 64), (96, 160)])
    def test_training_sees_the_same(self, backbone, shape):
        encoder = Koala(KoalaConfig(backbone=backbone)).encoder
        planes = torch.randn(1, 4, *shape, generator=torch.Generator().manual_seed(3))
        with torch.inference_mode():
            grids, pooled = encoder.train()(planes)
            others, other = encoder.eval()(planes)
        for grid, expected in zip([*grids, pooled], [*others, other], strict=True):
            torch.testing.assert_close(grid, expected, atol=1e-4, rtol=1e-4)

    def test_errors(self, backbone, timm_path, tmp_path):
        from safetensors.torch import load_file, save_file

        encoder = Koala(KoalaConfig(backbone=backbone)).encoder
        with pytest.raises(ModelError, match="cannot be read"):
            load_encoder(encoder, tmp_path / "no.safetensors")
        (tmp_path / "text.safetensors").write_text("hello, this is text")
        with pytest.raises(ModelError, match="cannot be read as safetensors"):
            load_encoder(encoder, tmp_path / "text.safetensors")
        state = load_file(timm_path)
        del state["blocks.3.2.bn2.weight"]
        save_file(state, tmp_path / "part.safetensors")
        with pytest.raises(ModelError, match=r"lacks `blocks\.3\.2\.bn2\.weight`"):
            load_encoder(encoder, tmp_path / "part.safetensors")
        another = next(name for name in BACKBONES if name != backbone)
        with pytest.raises(ModelError, match=f"lacks|give timm's {another}"):
            load_encoder(Koala(KoalaConfig(backbone=another)).encoder, timm_path)
        state = load_file(timm_path)
        state["conv_head.weight"] = state["conv_head.weight"][:, :100].contiguous()
        save_file(state, tmp_path / "other.safetensors")
        with pytest.raises(ModelError, match="of another size"):
            load_encoder(encoder, tmp_path / "other.safetensors")
