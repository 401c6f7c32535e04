"""The articles' networks: their layers, ranges, beginnings and options."""

import copy
import itertools
from itertools import pairwise

import pytest
import torch
from torch import nn

from koalarize.errors import OptionError
from koalarize.lab.networks import CNN, UNet, UNetMini
from koalarize.lab.networks.cnn import CNNConfig
from koalarize.lab.networks.init import InitConfig, initialise
from koalarize.lab.networks.koala_net import KoalaNetConfig
from koalarize.lab.networks.unet import UNetConfig
from koalarize.lab.networks.unet_mini import UNetMiniConfig
from koalarize.lab.runs.checkpoint import build_network
from koalarize.lab.runs.recipe import NetworkOptions, build
from networks_parts import (
    ARTICLE_UNET_MINI,
    TINY,
    ArticleUNetMini,
    convolution,
    count,
    layers_of,
    some_input,
    tiny,
)


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
            ("cnn", {"width": 0}, "width` is 0 but must be at least 1"),
            ("koala", {"widths": [[8, 0], [8, 8]]}, r"widths` is \(\(8, 0\).* 1 or more"),
            ("koala", {"context": 0}, "context` is 0 but must be at least 1"),
            ("koala", {"slots": -1}, "slots` is -1 but must be at least 0"),
            ("koala", {"encoder_rate": -1.0}, "encoder_rate` is -1.0 but must be 0 or more"),
            ("koala", {"encoder_rate": float("nan")}, "encoder_rate` is nan but must be 0"),
            ("unet-mini", {"widths": [0, 1, 1]}, r"widths` is \(0, 1, 1\) but must hold channels"),
            ("unet-mini", {"dropout": 1.0}, r"dropout` is 1.0 but must be in \[0, 1\)"),
            ("unet-mini", {"dropout": float("nan")}, r"dropout` is nan but must be in \[0, 1\)"),
            ("unet-mini", {"init": "norm"}, "did you mean `normal`"),
            ("unet", {"head": "sigmoit"}, "did you mean `sigmoid`"),
            ("unet", {"init_features": 0}, "init_features` is 0"),
            ("unet", {"features": 32}, "`network.options.features` is not a key"),
            ("koala-net", {"features": "pool"}, "did you mean `pooled`"),
            ("koala-net", {"extractor_size": 0}, "extractor_size` is 0"),
            ("koala-net", {"std": [0, 1, 1]}, r"std` is \(0.0, 1.0, 1.0\) but must be above 0"),
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
        with pytest.raises(OptionError, match=message) as told:
            build_network(NetworkOptions(name, options))
        assert str(told.value).startswith("`network.options.")  # as a recipe and --set spell it

    def test_another_width(self):
        network = CNN(CNNConfig(width=32)).eval()
        assert network.fixed_size == 32
        assert CNN.fixed_size is None  # of the class: each network has its own
        with torch.inference_mode():
            assert network(some_input(2, 32, 32)).shape == (2, 2, 32, 32)
