"""`python -m benchmarks pictures RUN FOLDER`: what the commands for people show, as PNG files.

Owns which commands are shown, and how a terminal and a page become pictures: terminals are drawn
by `rich` as SVG, and Chromium, without a window, draws SVG and pages. Measures nothing.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from agents.config.loading import UserError, reported
from agents.runs.files import check_writable, write_bytes
from agents.runs.finished import read_finished

COLUMNS = 80
FIRST_LINES, LAST_LINES = 27, 20
"""Lines of a longer terminal that a picture shows: where it begins, and how it ends."""

COLORS = 256
"""Colors of a PNG, which make it small; with fewer, the color of a single word was lost."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PLAYED = "?\n1\n2\n" + "1\n" * 200
"""Keys of the game that is shown: a hint, the first choice, the second one, then the first ones."""


def main(
    run: Annotated[Path, typer.Argument(help="run of agents.train")],
    folder: Annotated[Path, typer.Argument(help="folder of the pictures")],
) -> None:
    """Draws rate.png, enjoy.png, step.png, play.png, explain.png, explanation.png, evaluate.png."""
    with reported():
        env_id = read_finished(run).env.id
        check_writable(folder)
        browser = find_browser()
        with rating_server(run) as address:
            draw_page(browser, address, (900, 520), folder / "rate.png")
        png = ["--png", folder / "step.png"]
        enjoy = ["enjoy", run, "--episodes", 1, "--speed", 0]
        for arguments, others in (
            (enjoy, png),
            (["play", env_id, "--run", run, "--episodes", 1], []),
            (["explain", run], []),
            (["evaluate", run, "--episodes", 64], []),
        ):
            text = terminal([*arguments, *others], PLAYED)
            path = folder / f"{arguments[0]}.png"
            draw_terminal(browser, shown_command([*arguments, *others]), text, path)
            if arguments[0] == "explain":
                page = (run / "explanation" / "index.html").resolve()
                draw_page(browser, page.as_uri(), (900, 1225), folder / "explanation.png")
        for path in sorted(folder.glob("*.png")):
            typer.echo(f"{path}: {path.stat().st_size / 1024:.0f} KiB")


def find_browser() -> str:
    """Returns the path of Chromium.

    Raises:
        UserError: If there is none.
    """
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        raise UserError(
            f"Got no {' or '.join(BROWSERS)}, which draws the pictures; install one, such as by "
            "apt-get install chromium."
        )
    return found


def shown_command(arguments: Sequence[object]) -> str:
    """Returns the command as a person types it."""
    name, *others = map(str, arguments)
    return " ".join([f"python -m agents.{name}", *others])


def terminal(arguments: Sequence[object], keys: str = "") -> str:
    """Runs a command of `agents`; returns what it prints to a terminal, with its colors.

    Raises:
        UserError: If it fails.
    """
    name, *others = map(str, arguments)
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm"}
    command = [sys.executable, "-m", f"agents.{name}", *others]
    done = subprocess.run(command, input=keys, env=environment, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(f"Got exit code {done.returncode} from agents.{name}: {reason}")
    return done.stdout


def excerpt(lines: Sequence[str]) -> list[str]:
    """Returns the first and the last lines, with "⋮" between them, if there are too many.

    The cuts are at blank lines, so that tables stay whole, unless half of a part would be lost.
    """
    if len(lines) <= FIRST_LINES + LAST_LINES:
        return list(lines)
    blank = [place for place, line in enumerate(lines) if not line.strip()]
    first = max((place for place in blank if place <= FIRST_LINES), default=0)
    last = min((place for place in blank if place >= len(lines) - LAST_LINES), default=len(lines))
    first = first if 2 * first > FIRST_LINES else FIRST_LINES
    last = last if 2 * (len(lines) - last) > LAST_LINES else len(lines) - LAST_LINES
    return [*lines[:first], "⋮", *lines[last:]]


def draw_terminal(browser: str, command: str, text: str, path: Path) -> None:
    """Draws the first and the last lines of a terminal, below the command."""
    lines = excerpt(text.splitlines())
    console = Console(width=COLUMNS, record=True, file=StringIO(), force_terminal=True)
    console.print(Text(f"$ {command}", style="dim"))
    console.print(Text.from_ansi("\n".join(lines)), soft_wrap=True)
    svg = console.export_svg(title="")
    # Without the address of a font: the system's monospaced one is drawn, and nothing is loaded.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert found is not None
    with TemporaryDirectory() as folder:
        file = Path(folder) / "terminal.svg"
        file.write_text(svg, encoding="utf-8")
        size = (round(float(found[1])), round(float(found[2])))
        draw_page(browser, file.as_uri(), size, path)


def draw_page(browser: str, address: str, size: tuple[int, int], path: Path) -> None:
    """Draws the top of a page of width and height `size`, pixels, in few colors."""
    from PIL import Image

    with TemporaryDirectory() as folder:
        file = Path(folder) / "page.png"
        command = [browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        command += [f"--user-data-dir={folder}/profile", f"--screenshot={file}"]
        command += ["--virtual-time-budget=10000", f"--window-size={size[0]},{size[1]}", address]
        subprocess.run(command, capture_output=True, check=True, timeout=300)
        image = Image.open(file).convert("RGB").quantize(COLORS)
        target = Path(folder) / "small.png"
        image.save(target, optimize=True)
        write_bytes(path, target.read_bytes())


@contextmanager
def rating_server(run: Path) -> Iterator[str]:
    """Serves pairs of an agent's and the model's texts; yields the address of the page."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "agents.rate", str(run), "--pairs", "30", "--port", "0"]
        command += ["--store", f"{folder}/ratings.sqlite", "--rater", "Anna"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            address = server.stdout.readline().strip()  # empty if it failed; it has printed why
            try:
                if not address:
                    raise UserError(f"Got no address of agents.rate for {run}.")
                yield address
            finally:
                server.terminate()
