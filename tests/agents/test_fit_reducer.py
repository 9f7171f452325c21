"""The command that fits a reducer on sampled states."""

import json

import numpy as np

from agents.fit_reducer import fit, main, summarize
from lm_envs.envs.observations.reducers import load_reducer
from lm_envs.model.loading import fingerprint


def test_the_command_fits_and_saves(tmp_path, capsys, checkpoint):
    path = tmp_path / "reducer.safetensors"
    kwargs = [f"model={checkpoint}", "max_new_tokens=3"]
    main("hashed", path, n_envs=8, states=64, options=["bits=5"], kwargs=kwargs)
    summary = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert summary["space"] == "Discrete(32)"
    assert load_reducer(path).model == summary["model"] == fingerprint(str(checkpoint))


def test_the_summary_counts_codes_in_use():
    states = np.random.default_rng(0).normal(size=(200, 6))
    reducer = fit("clustered", states, "", {"num_clusters": 12, "dim": 5})
    summary = summarize(reducer, states, states)
    assert summary["held_out_codes"] == 12
    assert 1 / 12 <= summary["largest_code_share"] < 1
