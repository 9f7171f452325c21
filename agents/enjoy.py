"""`python -m agents.enjoy RUN`: shows episodes of a trained agent, step by step.

Owns the command line; traces, views and pictures live in `agents.viewing`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from agents.config.imports import TRUST_HELP
from agents.config.loading import UserError, reported
from agents.evaluation.rollouts import evenly_spaced_indices
from agents.runs.files import check_writable, write_bytes, write_text
from agents.runs.manifest import CHECKPOINT_HELP
from agents.viewing.page import traces_page
from agents.viewing.pictures import animation, picture
from agents.viewing.recorder import check_indices, record, record_prompts
from agents.viewing.runs import ViewedRun, load_run
from agents.viewing.terminal_view import play_back
from agents.viewing.trace import EpisodeTrace
from lm_envs.envs.vector_env import LanguageVectorEnv

MOST_ROWS = 8


def enjoy(
    run: ViewedRun, split: str, episodes: int, indices: Sequence[int], prompt: str | None
) -> list[EpisodeTrace]:
    """Runs the agent on examples, or on a caller's own prompt.

    Args:
        run: The agent.
        split: Of the examples.
        episodes: Number of evenly spaced examples, if there are neither indices nor a prompt.
        indices: Of the examples to show.
        prompt: A caller's own.

    Raises:
        UserError: If an index is out of range, or a prompt is given for an environment without
            text, or together with indices.
    """
    if prompt is not None and indices:
        raise UserError("Got --prompt and --index; give one of them.")
    count = 1 if prompt is not None else len(indices) or episodes
    env = run.environment(split, min(MOST_ROWS, count))
    if prompt is not None:
        if not isinstance(env, LanguageVectorEnv):
            raise UserError(f"Got --prompt for {run.config.env.id}; allowed here: --index.")
        return record_prompts(env, run.policy, [prompt])
    check_indices(env, indices)
    return record(env, run.policy, indices or evenly_spaced_indices(env.num_examples, episodes))


def main(
    folder: Annotated[Path, typer.Argument(help="run of agents.train or agents.finetune")],
    episodes: Annotated[int, typer.Option(min=1, help="number of examples")] = 3,
    index: Annotated[list[int] | None, typer.Option(help="an example; repeatable")] = None,
    prompt: Annotated[str | None, typer.Option(help="your own prompt")] = None,
    split: Annotated[str, typer.Option(help="train, validation or test")] = "test",
    speed: Annotated[float, typer.Option(min=0, help="steps a second; 0: no animation")] = 4.0,
    color: Annotated[bool, typer.Option("--color/--no-color", help="colors")] = True,
    html: Annotated[Path | None, typer.Option(help="writes a page")] = None,
    gif: Annotated[Path | None, typer.Option(help="writes an animation")] = None,
    png: Annotated[Path | None, typer.Option(help="writes a picture")] = None,
    checkpoint: Annotated[str, typer.Option(help=CHECKPOINT_HELP)] = "last",
    trust_imports: Annotated[bool, typer.Option("--trust-imports", help=TRUST_HELP)] = False,
) -> None:
    """Shows what the agent could do at each step, what it preferred, and what it earned."""
    with reported():
        for path in filter(None, (html, gif, png)):
            check_writable(path.parent)
        run = load_run(folder, checkpoint, trust_imports=trust_imports)
        traces = enjoy(run, split, episodes, index or [], prompt)
        console = Console(no_color=None if color else True, highlight=False)
        play_back(traces, console, run.title, speed)
        if html is not None:
            write_text(html, traces_page(traces, run.title))
        if gif is not None:
            write_bytes(gif, animation(traces, speed or 4.0))
        if png is not None:
            write_bytes(png, picture(traces[0]))
        for path in (html, gif, png):
            if path is not None:
                console.print(f"wrote {path}", soft_wrap=True, markup=False)


if __name__ == "__main__":
    typer.run(main)
