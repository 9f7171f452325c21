import numpy as np
import pytest

from agents.config.loading import UserError
from agents.preferences.comparisons import Comparisons
from agents.preferences.fitting import fit_preference
from lm_envs.tasks.ratings import RatedText
from lm_envs.tasks.rewards.preference import FEATURES


def simulated(num, weight_of_states, seed=0):
    """Comparisons by a program that likes long texts, or one direction of the hidden states."""
    rng = np.random.default_rng(seed)
    texts = [RatedText(str(n // 2), str(n)) for n in range(2 * num)]
    states, features = rng.normal(size=(2 * num, 40)), rng.normal(size=(2 * num, len(FEATURES)))
    utilities = weight_of_states * states[:, 3] + 2.0 * features[:, 5]
    first, second = np.arange(0, 2 * num, 2), np.arange(1, 2 * num, 2)
    wins = rng.random(num) < 1 / (1 + np.exp(utilities[second] - utilities[first]))
    compared = Comparisons(texts, first, second, wins.astype(float), first)
    return compared, states, features, utilities


def test_a_simulated_rater_is_predicted_on_held_out_prompts():
    compared, states, features, utilities = simulated(400, 0.0)
    fit = fit_preference(compared, states, features, "m", {"ratings": 400})
    # This rater contradicts the weights by chance; the agreement can reach that of the weights.
    gaps = utilities[compared.first] - utilities[compared.second]
    best = ((gaps > 0) == (compared.outcomes == 1)).mean()
    assert best - 0.05 < fit.agreement.mean <= best + 0.02
    assert max(fit.importance, key=fit.importance.get) == "log_length"
    assert fit.preference.facts["agreement"]["count"] == 400
    found = fit.preference.utilities(states, features)
    assert np.corrcoef(found, utilities)[0, 1] > 0.95
    assert found.mean() == pytest.approx(0.0, abs=1e-9)


def test_hidden_states_are_used_where_they_predict_more():
    plain = fit_preference(*simulated(300, 0.0)[:3], "m", {})
    deep = fit_preference(*simulated(300, 3.0)[:3], "m", {})
    assert plain.design == "named features"
    assert deep.design == "named features and hidden states"
    assert deep.agreement.mean > 0.7


def test_random_choices_are_not_shown_to_be_predicted():
    compared, states, features, _ = simulated(60, 0.0)
    outcomes = np.random.default_rng(1).integers(0, 2, 60).astype(float)
    noise = Comparisons(compared.texts, compared.first, compared.second, outcomes, compared.prompts)
    assert not fit_preference(noise, states, features, "m", {}).agreement.beats_chance


def test_too_few_comparisons_are_refused():
    compared, states, features, _ = simulated(9, 0.0)
    with pytest.raises(UserError, match=r"Got 9 decided comparisons .*allowed: 10 or more"):
        fit_preference(compared, states, features, "m", {})


def test_few_prompts_with_many_pairs_can_be_fitted():
    compared, states, features, _ = simulated(80, 0.0)
    one = Comparisons(
        compared.texts, compared.first, compared.second, compared.outcomes, np.zeros(80, int)
    )
    assert fit_preference(one, states, features, "m", {}).agreement.beats_chance
