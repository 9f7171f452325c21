"""Parses the command line of `lm_envs` and prints.

Owns the three subcommands and their options. Knows nothing of what they compute.
"""

import argparse
import sys
from collections.abc import Sequence

import gymnasium as gym
from rich.console import Console
from rich.table import Table

import lm_envs
from lm_envs.command import demo, doctor

DESCRIPTION = "Language models as Gymnasium environments."


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one subcommand; exit status 1 if `doctor` finds a fault or a value is not allowed.

    Args:
        arguments: Words after `lm_envs`; None takes them from the command line.
    """
    chosen = _parser().parse_args(arguments)
    try:
        healthy = chosen.run(chosen)
    except (ValueError, ModuleNotFoundError) as error:
        sys.exit(f"Error: {error}")
    if healthy is False:
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="lm_envs", description=DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"lm_envs {lm_envs.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    envs = commands.add_parser("envs", help="list the registered environments, one line each")
    envs.set_defaults(run=_print_environments)
    examine = commands.add_parser(
        "doctor", help="versions, device, kernels, caches, missing extras, and a short self-test"
    )
    examine.add_argument("--model", default="embedded", help="model of the self-test")
    examine.set_defaults(run=_print_examination)
    show = commands.add_parser("demo", help="train a small agent for about a minute")
    show.add_argument(
        "--steps", type=int, default=demo.STEPS, help=f"environment steps ({demo.STEPS:,})"
    )
    show.add_argument("--seed", type=int, default=0)
    show.set_defaults(run=_print_demo)
    return parser


def _print_environments(_: argparse.Namespace) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for env_id in sorted(gym.registry):
        if str(gym.registry[env_id].vector_entry_point).startswith("lm_envs."):
            table.add_row(env_id, doctor.first_sentence(env_id))
    Console().print(table)
    print('\nMake one: gymnasium.make("lm_envs/NextWord-v0"), after `import lm_envs`.')


def _print_examination(chosen: argparse.Namespace) -> bool:
    console, healthy = Console(highlight=False), True
    for title, findings in doctor.examine(chosen.model):
        console.print(f"[bold]{title}[/bold]")
        for finding in findings:
            healthy &= not finding.is_fault
            mark = "FAULT " if finding.is_fault else ""
            console.print(
                f"  {finding.name:<18} {mark}{finding.text}", markup=False, soft_wrap=True
            )
    print("Everything works." if healthy else "At least one check failed: see FAULT above.")
    return healthy


def _print_demo(chosen: argparse.Namespace) -> None:
    for line in demo.run(chosen.steps, chosen.seed):
        print(line, flush=True)
