"""Writes a page for each id in Farama's form: picture, tables, and the docstring of its class.

Owns the layout. The tables come from `facts`, so that they state what the code does.
"""

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym

from lm_envs.command.doctor import first_sentence
from lm_envs.transcript import TRUNCATIONS
from lm_envs_docs import facts
from lm_envs_docs.docstrings import as_code, split_sections

ENDINGS = {
    "end_token": "the end token of the model was written",
    "budget": "the budget of tokens or adjustments is used up",
    "complete": "the stop rule of the task holds",
    "context": "the context window of the model is full",
    "time_limit": "`max_steps` steps were taken",
}
"""Sentence for each reason to end; the keys are those of `lm_envs.transcript.Ending`."""

COLUMNS = {
    "hidden": "last hidden state of the model",
    "candidate_logprobs": "log-probability of each candidate, nats",
    "candidate_repeats": "0 new, 0.5 a token, 1 a pair of tokens of the completion",
    "candidate_echoes": "1 for a token of the prompt",
    "budget_left": "share of the budget that is left: tokens, or adjustments",
    "text_mean": "mean token embedding of the text, times the root of its length",
    "last_tokens": "embeddings of the last tokens",
    "choice_enabled": "1 for a line that has an effect now",
    "turns_left": "share of the turns that is left",
    "settings": "the settings now",
    "first_loss": "loss of the unchanged model, nats a token",
    "loss_fall": "by how much the loss has fallen, nats a token",
    "is_left": "1 for a part that is not removed",
    "saved": "share of the blocks' multiplications that is saved",
    "training_loss_fall": "by how much the training loss has fallen, nats a token",
    "gradient_norm": "norm of the last gradient",
    "last_action": "the last action",
    "word_embeddings": "mean token embedding of the present and of the next word",
    "word_information": "information of both words; 1 is the average word",
    "word_tokens": "number of tokens of both words",
    "word_logprobs": "what the model expects: the present word; the next, shown or left out",
    "recently_shown": "1 if the last word was shown, the one before it, and the one before that",
    "waiting": "shown words that wait to be read",
    "shown_share": "share of the words so far that was shown",
    "words_left": "share of the words that are still to come",
}
"""Meaning of the named columns of default observations."""

RESULTS = (
    "Learning curves and texts of agents: [gallery](../results/gallery.md); figures and "
    "intervals: [results](../results/index.md)."
)

LINKED = {"LanguageEnv": "lm_envs.envs", "TuningVectorEnv": "lm_envs.envs.tuning.base"}
"""Page in the API reference of the classes that docstrings refer to."""

LONGEST_EXAMPLE = 60
"""Characters of a value in a table."""


def slug(env_id: str) -> str:
    """Returns the name of an id's page, such as "next_word"."""
    return Path(inspect.getfile(facts.page_class(env_id))).stem


def title(env_id: str) -> str:
    """Returns the id without namespace and version, such as "NextWord"."""
    return env_id.partition("/")[2].rpartition("-v")[0]


def page(env: gym.Env) -> str:
    """Returns the page of an environment's id as Markdown; it plays episodes."""
    env_id = env.spec.id
    start, sections = split_sections(inspect.getdoc(type(env.unwrapped)) or "")
    parts = [
        f"# {title(env_id)}",
        f"```{{figure}} ../_static/episodes/{slug(env_id)}.gif\n:alt: An episode of {env_id}\n"
        f":width: 640px\n\n{_caption(env)}\n```",
        _overview(env_id, env),
        _linked(start),
    ]
    tables: dict[str, Callable[[gym.Env], str]] = {
        "Action Space": _actions,
        "Observation Space": _columns,
        "Rewards": _rewards,
        "Episode End": _endings,
    }
    for heading, text in sections.items():
        if heading not in ("Arguments", "Example"):
            parts += [f"## {heading}", text]
            parts += [tables[heading](env)] if heading in tables else []
    parts += ["## Information", _infos(env)]
    parts += ["## Arguments", _linked(sections.get("Arguments", "")), _arguments(env)]
    parts += ["## Example", f"```python\n{as_code(sections['Example'])}\n```"]
    parts += ["## Results", RESULTS]
    return "\n\n".join(part for part in parts if part) + "\n"


def _linked(text: str) -> str:
    """Returns a text whose references to shared classes are links."""
    for name, module in LINKED.items():
        text = text.replace(f"`{name}`", f"[`{name}`](../api/generated/{module}.rst)")
    return text


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def code(value: Any) -> str:  # noqa: ANN401 - any default
    """Returns a value as a Markdown code span."""
    text = repr(value) if not isinstance(value, str) else value
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def _caption(env: gym.Env) -> str:
    if facts.weights(env) is None:
        return "An episode by a fixed plan. Tokens are green where they raised the reward."
    return (
        "An episode that follows the reference where the candidates allow it. Green tokens raised "
        "the reward, red and underlined ones lowered it."
    )


def _overview(env_id: str, env: gym.Env) -> str:
    rows = [
        ["Action space", code(facts.space_text(env.action_space))],
        ["Observation space", code(facts.space_text(env.observation_space))],
        ["Make one", code(f'gymnasium.make("{env_id}")')],
        ["Make a batch", code(f'gymnasium.make_vec("{env_id}", num_envs=64)')],
        ["Class", code(f"{type(env.unwrapped).__module__}.{type(env.unwrapped).__name__}")],
    ]
    return _table(["", ""], rows)


def _actions(env: gym.Env) -> str:
    actions = facts.actions(env)
    if not actions:
        return ""
    is_box = isinstance(env.action_space, gym.spaces.Box)
    first = "component" if is_box else "action"
    if actions[0].probability is None:
        rows = [[each.label, code(each.effect)] for each in actions]
        return _table([first, "adjusts" if is_box else "meaning"], rows)
    prompt = code(facts.batch_of(env).episodes.prompts[0].split("\n")[0])
    rows = [
        [each.label, code(repr(each.effect)), f"{each.probability:.3f}"]
        for each in actions
        if each.probability is not None
    ]
    intro = (
        f"What the actions write after `reset(seed={facts.SEED})`, whose prompt begins {prompt}:"
    )
    return f"{intro}\n\n{_table([first, 'token', 'probability'], rows)}"


def _columns(env: gym.Env) -> str:
    rows = [
        [
            code(each.name),
            f"{each.first} … {each.first + each.size - 1}" if each.size > 1 else f"{each.first}",
            f"{each.low:.4g} … {each.high:.4g}",
            COLUMNS.get(each.name, ""),
        ]
        for each in facts.columns(env.observation_space)
    ]
    header = ["column", "places", "bounds", "meaning"]
    if all(not row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return f"By default {code(facts.space_text(env.observation_space))}:\n\n{_table(header, rows)}"


def _rewards(env: gym.Env) -> str:
    weights = facts.weights(env)
    if weights is None:
        return ""
    rows = [[code(name), f"{weight:g}"] for name, weight in weights.items()]
    own = facts.batch_of(env).task.task_scores
    document = inspect.getdoc(type(facts.batch_of(env).task)) or ""
    scores = document.partition("\nScores: ")[2].partition("\n\n")[0] if own else ""
    text = f"By default:\n\n{_table(['score', 'weight'], rows)}\n\n"
    text += f"{scores}\n\n" if scores else ""
    return text + "All scores and their ranges: [Rewards](../rewards.md)."


def _endings(env: gym.Env) -> str:
    limits = {each.name: each.default for each in facts.arguments(env)}
    named = [name for name in ("max_new_tokens", "max_turns", "adjustments") if name in limits]
    if facts.weights(env) is None:
        named = ["adjustments"]
    values = ", ".join(f"`{name}` = {limits[name]}" for name in [*named, "max_steps"])
    skipped = () if facts.weights(env) is not None else ("end_token", "context")
    rows = [
        [code(name), "truncated" if name in TRUNCATIONS else "terminated", sentence]
        for name, sentence in ENDINGS.items()
        if name not in skipped
    ]
    return f"{_table(['`ending`', 'flag', 'when'], rows)}\n\nDefault limits: {values}."


def _infos(env: gym.Env) -> str:
    when = {"reset": "`reset` and the end", "step": "every step", "end": "the end"}
    rows = [
        [code(each.name), when[each.when], each.type_name, _shown(each.example)]
        for each in facts.infos(env)
    ]
    return "From an episode of the defaults:\n\n" + _table(["key", "at", "type", "example"], rows)


def _shown(value: Any) -> str:  # noqa: ANN401 - of infos
    if isinstance(value, dict):
        value = {name: round(each, 3) for name, each in value.items()}
    text = repr(round(value, 4)) if isinstance(value, float) else repr(value)
    limit = LONGEST_EXAMPLE if not isinstance(value, dict) else 200
    return code(text if len(text) <= limit else f"{text[:limit]}…")


def _arguments(env: gym.Env) -> str:
    rows = [
        [code(each.name), code(repr(each.default)), each.meaning] for each in facts.arguments(env)
    ]
    return _table(["argument", "default", "meaning"], rows)


def overview_page(env_ids: Sequence[str]) -> str:
    """Returns the page that lists all ids with their animations."""
    cards = []
    for env_id in env_ids:
        cards.append(
            f'<a class="episode-card" href="{slug(env_id)}.html">'
            f'<img src="../_static/episodes/{slug(env_id)}.gif" alt="" loading="lazy">'
            f"<b>{title(env_id)}</b><span>{first_sentence(env_id)}</span></a>"
        )
    toctree = "\n".join(map(slug, env_ids))
    return (
        "# Environments\n\nEvery id is made by `gymnasium.make(id)`, and a batch of it by "
        "`gymnasium.make_vec(id, num_envs=64)`.\n\n```{raw} html\n"
        f'<div class="episode-cards">\n{chr(10).join(cards)}\n</div>\n```\n\n'
        f"```{{toctree}}\n:hidden:\n\n{toctree}\n```\n"
    )
