"""Log-probabilities and values by one pass over whole texts: the oracle of step-by-step passes."""

PROMPT = 5


def logprobs_in_one_pass(model, tokens):
    """Log-probabilities (N, T) of the tokens after the prompts."""
    logprobs = model(tokens).logits.log_softmax(-1)[:, PROMPT - 1 : -1]
    return logprobs.gather(-1, tokens[:, PROMPT:, None])[..., 0]


def values_in_one_pass(critic, tokens):
    """Values (N, T) before the tokens after the prompts."""
    hidden = critic.trunk(tokens).last_hidden_state[:, PROMPT - 1 : -1]
    return critic.head(hidden)[..., 0]
