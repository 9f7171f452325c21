from benchmarks.subjects import training


def test_ppo_and_its_environment_alone_are_measured():
    rows = training.run("embedded", [3], ["float32"], 1)["rows"]
    assert [row["what"] for row in rows] == [
        "PPO, rollouts and updates",
        "environment, random actions",
    ]
    assert all(row["steps_per_s"] > 0 for row in rows)
