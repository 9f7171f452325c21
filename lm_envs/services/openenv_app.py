"""The tool environments as an OpenEnv server: one WebSocket session is one environment.

Owns the translation of tool calls to OpenEnv's actions and observations. Needs OpenEnv:
`pip install openenv-core`.

Source: https://github.com/meta-pytorch/OpenEnv.
"""
# pyright: reportMissingImports=false

from collections.abc import Callable
from typing import Any, ClassVar

from openenv.core.env_server import Action, Environment, Observation, State, create_fastapi_app

from lm_envs.services.tools import ToolEnvironment, tool_environments
from lm_envs.validation import did_you_mean

MOST_SESSIONS = 256
"""Clients that one server serves at a time."""


class ToolAction(Action):
    """A call of a tool.

    Attributes:
        tool: Its name.
        arguments: By name.
    """

    tool: str
    arguments: dict[str, Any] = {}  # noqa: RUF012 - pydantic copies it


class ToolObservation(Observation):
    """What the model reads next; the reward is that of the episode when it is over, 0 before.

    Attributes:
        text: The prompt, or the result of the tool.
        tools: Names of the tools.
    """

    text: str
    tools: list[str]


class ToolServer(Environment):
    """A tool environment as OpenEnv's."""

    SUPPORTS_CONCURRENT_SESSIONS: ClassVar[bool] = True

    def __init__(self, env: ToolEnvironment) -> None:
        super().__init__()
        self._env = env
        self._steps = 0

    def reset(
        self,
        seed: int | None = None,
        episode_id: str | None = None,
        *,
        index: int | None = None,
        **_: Any,  # noqa: ANN401 - of later versions
    ) -> ToolObservation:
        """Starts an episode.

        Args:
            seed: Of the examples from now on; None goes on.
            episode_id: OpenEnv's; not used.
            index: Of the example; None draws one.
        """
        self._steps = 0
        if seed is not None:
            self._env.episode.seed(seed)
        return self._observation(self._env.reset(index=index))

    def step(
        self,
        action: ToolAction,
        timeout_s: float | None = None,
        **_: Any,  # noqa: ANN401 - of later versions
    ) -> ToolObservation:
        """Calls a tool; an unknown one or a wrong argument is the text of the observation."""
        self._steps += 1
        tools = self._env.tools
        if action.tool not in tools:
            hint = did_you_mean(action.tool, tools)
            text = f"Got tool {action.tool!r}; allowed: {', '.join(tools)}.{hint}"
            return self._observation(text)
        try:
            return self._observation(tools[action.tool](**action.arguments))
        except TypeError as error:
            return self._observation(f"Got arguments of {action.tool}: {error}.")
        except ValueError as error:
            return self._observation(str(error))

    @property
    def state(self) -> State:
        """Number of steps in this episode."""
        return State(step_count=self._steps)

    def _observation(self, text: str) -> ToolObservation:
        is_over = self._env.episode.is_over
        reward = self._env.get_reward() if is_over else 0.0
        return ToolObservation(text=text, tools=list(self._env.tools), done=is_over, reward=reward)


def make_app(
    task: str,
    *,
    seed: int = 0,
    most_sessions: int = MOST_SESSIONS,
    **options: Any,  # noqa: ANN401 - of the task
) -> Any:  # noqa: ANN401 - FastAPI is optional
    """Returns a FastAPI application, for `uvicorn.run(make_app("dialogue"))`.

    A client is `openenv.core.GenericEnvClient`: `reset(index=0)`, then
    `step({"tool": "reply", "arguments": {"message": "Which city?"}})`.

    Args:
        task: As in `tool_environments`.
        seed: As in `tool_environments`.
        most_sessions: Clients that are served at a time.
        options: As in `tool_environments`.

    Raises:
        ValueError: As `tool_environments`.
    """
    make: Callable[[], ToolEnvironment] = tool_environments(task, seed=seed, **options)
    return create_fastapi_app(
        lambda: ToolServer(make()), ToolAction, ToolObservation, max_concurrent_envs=most_sessions
    )
