"""`python -m agents.pretrain CONFIG [--resume] [--export]`: pretrains the embedded GPT-2.

Owns the optimization and its run folder; the words come from `agents.corpus`, the exported folder
is what `transformers` and `lm_envs` load.
"""

import json
import math
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import GPT2Config, GPT2LMHeadModel

from agents.config.loading import UserError, load_config, reported
from agents.config.pretrain import PretrainConfig
from agents.corpus.documents import PARTS
from agents.corpus.streams import Streams, train_tokenizer
from agents.evaluation.plots import loss_curve
from agents.language_model.model_card import write_model_folder
from agents.runs.files import append_jsonl, write_json
from agents.runs.logs import METRICS, read_metrics, rewind
from lm_envs.storage import write_atomically
from lm_envs.tokenizer import Tokenizer

CHECKPOINT = "checkpoint.pt"


class Pretraining:
    """One run: model, optimizer and position in a fixed schedule.

    The batch of step s depends on the seed and s alone, so a resumed run sees what an
    uninterrupted one would have seen.
    """

    def __init__(self, config: PretrainConfig, tokenizer: Tokenizer, streams: Streams) -> None:
        self.config = config
        self.step = 0
        self.seconds = 0.0
        self._streams = streams
        torch.manual_seed(config.seed)
        end = tokenizer.end_token
        self.model = GPT2LMHeadModel(
            GPT2Config(
                **config.model.model_dump(),
                vocab_size=len(tokenizer),
                bos_token_id=end,
                eos_token_id=end,
                resid_pdrop=0.0,
                embd_pdrop=0.0,
                attn_pdrop=0.0,
            )
        )
        decayed = [p for p in self.model.parameters() if p.dim() > 1]
        plain = [p for p in self.model.parameters() if p.dim() == 1]
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=True)

    @property
    def is_finished(self) -> bool:
        """Whether every step is done."""
        return self.step >= self.config.num_steps

    def advance(self) -> float:
        """One optimizer step; its loss in nats per token.

        Raises:
            FloatingPointError: If the loss is not finite; the model is left as it was.
        """
        start = time.monotonic()
        batch = self._streams.batch(self.config, self.step)
        loss = self._loss(batch)
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"Got loss {loss.item()} at step {self.step}; the last checkpoint is intact. "
                "Lower learning_rate and use --resume."
            )
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        self.step += 1
        self.seconds += time.monotonic() - start
        return loss.item()

    @torch.no_grad()
    def held_out_losses(self) -> dict[str, float]:
        """Loss of each part's validation documents, nats per token."""
        return {
            part: float(np.mean([self._loss(rows).item() for rows in windows.split(16)]))
            for part, windows in self._streams.validation(self.config.context).items()
        }

    def save(self, path: Path) -> None:
        """Writes everything `restore` needs."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "config": self.config.model_dump(),
        }
        write_atomically(path, lambda temporary: torch.save(state, temporary))

    def restore(self, path: Path) -> None:
        """Continues from a checkpoint.

        Raises:
            UserError: If it was written with another configuration.
        """
        state = torch.load(path, weights_only=True)
        stored, mine = state["config"], self.config.model_dump()
        if differing := [key for key in mine if mine[key] != stored.get(key) and key != "run"]:
            raise UserError(
                f"Got {', '.join(f'{key}={mine[key]!r}' for key in differing)} with --resume of "
                f"{path}; allowed: what the run began with, "
                f"{', '.join(f'{key}={stored.get(key)!r}' for key in differing)}."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def _loss(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.config.bfloat16):
            return self.model(batch, labels=batch).loss

    def _learning_rate(self) -> float:
        """Linear warm-up, then a cosine to zero."""
        config = self.config
        if self.step < config.warmup_steps:
            return config.learning_rate * (self.step + 1) / config.warmup_steps
        share = (self.step - config.warmup_steps) / (config.num_steps - config.warmup_steps)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))


def pretrain(config: PretrainConfig, *, resume: bool = False) -> Pretraining:
    """Runs to the end of the schedule, logging and checkpointing on the way."""
    folder = Path(config.run)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / CHECKPOINT
    if checkpoint.exists() != resume:
        state, remedy = ("a", "use --resume or another `run`") if not resume else ("no", "drop it")
        raise UserError(f"Got {state} checkpoint at {checkpoint}; {remedy}.")
    tokenizer = train_tokenizer(folder / "tokenizer.json", config.vocab_size)
    run = Pretraining(config, tokenizer, Streams(tokenizer, folder, config.seed))
    if resume:
        run.restore(checkpoint)
        rewind(folder, run.step)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        bar = progress.add_task("pretraining", total=config.num_steps, completed=run.step)
        while not run.is_finished:
            loss = run.advance()
            progress.update(bar, advance=1, description=f"loss {loss:.3f}")
            _report(run, loss, folder)
    return run


def _report(run: Pretraining, loss: float, folder: Path) -> None:
    config = run.config
    row: dict[str, Any] = {"step": run.step, "loss": loss, "seconds": round(run.seconds, 1)}
    if run.step % config.evaluate_every == 0 or run.is_finished:
        row["held_out"] = run.held_out_losses()
    if run.step % config.log_every == 0 or "held_out" in row:
        append_jsonl(folder / METRICS, row)
    if run.step % config.checkpoint_every == 0 or run.is_finished:
        run.save(folder / CHECKPOINT)


def main(
    config: Annotated[Path, typer.Argument(help="YAML file")],
    resume: Annotated[bool, typer.Option(help="continue from the last checkpoint")] = False,
    assignments: Annotated[list[str] | None, typer.Option("--set", help="key=value")] = None,
    export: Annotated[Path | None, typer.Option(help="folder for the finished model")] = None,
) -> None:
    """Pretrains a GPT-2 on the offline corpus and exports it."""
    with reported():
        settings = load_config(PretrainConfig, config, assignments or [])
        run = pretrain(settings, resume=resume)
        folder = Path(settings.run)
        log = read_metrics(folder)
        loss_curve(log, folder / "loss.png")
        result = {
            "steps": run.step,
            "tokens": run.step * settings.batch_size * settings.context,
            "minutes": round(run.seconds / 60, 1),
            "held_out": {part: round(log[-1]["held_out"][part], 3) for part in PARTS},
        }
        write_json(folder / "result.json", result)
        if export is not None:
            write_model_folder(run.model, folder / "tokenizer.json", result, config, export)
        typer.echo(json.dumps(result))


if __name__ == "__main__":
    typer.run(main)
