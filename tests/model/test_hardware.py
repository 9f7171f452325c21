from lm_envs.model import hardware


def test_describe_names_the_device_that_auto_stands_for(monkeypatch):
    monkeypatch.setenv("LM_ENVS_DEVICE", "cpu")
    found = hardware.describe()
    assert (found["device"], found["number type"]) == ("cpu", "float32")
    assert int(found["threads"]) >= 1
