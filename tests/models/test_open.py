"""Models by name, by file, as a blend, and as their authors show them photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from foreign_parts import tiny
from koalarize import color
from koalarize.cli import main
from koalarize.colorizer.colorizer import Colorizer
from koalarize.engines.blend import BlendEngine
from koalarize.errors import ModelError, OptionError
from koalarize.models.catalog import FOREIGN, MODELS, card_of, known_names
from koalarize.models.open import check_model, missing, open_model, parts_of

KINDS = ["l-to-ab", "grey-to-ab", "grey-to-srgb"]


@pytest.fixture(autouse=True)
def empty_store(tmp_path, monkeypatch):
    monkeypatch.setenv("KOALARIZE_HOME", str(tmp_path / "home"))


def photo(height=72, width=120):
    rng = np.random.default_rng(1)
    coarse = Image.fromarray(rng.integers(30, 226, (6, 10), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


def test_a_limit_of_blends_is_for_blends(tmp_path, capsys):
    Image.fromarray(photo()).save(tmp_path / "p.png")
    assert main([str(tmp_path / "p.png"), "--blend-chroma", "5"]) == 2
    assert "`--model` is `koala` alone" in capsys.readouterr().err


def test_a_blend_in_the_studio():
    from koalarize.web.studio.app import offered

    models = offered(["koala,koala-int8:2", "koala"])
    assert list(models) == [*MODELS, "koala,koala-int8:2"]
    assert isinstance(models["koala,koala-int8:2"]()._engine, BlendEngine)


def test_identity_tells_files_and_blends_of_one_name_apart(tmp_path):
    (tmp_path / "other").mkdir()
    one = tiny(tmp_path / "a.onnx", "l-to-ab")
    two = tiny(tmp_path / "other" / "a.onnx", "l-to-ab", weights=([[1.0], [0.0]], [0, 0]))
    asked = [str(one), str(two), f"koala,{one}", f"koala,{one}:2", f"koala,{two}", "koala"]
    infos = [open_model(model).info for model in asked]
    infos.append(open_model(f"koala,{one}", most_chroma=3).info)
    assert len({info.identity for info in infos}) == len(infos)
    assert infos[0].name == infos[1].name
    one.with_suffix(".contract.json").write_text('{"kind": "l-to-ab", "unit": 2}')
    assert open_model(str(one)).info.identity != infos[0].identity
    assert open_model("koala").info.identity == MODELS["koala"].sha256


def test_results_name_what_tells_their_model_apart(tmp_path):
    one = str(tiny(tmp_path / "a.onnx", "l-to-ab"))

    def weights(**asked):
        return Colorizer.load(one, **asked).provenance().weights

    plain = weights()
    assert weights(faithful=True) == f"{plain} faithful"
    Path(one).with_suffix(".contract.json").write_text('{"kind": "l-to-ab", "unit": 2}')
    assert weights() != plain
    assert Colorizer.load("koala").provenance().weights == MODELS["koala"].sha256


def test_two_models_of_one_name(tmp_path):
    from koalarize.web.studio.app import offered

    with pytest.raises(OptionError, match="two models are called `koala`"):
        offered([str(tiny(tmp_path / "koala.onnx", "l-to-ab"))])


def test_a_session_says_how_photos_are_shown(tmp_path, capsys):
    (tmp_path / "s.json").write_text("{}")
    for option in (["--faithful"], ["--blend-chroma", "3"], ["--series", "box"]):
        assert main(["p.png", "--session", str(tmp_path / "s.json"), *option]) == 2
        assert f"`{option[0]}` has no place beside it" in capsys.readouterr().err


class TestNames:
    @pytest.mark.parametrize(
        ("text", "parts"),
        [
            ("koala", [("koala", 1)]),
            ("a.onnx", [("a.onnx", 1)]),
            ("koala,ddcolor-tiny", [("koala", 1), ("ddcolor-tiny", 1)]),
            ("koala:1, b/c.onnx:0.5", [("koala", 1), ("b/c.onnx", 0.5)]),
            (r"koala,C:\m\a.onnx", [("koala", 1), (r"C:\m\a.onnx", 1)]),
            (r"koala,C:\m\a.onnx:3", [("koala", 1), (r"C:\m\a.onnx", 3)]),
        ],
    )
    def test_parts(self, text, parts):
        assert parts_of(text) == parts

    def test_a_file_with_a_comma_is_a_file(self, tmp_path):
        path = tiny(tmp_path / "a,b.onnx", "l-to-ab")
        assert parts_of(str(path)) == [(str(path), 1)]
        assert open_model(str(path)).info.name == "a,b"

    def test_a_comma_with_nothing(self):
        with pytest.raises(OptionError, match="no model beside it"):
            parts_of("koala,")

    def test_unknown(self, tmp_path):
        x = tiny(tmp_path / "x.onnx", "l-to-ab")
        with pytest.raises(OptionError, match=r"`ddcolor-tini` but .*did you mean `ddcolor-tiny`"):
            check_model("koala,ddcolor-tini")
        check_model(f"koala,ddcolor-tiny:2,{x}")
        with pytest.raises(OptionError, match=r"no\.onnx`, which is no file"):
            check_model(f"koala,{tmp_path / 'no.onnx'}")

    def test_weights_of_pytorch_are_converted_first(self):
        with pytest.raises(ModelError, match=r"`koalarize lab convert w\.pth`"):
            open_model("w.pth")


class TestCatalogue:
    def test_names_are_of_one_model(self):
        assert not MODELS.keys() & FOREIGN.keys()
        assert known_names() == (*MODELS, *FOREIGN)
        assert card_of("koala") is MODELS["koala"]
        assert card_of("x.onnx") is None

    @pytest.mark.parametrize("card", FOREIGN.values(), ids=FOREIGN.keys())
    def test_cards(self, card):
        assert len(card.sha256) == 64
        assert int(card.sha256, 16)
        assert card.addresses
        assert all(address.startswith("https://") for address in card.addresses)
        assert card.summary.endswith(".")
        assert all((card.source, card.licence, card.export_licence))
        assert bool(card.consent) == (card.export_licence == "not stated")

    def test_what_is_not_here_says_which_file_to_put_where(self, tmp_path):
        card = FOREIGN["ddcolor-tiny"]
        assert missing("koala,ddcolor-tiny") == [card]
        with pytest.raises(ModelError) as error:
            open_model("ddcolor-tiny")
        for fact in (
            *("135 MB", card.addresses[0], card.sha256, "--from FILE"),
            str(tmp_path / "home" / "models" / "ddcolor-tiny.onnx"),
        ):
            assert fact in str(error.value)

    def test_another_file_in_its_place(self, tmp_path):
        folder = tmp_path / "home" / "models"
        folder.mkdir(parents=True)
        tiny(folder / "ddcolor-tiny.onnx", "grey-to-ab")
        assert missing("ddcolor-tiny") == []
        with pytest.raises(ModelError, match=r"is not the file of `ddcolor-tiny` .*remove it"):
            open_model("ddcolor-tiny")


class TestFaithful:
    @pytest.mark.parametrize("kind", KINDS)
    def test_squashed_and_bilinear(self, tmp_path, kind):
        grey = photo()
        path = tiny(tmp_path / "a.onnx", kind, side=48)
        out = Colorizer.load(path, faithful=True)(grey)
        small = np.asarray(Image.fromarray(grey).resize((48, 48), Image.Resampling.BICUBIC))
        l = color.grey_to_lightness(small)[None]
        ab = color.resize(open_model(path).run(l, None).ab[0], *grey.shape)
        lab = np.dstack([color.grey_to_lightness(grey), *ab]).astype(np.float32)
        expected = color.lab_to_srgb(color.map_to_gamut(lab), dtype=np.uint8)
        ours = Colorizer.load(path)(grey)
        near, far = (np.percentile(np.abs(o.astype(int) - expected), 95) for o in (out, ours))
        assert near <= 1  # but for the edge of sRGB, which the Colorizer finds by a table
        assert far > 1.5

    def test_nearest(self, tmp_path):
        path = tiny(tmp_path / "a.onnx", "grey-to-ab", side=16)
        path.with_suffix(".contract.json").write_text(
            '{"kind": "grey-to-ab", "upsampling": "nearest"}'
        )
        grey = np.full((64, 96), 128, np.uint8)
        grey[:, 48:] = 140
        out = color.srgb_to_lab(Colorizer.load(path, faithful=True)(grey))
        assert np.ptp(out[..., 2]) > 1  # nearly blank, but nobody calms it
        for axis, step in ((0, 4), (1, 6)):
            b = np.diff(out[..., 2], axis=axis)
            inside = [n for n in range(b.shape[axis]) if (n + 1) % step]
            assert np.abs(b.take(inside, axis)[:40]).max() < 0.5

    def test_a_part_of_it_is_that_of_the_whole(self, tmp_path):
        path = tiny(tmp_path / "a.onnx", "grey-to-ab", side=16)
        path.with_suffix(".contract.json").write_text(
            '{"kind": "grey-to-ab", "upsampling": "nearest"}'
        )
        from koalarize.colorizer.plan import plan
        from koalarize.photo.photo import Photo
        from koalarize.steering.steering import PLAIN

        original = Photo.read(photo())
        chroma = plan(Colorizer.load(path, faithful=True).look(original), PLAIN)
        whole = chroma.paint(original.pixels)
        part = chroma.paint(original.pixels, area=(17, 11, 101, 60))
        assert np.array_equal(part, whole[11:60, 17:101])

    def test_faded_lightness_is_left(self, tmp_path):
        path = tiny(tmp_path / "a.onnx", "l-to-ab", side=32, weights=([[1.0], [0.0]], [0, 0]))
        faded = (photo() // 4 + 100).astype(np.uint8)
        ours, theirs = (
            Colorizer.load(path, faithful=way).look(_photo(faded)).answers.plain().prediction.ab
            for way in (False, True)
        )
        assert np.ptp(theirs[0]) < 0.5 * np.ptp(ours[0])

    def test_another_size(self, tmp_path):
        path = tiny(tmp_path / "a.onnx", "l-to-ab", side=32)
        with pytest.raises(OptionError, match=r"show it squares of 32.*leave out `--faithful`"):
            Colorizer.load(path, faithful=True)(photo(), size=64)

    def test_koala_has_no_other_way(self):
        with pytest.raises(OptionError, match="is koalarize's own"):
            open_model("koala", faithful=True)
        with pytest.raises(OptionError, match="several models are named"):
            open_model("koala,koala-int8", faithful=True)


def _photo(pixels):
    from koalarize.photo.photo import Photo

    return Photo.read(pixels)


@pytest.mark.parametrize("kind", KINDS)
class TestEverywhere:
    """A tiny file of each contract: command line, folder, pipe, studio, blend."""

    def test_command_line(self, tmp_path, kind, capsys):
        Image.fromarray(photo()).save(tmp_path / "p.png")
        model = str(tiny(tmp_path / "a.onnx", kind, side=64))
        for more in ([], ["--faithful"], ["--best"]):
            out = tmp_path / f"o{''.join(more)}.png"
            assert main([str(tmp_path / "p.png"), "-o", str(out), "--model", model, *more]) == 0
            assert color.colorfulness(np.asarray(Image.open(out))) > 3
        words = [str(tmp_path / "p.png"), "-o", str(tmp_path / "h.png"), "--model", model]
        assert main([*words, "--hint", "3,4=#ff0000"]) == 2
        assert "takes no hints" in capsys.readouterr().err

    def test_folder(self, tmp_path, kind):
        (tmp_path / "box" / "in").mkdir(parents=True)
        for n, name in enumerate(("a.png", "in/b.png")):
            Image.fromarray(photo(60 + 30 * n)).save(tmp_path / "box" / name)
        model = str(tiny(tmp_path / "a.onnx", kind))
        words = [str(tmp_path / "box"), "-o", str(tmp_path / "out"), "--model", f"koala,{model}:2"]
        assert main([*words, "--blend-chroma", "8"]) == 0
        made = sorted(path.name for path in (tmp_path / "out").rglob("*.png"))
        assert made == ["a.color.png", "b.color.png"]

    def test_studio(self, tmp_path, kind):
        from fastapi.testclient import TestClient

        from koalarize.web.studio.app import create_app, offered
        from koalarize.web.studio.settings import Settings

        path = tiny(tmp_path / "mine.onnx", kind)
        models = offered([str(path)])
        assert list(models) == [*MODELS, "mine"]
        Image.fromarray(photo()).save(tmp_path / "p.png")
        with TestClient(create_app(Settings(), models=models), base_url="http://localhost") as ask:
            listed = {m["name"]: m for m in ask.get("/api/v1/models").json()["models"]}
            assert not listed["mine"]["accepts_hints"]
            assert not listed["mine"]["suggests"]
            data = (tmp_path / "p.png").read_bytes()
            sent = ask.post("/api/v1/colorize?model=mine", files={"picture": ("p.png", data)})
        assert sent.status_code == 200, sent.text

    def test_blend(self, tmp_path, kind):
        path = tiny(tmp_path / "a.onnx", kind)
        engine = open_model(f"koala:3,{path}:1")
        assert isinstance(engine, BlendEngine)
        assert engine.info.accepts_hints
        assert Colorizer(engine)(photo()).shape == (72, 120, 3)


@pytest.mark.slow
def test_evaluation_and_showcase(tmp_path, capsys):
    (tmp_path / "set").mkdir()
    for n in range(2):
        colors = np.random.default_rng(n).integers(20, 236, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(colors).resize((80, 64)).save(tmp_path / "set" / f"{n}.png")
    model = str(tiny(tmp_path / "a.onnx", "grey-to-srgb"))
    words = ["--data", str(tmp_path / "set"), "--metrics", "psnr"]
    assert main(["lab", "evaluate", model, f"koala,{model}", *words]) == 0
    assert capsys.readouterr().out.count("a.onnx") >= 2
    out = str(tmp_path / "s.png")
    words = ["--model", model, "--model", f"koala,{model}", "-o", out]
    assert main(["lab", "showcase", str(tmp_path / "set"), *words]) == 0
