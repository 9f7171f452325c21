import pytest

from lm_envs.plugins import is_path, load_object, resolve_kind


class Small:
    def __init__(self, *, size=1):
        self.size = size


KINDS = {"small": Small}


def resolve(spec):
    return resolve_kind("thing", spec, KINDS, is_made=lambda value: isinstance(value, Small))


@pytest.mark.parametrize(("value", "expected"), [("a:b", True), ("top_k", False), (3, False)])
def test_a_path_has_a_colon(value, expected):
    assert is_path(value) == expected


def test_a_path_is_imported():
    assert load_object("collections:OrderedDict", "thing").__name__ == "OrderedDict"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (":x", r"allowed: 'package\.module:Name'"),
        ("no_such_module:x", "no module 'no_such_module'; install it, or put its folder"),
        ("collections:OrderedDct", r"no such name in collections\. Did you mean 'OrderedDict'"),
    ],
)
def test_a_broken_path_is_refused(path, message):
    with pytest.raises(ValueError, match=message):
        load_object(path, "thing")


@pytest.mark.parametrize(
    "spec", ["small", {"kind": "small"}, Small, f"{__name__}:Small", {"kind": f"{__name__}:Small"}]
)
def test_names_paths_and_classes_resolve_to_the_class(spec, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, __name__, sys.modules[Small.__module__])
    kind, options = resolve(spec)
    assert (kind.__name__, options) == ("Small", {})


def test_options_are_the_keyword_arguments_of_the_class():
    assert resolve({"kind": "small", "size": 3}) == (Small, {"size": 3})
    with pytest.raises(ValueError, match=r"unknown option 'sise' .*allowed: size\. Did you mean"):
        resolve({"kind": "small", "sise": 3})


def test_an_object_takes_no_options():
    made = Small()
    assert resolve(made) == (made, {})
    with pytest.raises(ValueError, match="allowed: none"):
        resolve({"kind": made, "size": 3})


@pytest.mark.parametrize("spec", [None, 3, "big"])
def test_anything_else_is_refused_with_the_allowed_names(spec):
    with pytest.raises(ValueError, match="allowed: 'small'"):
        resolve(spec)


def test_a_type_without_a_signature_is_refused():
    """Regression: Python's own message came through."""
    with pytest.raises(ValueError, match=r"Got thing <class 'dict'>, which has no signature"):
        resolve(dict)
