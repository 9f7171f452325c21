from benchmarks.harness.episodes import RandomSteps


def test_a_call_decodes_a_token_for_each_row_and_step():
    steps = RandomSteps("lm_envs/NextWord-v0", "embedded", 2, "float32", num_actions=4, steps=5)
    before = steps.env.engine.num_forward_tokens
    steps()
    assert steps.env.engine.num_forward_tokens - before >= 5 * 2


def test_equal_arguments_take_equal_steps():
    texts = []
    for _ in range(2):
        steps = RandomSteps("lm_envs/NextWord-v0", "embedded", 1, "float32", num_actions=8, steps=3)
        steps()
        texts.append([str(transcript) for transcript in steps.env.transcripts])
    assert texts[0] == texts[1]
