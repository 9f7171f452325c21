"""A chat template: the text that a chat model reads for one message of a user.

Owns the rendering, in the sandbox that transformers uses: a template reaches no attribute of
Python, no file and no clock. Knows nothing of token ids.

Source: https://huggingface.co/docs/transformers/chat_templating
"""

import datetime
import json
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from lm_envs.tokenizer import files

TODAY = datetime.date(2024, 7, 26)
"""Date of templates that ask for one, so that an episode does not depend on the day. It is the date
that the template of Llama 3.2 falls back to."""

_GENERATION = re.compile(r"(\{%-?\s*)(end)?generation(\s*-?%\})")
"""A tag of transformers for training; its content is rendered as it is."""

PROMPT = "{prompt}"
"""What a `user_prompt` has in place of the prompt."""

_MARK = "\ue000"
"""A character that no template contains, in place of the user's text."""


class ChatTemplate:
    """Renders a user's text, and a system's text before it, up to where the assistant begins.

    Args:
        source: Jinja source.
        variables: Other values that the template reads, such as `bos_token`.
        system_prompt: Text of a message of the system; None for none, which some templates replace
            by their own.
        folder: Of the tokenizer, for messages.
        user_prompt: Text of the user's message, with `{prompt}` in place of the user's text; None
            for that text alone.

    Attributes:
        before: What comes before the user's text, `user_prompt` included.
        after: What comes after it.

    Raises:
        ImportError: If Jinja is missing or too old for its sandbox to be safe.
        ValueError: If the template cannot be rendered, has no generation prompt, or does not
            contain the user's text as it is, once.
    """

    def __init__(
        self,
        source: str,
        variables: Mapping[str, Any],
        system_prompt: str | None,
        folder: Path,
        user_prompt: str | None = None,
    ) -> None:
        self._source, self._variables, self._folder = source, dict(variables), folder
        self._user = PROMPT if user_prompt is None else user_prompt
        if self._user.count(PROMPT) != 1:
            raise ValueError(
                f"Got user_prompt={user_prompt!r}; allowed: a text with {PROMPT} once, in place of "
                "the task's prompt."
            )
        self._system = [] if system_prompt is None else [("system", system_prompt)]
        rendered = self.render(_MARK)
        if rendered == self._render(_MARK, add_generation_prompt=False):
            raise ValueError(
                f"Got a chat template in {folder} without a generation prompt: it does not depend "
                "on add_generation_prompt, so the model would not know that its answer begins. Use "
                "chat_template=False, or the template of a chat model."
            )
        if rendered.count(_MARK) != 1:
            raise ValueError(
                f"Got a chat template in {folder} that contains the user's text "
                f"{rendered.count(_MARK)} times; allowed: once. Use chat_template=False."
            )
        self.before, _, self.after = rendered.partition(_MARK)

    @classmethod
    def from_folder(
        cls, folder: Path, system_prompt: str | None = None, user_prompt: str | None = None
    ) -> "ChatTemplate":
        """Loads the template of a checkpoint's tokenizer.

        Raises:
            ImportError: As for the class.
            ValueError: If there is none; and as for the class.
        """
        source, names = files.load_chat_template(folder)
        if source is None:
            raise ValueError(
                f"Got chat_template=True, but the tokenizer in {folder} has no chat template; use "
                "chat_template=False, or a chat model, which has chat_template.jinja, or "
                "chat_template in tokenizer_config.json."
            )
        return cls(source, names, system_prompt, folder, user_prompt)

    def render(self, text: str) -> str:
        """Returns what the model reads for a user's text."""
        return self._render(text, add_generation_prompt=True)

    def _render(self, text: str, *, add_generation_prompt: bool) -> str:
        from jinja2 import TemplateError

        user = ("user", self._user.replace(PROMPT, text))
        messages = [{"role": role, "content": content} for role, content in [*self._system, user]]
        options = {"add_generation_prompt": add_generation_prompt, "tools": None, "documents": None}
        try:
            return self._template.render(messages=messages, **self._variables | options)
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise ValueError(
                f"Got a chat template in {self._folder} that cannot be rendered "
                f"({type(error).__name__}: {error}). Use chat_template=False, or "
                f"{'no system_prompt' if self._system else 'another template'}."
            ) from None

    @cached_property
    def _template(self) -> Any:  # noqa: ANN401 - Jinja is imported only here
        return _environment().from_string(_GENERATION.sub(_as_condition, self._source))


def _as_condition(match: re.Match[str]) -> str:
    return f"{match[1]}{'endif' if match[2] else 'if true'}{match[3]}"


def _environment() -> Any:  # noqa: ANN401 - Jinja is imported only here
    try:
        import jinja2
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        raise ImportError(
            "Got chat_template=True without the package jinja2; run `pip install 'lm_envs[chat]'`."
        ) from None
    if tuple(int(part) for part in re.findall(r"\d+", jinja2.__version__)[:3]) < (3, 1, 6):
        raise ImportError(
            f"Got jinja2 {jinja2.__version__}, from whose sandbox templates can escape; run `pip "
            "install 'jinja2>=3.1.6'`."
        )

    class Namespace(jinja2.utils.Namespace):
        """A namespace without attributes of Python, as in transformers."""

        def __setitem__(self, name: str, value: Any) -> None:  # noqa: ANN401 - any value
            if name.startswith("_"):
                raise jinja2.exceptions.SecurityError(f"{name!r} begins with an underscore")
            super().__setitem__(name, value)

    def raise_exception(message: str) -> None:
        raise jinja2.TemplateError(message)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {
        "raise_exception": raise_exception,
        "strftime_now": TODAY.strftime,
        "namespace": Namespace,
    }
    return environment


def _to_json(
    value: Any,  # noqa: ANN401 - any JSON value
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without the escapes of Jinja's own filter, which are for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )
