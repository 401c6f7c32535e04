"""The articles' networks: their layers, their beginnings, and the frozen extractor."""

import copy
import itertools
import json
import shutil
from itertools import pairwise

import numpy as np
import onnx
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from koalarize import color
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.engine import METADATA_KEY
from koalarize.errors import DependencyError, ModelError, OptionError
from koalarize.lab.export.export import export
from koalarize.lab.networks import CNN, KoalaNet, UNet, UNetMini
from koalarize.lab.networks.cnn import CNNConfig
from koalarize.lab.networks.extractor import ExtractorConfig, build_extractor, grey_of_lightness
from koalarize.lab.networks.init import InitConfig, initialise
from koalarize.lab.networks.koala_net import KoalaNetConfig
from koalarize.lab.networks.unet import UNetConfig
from koalarize.lab.networks.unet_mini import UNetMiniConfig
from koalarize.lab.training.checkpoint import build_network, load_checkpoint, save_checkpoint
from koalarize.lab.training.recipe import LossOptions, NetworkOptions, Recipe, build

TINY = {"extractor": "test_efficientnet", "pretrained": False, "extractor_size": 32}


def tiny(**options):
    torch.manual_seed(0)
    return KoalaNet(KoalaNetConfig(**{**TINY, **options}))


def some_input(batch=1, height=64, width=96, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 1, height, width, generator=generator) * 100


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def convolution(before, after, side=3, bias=True):
    return before * after * side * side + after * bias


def layers_of(network, *kinds):
    return [module for module in network.modules() if isinstance(module, kinds)]


def recipe(name, options, size=64):
    return Recipe(
        name=f"my-{name}",
        network=NetworkOptions(name, options),
        loss=LossOptions("mse"),
        size=size,
    )


def saved(path, name, options, size=64):
    torch.manual_seed(3)
    made = recipe(name, options, size)
    save_checkpoint(path, build_network(made.network).state_dict(), made, {"steps": 1})
    return path


#: The first article's small U-Net: (channels in, channels out) of each block's two convolutions.
ARTICLE_UNET_MINI = (
    ((1, 32), (32, 32)),
    ((32, 64), (64, 64)),
    ((64, 128), (128, 128)),
    ((64 + 128, 128), (128, 64)),
    ((32 + 64, 32), (32, 32)),
)


class ArticleUNetMini(nn.Module):
    """The small U-Net built from the table; takes L and gives ab on the scale from -1 to 1."""

    def __init__(self):
        super().__init__()
        table = itertools.chain(*ARTICLE_UNET_MINI)
        self.layers = nn.ModuleList(nn.Conv2d(*both, 3, padding=1) for both in table)
        self.layers.append(nn.Conv2d(32, 2, 1))

    def block(self, number, grid):
        for layer in self.layers[2 * number : 2 * number + 2]:
            grid = layer(grid).clamp_min(0)  # dropout does nothing outside training
        return grid

    def forward(self, scaled):
        skips = []
        for number in (0, 1):
            skips.append(self.block(number, scaled))
            scaled = nn.functional.max_pool2d(skips[-1], 2)
        scaled = self.block(2, scaled)
        for number in (3, 4):
            wide = scaled.repeat_interleave(2, -2).repeat_interleave(2, -1)
            scaled = self.block(number, torch.cat([wide, skips.pop()], 1))
        return self.layers[-1](scaled)


class TestLayers:
    """Counts and kinds of layers against the articles' own lists."""

    def test_cnn(self):
        network = CNN()
        channels = (1, 64, 128, 256, 256, 128, 64, 2)
        expected = sum(map(convolution, channels[:-1], channels[1:]))
        expected += 128 * 256 + 256 + 256 * 128 + 128
        assert count(network) == expected == 1_395_650
        assert len(layers_of(network, nn.Conv2d, nn.Linear)) == 9
        kinds = [type(m).__name__ for m in (*network.convolutions, *network.rows)]
        assert kinds == ["Conv2d", "LeakyReLU"] * 7 + ["Linear", "LeakyReLU", "Linear", "Tanh"]

    def test_unet(self):
        network = UNet()
        widths = (32, 64, 128, 256, 512)

        def block(before, after):
            both = convolution(before, after, bias=False) + convolution(after, after, bias=False)
            return both + 2 * 2 * after  # scale and shift of two batch norms

        expected = sum(map(block, (1, *widths[:-1]), widths))
        for after, before in pairwise(widths):
            expected += convolution(before, after, 2) + block(2 * after, after)
        assert count(network) == expected + convolution(32, 2, 1)
        # mateuszbuda/brain-segmentation-pytorch: 7,763,041 with 3 channels in and 1 out
        assert count(network) == 7_763_041 - 2 * 32 * 9 + (32 + 1) == 7_762_498
        assert len(layers_of(network, nn.BatchNorm2d)) == 18
        assert not [m for m in layers_of(network, nn.Conv2d) if m.bias is not None][:-1]

    def test_koala_net(self):
        network = tiny()
        encoder = (1, 64, 128, 128, 256, 256, 512, 512, 256)
        decoder = (256, 128, 64, 64, 32, 2)
        expected = sum(map(convolution, encoder[:-1], encoder[1:]))
        expected += convolution(256 + 1000, 256, 1)
        expected += sum(map(convolution, decoder[:-1], decoder[1:]))
        assert count(network) == expected == 6_573_794  # the extractor is no part
        strides = [m.stride[0] for m in layers_of(network.encoder, nn.Conv2d)]
        assert strides == [2, 1, 2, 1, 2, 1, 1, 1]

    def test_unet_mini(self):
        channels = [
            (layer.in_channels, layer.out_channels) for layer in layers_of(UNetMini(), nn.Conv2d)
        ]
        assert channels == [*itertools.chain(*ARTICLE_UNET_MINI), (32, 2)]
        expected = sum(convolution(*both) for both in channels[:-1]) + convolution(32, 2, 1)
        assert count(UNetMini()) == expected == 618_530
        dropouts = layers_of(UNetMini(), nn.Dropout)
        assert [m.p for m in dropouts] == [0.2] * 5

    def test_unet_mini_computes_what_the_article_does(self):
        torch.manual_seed(0)
        ours, theirs = UNetMini().eval(), ArticleUNetMini()
        for layer, other in zip(layers_of(ours, nn.Conv2d), theirs.layers, strict=True):
            other.load_state_dict(layer.state_dict())
        lightness = some_input(2, 24, 36)
        with torch.inference_mode():
            scaled = theirs(2 * lightness / 100 - 1)
            wanted = -128 + (scaled + 1) / 2 * (127 + 128)
            torch.testing.assert_close(ours(lightness), wanted)

    def test_pooled_features_are_as_wide_as_the_extractor_says(self):
        network = tiny(features="pooled")
        assert network.extractor.features == 256  # of timm's test_efficientnet
        assert network.fusion.in_channels == 256 + 256
        assert network.extractor(some_input(2)).shape == (2, 256)
        assert tiny().extractor(some_input(2)).shape == (2, 1000)


class TestRange:
    """What reaches the first layer and what leaves the last one, in Lab units."""

    @pytest.mark.parametrize(
        ("network", "first", "low", "high"),
        [
            (CNN(CNNConfig(width=16)), "convolutions.0", 0, 1),
            (UNet(UNetConfig(init_features=2)), "down.0.0", -1, 1),
            (UNetMini(), "down1.0", -1, 1),
            (tiny(), "encoder.0", -1, 1),
        ],
        ids=["cnn", "unet", "unet-mini", "koala-net"],
    )
    def test_it_normalises_inside_itself(self, network, first, low, high):
        seen = []
        hook = network.get_submodule(first).register_forward_pre_hook(
            lambda _, given: seen.append(given[0])
        )
        ramp = torch.linspace(0, 100, 256).reshape(1, 1, 16, 16)
        with torch.inference_mode():
            network.eval()(ramp)
        hook.remove()
        assert seen[0].min() == pytest.approx(low, abs=1e-6)
        assert seen[0].max() == pytest.approx(high, abs=1e-6)

    @pytest.mark.parametrize(
        ("network", "last", "low", "high"),
        [
            (CNN(CNNConfig(width=16)), "rows.2", -128, 128),
            (UNet(UNetConfig(init_features=2, head="tanh")), "head", -128, 127),
            (tiny(), "decoder.10", -128, 127),
        ],
        ids=["cnn", "unet", "koala-net"],
    )
    def test_tanh_gives_the_whole_range_of_both_signs(self, network, last, low, high):
        layer = network.get_submodule(last)
        found = []
        for bias in (-50.0, 0.0, 50.0):
            with torch.no_grad():
                layer.weight.zero_()
                layer.bias.fill_(bias)
                found.append(network.eval()(some_input(1, 16, 16)).mean().item())
        assert found == pytest.approx([low, (low + high) / 2, high], abs=1e-3)

    def test_a_linear_head_is_not_bounded(self):
        network = UNet(UNetConfig(init_features=2)).eval()
        with torch.no_grad():
            network.head.weight.zero_()
            network.head.bias.fill_(-2.0)
            assert network(some_input(1, 16, 16)).mean().item() == pytest.approx(-255.5)

    def test_the_linear_layers_of_cnn_act_on_the_width(self):
        network = CNN(CNNConfig(width=16)).eval()
        lightness = some_input(1, 16, 16)
        changed = lightness.clone()
        changed[..., 2, 0] += 30
        with torch.inference_mode():
            difference = (network(changed) - network(lightness)).abs().amax(dim=(0, 1))
        assert difference[2, 15] > 0  # from one end of the row to the other
        assert difference[10:].max() == 0  # seven convolutions reach seven rows, no further

    def test_batch_norm_follows_the_pictures_only_while_training(self):
        network = UNet(UNetConfig(init_features=2))
        before = network.bottom[1].running_mean.clone()
        network.eval()(some_input(1, 32, 32))
        assert torch.equal(network.bottom[1].running_mean, before)
        network.train()(some_input(1, 32, 32))
        assert not torch.equal(network.bottom[1].running_mean, before)


class TestInitialisation:
    def test_zero_never_teaches_a_convolution_s_weight(self):
        """What the second article's option does, and why it is not the default."""
        network = CNN(CNNConfig(width=16, init="constant", init_value=0))
        optimizer = torch.optim.Adam(network.parameters(), 1e-2)
        start = copy.deepcopy(network.state_dict())
        for step in range(3):
            optimizer.zero_grad()
            (network(some_input(2, 16, 16, step)) - 40).square().mean().backward()
            optimizer.step()
        changed = {name for name, now in network.state_dict().items() if (now != start[name]).any()}
        linear = {f"rows.{number}.{part}" for number in (0, 2) for part in ("weight", "bias")}
        assert changed == linear | {"convolutions.12.bias"}
        with torch.inference_mode():
            one, other = network(some_input(2, 16, 16))
        assert torch.equal(one, other)

    def test_the_constant_is_the_convolutions_only(self):
        networks = []
        for init in ("default", "constant"):
            torch.manual_seed(4)
            networks.append(CNN(CNNConfig(width=16, init=init, init_value=0)))
        kept, changed = networks
        for one, other in zip(*(layers_of(n, nn.Linear) for n in networks), strict=True):
            assert torch.equal(one.weight, other.weight)
            assert torch.equal(one.bias, other.bias)
        for layer in layers_of(changed, nn.Conv2d):
            assert not layer.weight.any()
            assert not layer.bias.any()
        assert kept.convolutions[0].weight.std() > 0
        double = nn.ConvTranspose2d(2, 2, 2)
        before = double.weight.clone()
        initialise(double, InitConfig(init="constant", init_value=0))
        assert torch.equal(double.weight, before)

    def test_a_constant_keeps_channels_alike(self):
        network = CNN(CNNConfig(width=16, init="constant", init_value=5e-4))
        network(some_input(2, 16, 16)).square().mean().backward()
        gradient = network.convolutions[2].weight.grad
        assert gradient.abs().max() > 0
        assert torch.allclose(gradient, gradient[:1, :1].expand_as(gradient), rtol=1e-4)

    @pytest.mark.parametrize(
        "make",
        [
            lambda **init: CNN(CNNConfig(**init)),
            lambda **init: UNet(UNetConfig(init_features=16, **init)),
            lambda **init: UNetMini(UNetMiniConfig(**init)),
            lambda **init: tiny(**init),
        ],
        ids=["cnn", "unet", "unet-mini", "koala-net"],
    )
    def test_normal(self, make):
        torch.manual_seed(1)
        network = make(init="normal", init_value=0.05)
        layers = layers_of(network, nn.Conv2d, nn.Linear, nn.ConvTranspose2d)
        weights = torch.cat([layer.weight.flatten() for layer in layers])
        assert weights.std().item() == pytest.approx(0.05, rel=0.02)
        assert all((layer.bias == 0).all() for layer in layers if layer.bias is not None)
        assert all((norm.weight == 1).all() for norm in layers_of(network, nn.BatchNorm2d))

    def test_the_extractor_is_left_alone(self):
        network = tiny(init="constant", init_value=0)
        assert network.extractor.sha256 == tiny().extractor.sha256
        assert any(weight.std() > 0 for weight in network.extractor.parameters())

    def test_the_default_is_torchs(self):
        torch.manual_seed(5)
        layer = nn.Linear(4, 4)
        before = layer.weight.clone()
        initialise(layer, InitConfig())
        assert torch.equal(layer.weight, before)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"init": "normla"}, "did you mean `normal`"),
            ({"init": "normal", "init_value": 0}, "must be above 0 as a standard deviation"),
            ({"init": "constant", "init_value": float("nan")}, "must be a finite number"),
        ],
    )
    def test_errors(self, options, message):
        with pytest.raises(OptionError, match=message):
            InitConfig(**options)


class TestOptions:
    def test_from_a_recipe(self):
        config = build(
            KoalaNetConfig,
            {
                "extractor": "mobilenetv2_100",
                "extractor_kwargs": {"pad_type": "same"},
                "mean": [0.5, 0.5, 0.5],
                "std": [0.5, 0.5, 0.5],
                "init": "normal",
            },
            "network.options",
        )
        assert config.extractor_kwargs == {"pad_type": "same"}
        assert config.mean == (0.5, 0.5, 0.5)
        assert config.init == "normal"
        assert KoalaNetConfig().extractor == "efficientnet_b4.ra2_in1k"
        assert KoalaNetConfig().pretrained is True

    @pytest.mark.parametrize(
        ("name", "options", "message"),
        [
            ("cnn", {"width": 0}, "`width` is 0 but must be at least 1"),
            ("unet", {"head": "sigmoid"}, "no chroma of both signs"),
            ("unet", {"init_features": 0}, "`init_features` is 0"),
            ("unet", {"features": 32}, "`network.options.features` is not a key"),
            ("koala-net", {"features": "pool"}, "did you mean `pooled`"),
            ("koala-net", {"extractor_size": 0}, "`extractor_size` is 0"),
            ("koala-net", {"std": [0, 1, 1]}, r"`std` is \(0.0, 1.0, 1.0\) but must be above 0"),
            ("koala-net", {"mean": [0, 1]}, "has 2 values but must have 3"),
            ("koala-net", {"mean": [0, 1, float("nan")]}, "must hold finite numbers"),
            ("koala-net", {"extractor": "mobilenetv2_10"}, "did you mean `mobilenetv2_1"),
            ("koala-net", {**TINY, "extractor_kwargs": {"padtype": 1}}, "must fit timm's"),
            ("koala-net", {**TINY, "extractor": "test_vit"}, "takes only 160 pixels"),
            (
                "koala-net",
                {**TINY, "extractor_kwargs": {"num_classes": 0}},
                "has no classes: use 'pooled'",
            ),
        ],
    )
    def test_errors(self, name, options, message):
        with pytest.raises(OptionError, match=message):
            build_network(NetworkOptions(name, options))

    def test_another_width(self):
        network = CNN(CNNConfig(width=32)).eval()
        assert network.fixed_size == 32
        assert CNN.fixed_size is None  # of the class: each network has its own
        with torch.inference_mode():
            assert network(some_input(2, 32, 32)).shape == (2, 2, 32, 32)


class TestGreyOfLightness:
    def test_it_is_the_inverse_of_the_colour_definition(self):
        grey = np.arange(65536, dtype=np.uint16)
        lightness = torch.from_numpy(color.grey_to_lightness(grey))
        assert np.abs(grey_of_lightness(lightness).numpy() - grey / 65535).max() < 1e-5

    def test_ends_are_clipped(self):
        found = grey_of_lightness(torch.tensor([-5.0, 0.0, 100.0, 130.0]))
        assert found.tolist() == pytest.approx([0, 0, 1, 1], abs=1e-6)


class TestExtractor:
    def test_it_sees_what_it_was_trained_on(self):
        """Normalised sRGB grey in three channels, the whole picture, bilinearly resized."""
        extractor = build_extractor(ExtractorConfig(**TINY))
        seen = []
        extractor.model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        extractor(torch.full((2, 1, 40, 24), 50.0))
        assert seen[0].shape == (2, 3, 32, 32)
        grey = float(grey_of_lightness(torch.tensor(50.0)))
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        assert torch.allclose(seen[0][1, :, 5, 7], (grey - mean) / std, atol=1e-5)

    def test_its_own_size_mean_and_std(self):
        extractor = build_extractor(ExtractorConfig(extractor="test_vit", pretrained=False))
        assert extractor.size == 160
        assert extractor.mean.flatten().tolist() == [0.5, 0.5, 0.5]
        other = build_extractor(ExtractorConfig(**TINY, mean=(0.1, 0.2, 0.3), std=(1, 2, 3)))
        assert other.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
        assert other.std.flatten().tolist() == [1, 2, 3]

    def test_its_features_equal_those_of_timm(self):
        import timm

        extractor = build_extractor(ExtractorConfig(**TINY, features="pooled"))
        model = timm.create_model("test_efficientnet", pretrained=False)
        model.load_state_dict(extractor.model.state_dict(), strict=False)
        grey = grey_of_lightness(some_input(2, 32, 32)).expand(-1, 3, -1, -1)
        planes = (grey - extractor.mean) / extractor.std
        with torch.inference_mode():
            expected = model.eval().forward_features(planes).mean(dim=(2, 3))
            found = extractor(some_input(2, 32, 32))
        assert expected.std() > 1e-6
        assert torch.allclose(found, expected, atol=1e-6)

    def test_frozen_and_in_eval_mode_while_the_network_trains(self):
        network = tiny().train()
        before = {name: tensor.clone() for name, tensor in network.extractor.state_dict().items()}
        assert network.training
        network.extractor.train()
        assert not any(module.training for module in network.extractor.modules())
        assert not any(weight.requires_grad for weight in network.extractor.parameters())
        held = {id(weight) for weight in network.extractor.parameters()}
        groups = network.parameter_groups(1e-3)
        assert not held & {id(weight) for group in groups for weight in group["params"]}
        optimizer = torch.optim.AdamW(groups)
        network(some_input(2)).square().mean().backward()
        optimizer.step()
        for name, tensor in network.extractor.state_dict().items():
            assert torch.equal(tensor, before[name])
        assert network.fusion.weight.grad[:, 256:].abs().max() > 0  # its features are learnt from

    def test_it_is_no_part_of_the_state(self):
        network = tiny()
        extra = {k: v for k, v in network.state_dict().items() if not k.startswith(OURS)}
        assert list(extra) == ["_extra_state"]
        assert extra["_extra_state"].numel() == 32

    def test_it_moves_with_the_network(self):
        network = tiny().to(torch.float64)
        assert {weight.dtype for weight in network.extractor.parameters()} == {torch.float64}
        assert network.extractor.mean.dtype == torch.float64
        network.to(torch.float32).to(memory_format=torch.channels_last)
        stem = network.extractor.model.conv_stem.weight
        assert stem.is_contiguous(memory_format=torch.channels_last)
        assert tiny().to("meta").extractor.mean.device.type == "meta"

    def test_a_copy_has_its_own(self):
        network = tiny().eval()
        other = copy.deepcopy(network)
        assert other.extractor is not network.extractor
        with torch.inference_mode():
            assert torch.equal(other(some_input()), network(some_input()))

    def test_the_average_of_the_weights(self):
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        network = tiny()
        averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.5), use_buffers=True)
        with torch.no_grad():
            network.fusion.bias.add_(1)
        averaged.update_parameters(network)
        averaged.update_parameters(network)
        state = {k.removeprefix("module."): v for k, v in averaged.state_dict().items()}
        state.pop("n_averaged")
        tiny().load_state_dict(state)

    def test_random_weights_are_the_same_each_time(self):
        torch.manual_seed(1)
        first = build_extractor(ExtractorConfig(**TINY))
        drawn = torch.rand(1)
        torch.manual_seed(2)
        assert build_extractor(ExtractorConfig(**TINY)).sha256 == first.sha256
        torch.manual_seed(1)
        assert torch.rand(1) == drawn  # and nobody else's numbers change

    def test_what_the_picture_is_reaches_every_pixel(self):
        network = tiny().eval()
        # in float64: the random features of so small a network differ but little
        lightness = some_input(1, 96, 96).double()
        changed = lightness.clone()
        changed[..., :16, :16] = 0
        with torch.inference_mode():
            far = (network.double()(changed) - network(lightness))[..., -8:, -8:]
        assert far.abs().max() > 0


OURS = ("encoder.", "fusion.", "decoder.")


@pytest.fixture(scope="module")
def weights_file(tmp_path_factory):
    """Random weights of the tiny extractor, in timm's layout, unlike those it begins with."""
    extractor = build_extractor(ExtractorConfig(**TINY))
    generator = torch.Generator().manual_seed(9)
    state = {
        name: tensor + 0.1 * torch.rand(tensor.shape, generator=generator)
        if tensor.is_floating_point()
        else tensor
        for name, tensor in extractor.model.state_dict().items()
    }
    path = tmp_path_factory.mktemp("timm") / "mine.safetensors"
    save_file(state, path)
    return path


class TestExtractorFile:
    @pytest.mark.parametrize("kind", ["safetensors", "pth", "counters"])
    def test_both_kinds(self, weights_file, tmp_path, kind):
        state, path = load_file(weights_file), weights_file
        if kind == "pth":
            path = tmp_path / "mine.pth"
            torch.save({"state_dict": state}, path)
        if kind == "counters":  # files without the counters of batch norm
            path = tmp_path / "mine.safetensors"
            save_file({k: v for k, v in state.items() if "num_batches" not in k}, path)
        # a file wins over a download: this passes without a network
        config = ExtractorConfig(**{**TINY, "pretrained": True}, extractor_file=str(path))
        extractor = build_extractor(config)
        assert torch.equal(extractor.model.conv_stem.weight, state["conv_stem.weight"])
        assert extractor.sha256 != build_extractor(ExtractorConfig(**TINY)).sha256
        reference = build_extractor(ExtractorConfig(**TINY, extractor_file=str(weights_file)))
        assert extractor.sha256 == reference.sha256

    def test_errors(self, weights_file, tmp_path):
        def made(path):
            return build_extractor(ExtractorConfig(**TINY, extractor_file=str(path)))

        with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
            made(tmp_path / "no.safetensors")
        for name in ("text.safetensors", "text.pth"):
            (tmp_path / name).write_text("hello, this is text")
            with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
                made(tmp_path / name)
        torch.save([1, 2], tmp_path / "list.pth")
        with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
            made(tmp_path / "list.pth")
        state = load_file(weights_file)
        state["new.weight"] = state.pop("conv_head.weight")
        state["conv_stem.weight"] = state["conv_stem.weight"][:, :1].contiguous()
        save_file(state, tmp_path / "other.safetensors")
        with pytest.raises(ModelError, match="does not fit timm's test_efficientnet") as caught:
            made(tmp_path / "other.safetensors")
        for problem in ("`conv_head.weight` is missing", "`new.weight` is unknown", "shape"):
            assert problem in str(caught.value)


class TestWithoutADownload:
    def test_no_network(self, monkeypatch):
        import timm

        def fails(name, **_):
            raise OSError("We couldn't connect to the hub\nand more")

        monkeypatch.setattr(timm, "create_model", fails)
        with pytest.raises(ModelError, match="couldn't connect to the hub") as caught:
            build_extractor(ExtractorConfig())
        assert "`extractor_file`" in str(caught.value)
        assert "`pretrained: false`" in str(caught.value)

    def test_no_weights_anywhere(self):
        """Without this timm would go on with random ones."""
        with pytest.raises(ModelError, match=r"weights.*mobilenetv2_035"):
            build_extractor(ExtractorConfig(extractor="mobilenetv2_035"))

    def test_no_timm(self, monkeypatch):
        import sys

        monkeypatch.setitem(sys.modules, "timm", None)
        with pytest.raises(DependencyError, match=r'pip install "koalarize\[train\]"'):
            build_extractor(ExtractorConfig(**TINY))


class TestCheckpoint:
    def test_it_holds_no_weight_of_the_extractor(self, tmp_path):
        path = saved(tmp_path / "a.safetensors", "koala-net", TINY)
        with safe_open(path, "pt") as file:
            names = set(file.keys())
            metadata = file.metadata()
        assert {name for name in names if not name.startswith(OURS)} == {"_extra_state"}
        assert path.stat().st_size < 4 * count(tiny()) + 20_000
        stored = json.loads(metadata["recipe"])["network"]["options"]["extractor"]
        assert stored == "test_efficientnet"
        loaded = load_checkpoint(path).network
        assert not loaded.training
        with torch.inference_mode():
            expected = build_network(NetworkOptions("koala-net", TINY)).eval()
            expected.load_state_dict(loaded.state_dict())
            assert torch.equal(loaded(some_input()), expected(some_input()))

    def test_another_extractor_is_an_error(self, weights_file, tmp_path):
        """The file was replaced by other weights of the same shapes after the training."""
        moved = tmp_path / "mine.safetensors"
        shutil.copy(weights_file, moved)
        options = {**TINY, "extractor_file": str(moved)}
        path = saved(tmp_path / "a.safetensors", "koala-net", options)
        load_checkpoint(path)
        state = load_file(weights_file)
        state["conv_stem.weight"][0, 0, 0, 0] += 1e-4
        save_file(state, moved)
        with pytest.raises(ModelError, match="trained beside an extractor `test_efficientnet`"):
            load_checkpoint(path)

    def test_the_extractor_beside_the_checkpoint(self, weights_file, tmp_path):
        options = {**TINY, "extractor_file": "/somewhere/else/mine.safetensors"}
        path = tmp_path / "a.safetensors"
        made = recipe("koala-net", options)
        network = build_network(
            NetworkOptions("koala-net", {**TINY, "extractor_file": str(weights_file)})
        )
        save_checkpoint(path, network.state_dict(), made, {})
        with pytest.raises(ModelError, match="cannot be read as the extractor's weights"):
            load_checkpoint(path)
        for name in ("mine.safetensors", "extractor.safetensors"):
            shutil.copy(weights_file, tmp_path / name)
            loaded = load_checkpoint(path)
            assert loaded.network.extractor.sha256 == network.extractor.sha256
            assert loaded.recipe == made  # what the training was is not rewritten
            (tmp_path / name).unlink()

    def test_a_state_without_the_hash_is_an_error(self, tmp_path):
        state = tiny().state_dict()
        del state["_extra_state"]
        save_checkpoint(tmp_path / "a.safetensors", state, recipe("koala-net", TINY), {})
        with pytest.raises(ModelError, match="`_extra_state` is missing"):
            load_checkpoint(tmp_path / "a.safetensors")

    @pytest.mark.parametrize(
        ("name", "options"),
        [("cnn", {}), ("unet", {"init_features": 4}), ("koala-net", TINY)],
        ids=["cnn", "unet", "koala-net"],
    )
    def test_weights_of_another_architecture(self, tmp_path, name, options):
        path = tmp_path / "a.safetensors"
        save_checkpoint(path, UNetMini().state_dict(), recipe(name, options), {})
        with pytest.raises(ModelError, match=f"does not fit the network `{name}`: `"):
            load_checkpoint(path)

    def test_another_width_is_another_network(self, tmp_path):
        path = tmp_path / "a.safetensors"
        save_checkpoint(path, CNN(CNNConfig(width=16)).state_dict(), recipe("cnn", {}), {})
        with pytest.raises(ModelError, match=r"shape \(16,\) but must have \(128,\)"):
            load_checkpoint(path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("cnn", {"width": 32}),
        ("unet", {"init_features": 4, "head": "tanh"}),
        ("koala-net", TINY),
        ("koala-net", {"extractor": "test_vit", "pretrained": False, "features": "pooled"}),
    ],
    ids=["cnn", "unet", "koala-net", "koala-net-pooled"],
)
def test_export_and_colour(name, options, tmp_path):
    """`export` itself proves parity to 1e-4; here the whole way to a picture that is not square."""
    from koalarize.lab.evaluation.torch_engine import TorchEngine

    size = options.get("width", 64)
    checkpoint = saved(tmp_path / "a.safetensors", name, options, size)
    path = export(checkpoint)
    facts = json.loads(onnx.load(path).metadata_props[0].value)
    assert facts["fixed_size"] == (32 if name == "cnn" else None)
    grey = np.random.default_rng(0).integers(0, 256, (45, 70), dtype=np.uint8)
    colorizer = Colorizer.load(path)
    assert colorizer.info.fixed_size == facts["fixed_size"]
    colored = colorizer(grey)
    assert colored.shape == (45, 70, 3)
    network = load_checkpoint(checkpoint).network
    same = Colorizer(TorchEngine(network, size, 1.0))(grey)
    assert np.abs(colored.astype(int) - same).max() <= 1
    if name == "koala-net":
        assert facts["facts"]["extractor"]["sha256"] == network.extractor.sha256
        assert facts["facts"]["extractor"]["name"] == options["extractor"]
        assert facts["parameters"] == count(network)
        assert onnx.load(path).metadata_props[0].key == METADATA_KEY
        path.rename(tmp_path / "alone.onnx")
        checkpoint.unlink()  # the file needs nothing beside it
        assert np.array_equal(Colorizer.load(tmp_path / "alone.onnx")(grey), colored)
    if name == "cnn":
        with pytest.raises(OptionError, match="`size` is 64 but the model `my-cnn` only works at"):
            colorizer(grey, size=64)
        with pytest.raises(OptionError, match="`size` is 64 but the network `cnn` only works at"):
            export(checkpoint, size=64)
