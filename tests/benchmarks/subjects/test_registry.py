import pytest

from benchmarks.subjects import registry


@pytest.mark.parametrize(
    ("subject", "options"),
    [
        ("throughput", ["model", "n", "prompt", "dtype", "repeats", "competitor"]),
        ("startup", ["repeats"]),
        ("precision", ["model", "dtype"]),
        ("profile", ["model", "n", "dtype", "env", "repeats"]),
        ("calls", ["model", "env"]),
    ],
)
def test_a_subject_accepts_the_options_that_its_function_takes(subject, options):
    assert registry.accepted_options(subject) == options


def test_subjects_accepting_an_option():
    assert registry.subjects_accepting("env") == ["profile", "calls", "host"]
    assert registry.subjects_accepting("prompt") == ["throughput"]


@pytest.mark.parametrize("subject", registry.SUBJECTS)
def test_every_option_that_a_subject_does_not_accept_is_refused(subject):
    accepted = registry.accepted_options(subject)
    for option in set(registry.ARGUMENTS) - set(accepted):
        with pytest.raises(ValueError, match=f"Got --{option} for {subject}, which ignores it"):
            registry.measure(subject, {option: ["a value"]})


def test_omitted_options_have_the_defaults_of_the_subject():
    document = registry.measure("calls", {"model": None, "env": None})
    assert document["rows"][0]["what"] == "lm_envs/NextWord-v0"
