import pytest

from koalarize import errors

CHILDREN = [
    errors.PhotoError,
    errors.FilmError,
    errors.OutputError,
    errors.OptionError,
    errors.ModelError,
    errors.DataError,
    errors.DependencyError,
]


def test_everything_public_is_listed_and_exists():
    public = {n for n in vars(errors) if n.endswith("Error")} | {"did_you_mean"}
    assert set(errors.__all__) == public


@pytest.mark.parametrize("kind", CHILDREN)
def test_every_error_is_a_koalarize_error_and_in_the_drawn_tree(kind):
    assert kind.__base__ is errors.KoalarizeError
    assert kind.__name__ in (errors.__doc__ or "")


def test_only_a_wrong_option_ends_with_the_usage_code():
    codes = {kind.__name__: kind.exit_code for kind in CHILDREN}
    assert codes.pop("OptionError") == 2
    assert set(codes.values()) == {1}


@pytest.mark.parametrize(
    ("word", "known", "answer"),
    [
        ("tempature", ["temperature", "size"], ", did you mean `temperature`?"),
        ("zzz", ["temperature", "size"], ""),
        ("size", [], ""),
    ],
)
def test_did_you_mean(word, known, answer):
    assert errors.did_you_mean(word, known) == answer
