"""Pretraining of a GPT-2 on the offline corpus, on the CPU: optimization, checkpoints and logs.

Owns the optimizer, its schedule and the run folder. Tokens come from `agents.corpus`; the exported
folder is written by `agents.language_model.model_card`.
"""

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers import GPT2Config, GPT2LMHeadModel

from agents.config.loading import UserError
from agents.config.pretrain import PretrainConfig
from agents.corpus.streams import Streams, train_tokenizer
from agents.runs.checkpoints import BEST, CHECKPOINT, read_state
from agents.runs.files import append_jsonl
from agents.runs.logs import METRICS, delete_logs, rewind
from agents.runs.manifest import CHECKPOINTS, facts, write_listed
from agents.runs.session import RunSession
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice


class PretrainRun:
    """Model, optimizer and position in a fixed schedule.

    The batch of step s depends on the seed and s only, so a resumed run gets the same batches as
    an uninterrupted one.

    Args:
        config: Of the run.
        tokenizer: Of the corpus.
        streams: The tokenized corpus.

    Attributes:
        step: Number of optimizer steps done.
        seconds: Training time so far, without interruptions.
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
        plain = [p for p in self.model.parameters() if p.dim() == 1]  # biases and norms
        groups = [
            {"params": decayed, "weight_decay": config.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ]
        # lr is set before each step; betas are those of GPT-3, https://arxiv.org/abs/2005.14165.
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(0.9, 0.95), fused=True)

    @property
    def is_finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.config.num_steps

    def advance(self) -> float:
        """Takes one optimizer step; returns its loss in nats per token.

        Raises:
            FloatingPointError: If the loss is not finite; the model is then unchanged.
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
        """Computes the loss on each part's validation documents, nats per token."""
        return {
            part: float(np.mean([self._loss(rows).item() for rows in windows.split(16)]))
            for part, windows in self._streams.validation(self.config.context).items()
        }

    def save(self, path: Path, **facts: float) -> None:
        """Writes a checkpoint for `restore`; `facts` are listed in the manifest."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "config": self.config.model_dump(),
        }
        write_listed(
            path, lambda temporary: torch.save(state, temporary), {"step": self.step, **facts}
        )

    def restore(self, path: Path) -> None:
        """Restores a checkpoint.

        Raises:
            UserError: If it is damaged, or was written with another configuration.
        """
        state = read_state(path, ("model", "optimizer", "step", "seconds", "config"))
        stored, given = state["config"], self.config.model_dump()
        if differing := [key for key in given if given[key] != stored.get(key) and key != "run"]:
            raise UserError(
                f"Got {', '.join(f'{key}={given[key]!r}' for key in differing)} with --resume of "
                f"{path}; allowed: the values of its start, "
                f"{', '.join(f'{key}={stored.get(key)!r}' for key in differing)}."
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds = state["step"], state["seconds"]

    def _loss(self, batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.model.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            return self.model(batch, labels=batch).loss

    def _learning_rate(self) -> float:
        """Computes the learning rate: linear warm-up, then a cosine to zero."""
        config = self.config
        if self.step < config.warmup_steps:
            return config.learning_rate * (self.step + 1) / config.warmup_steps
        share = (self.step - config.warmup_steps) / (config.num_steps - config.warmup_steps)
        return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * share))


def pretrain(
    config: PretrainConfig, *, resume: bool = False, checkpoint: str = "last"
) -> PretrainRun:
    """Trains to the end of the schedule, with logs and checkpoints in the run folder.

    Args:
        config: Of the run.
        resume: Whether to continue from a checkpoint.
        checkpoint: From which to resume: "last", or "best" by the mean held-out loss.

    Raises:
        UserError: If there is a checkpoint without `resume`, or none with it, or it was written
            with another configuration, or another process uses the folder, or it disappears.
        FloatingPointError: If a loss is not finite.
        Interrupted: If SIGINT or SIGTERM arrived; the checkpoint is written first.
    """
    with RunSession(folder := Path(config.run)) as session:
        check_choice("checkpoint", checkpoint, CHECKPOINTS if resume else ["last"])
        path = folder / CHECKPOINTS[checkpoint]
        if path.exists() != resume:
            remedy = "drop it" if resume else "use --resume or another `run`"
            raise UserError(f"Got {'no' if resume else 'a'} checkpoint at {path}; {remedy}.")
        tokenizer = train_tokenizer(folder / "tokenizer.json", config.vocab_size)
        run = PretrainRun(config, tokenizer, Streams(tokenizer, folder, config.seed))
        if resume:
            run.restore(path)
            rewind(folder, run.step)
            run.save(folder / CHECKPOINT)  # of the step where the log now ends
        else:
            delete_logs(folder)  # of a run that was killed before its first checkpoint
        _train(run, folder, session)
    return run


def _train(run: PretrainRun, folder: Path, session: RunSession) -> None:
    """Takes the remaining steps; a signal ends them after a checkpoint."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn()) as progress:
        bar = progress.add_task("pretraining", total=run.config.num_steps, completed=run.step)
        while not run.is_finished:
            loss = run.advance()
            progress.update(bar, advance=1, description=f"loss {loss:.3f}")
            session.check_folder()
            _report(run, loss, folder)
            if session.is_stopping and not run.is_finished:
                run.save(folder / CHECKPOINT)
                session.stop_if_asked(run.step)


def _report(run: PretrainRun, loss: float, folder: Path) -> None:
    config = run.config
    row: dict[str, Any] = {"step": run.step, "loss": loss, "seconds": round(run.seconds, 1)}
    if run.step % config.evaluate_every == 0 or run.is_finished:
        row["held_out"] = run.held_out_losses()
        loss = float(np.mean(list(row["held_out"].values())))
        if loss < facts(folder / BEST).get("loss", math.inf):
            run.save(folder / BEST, loss=loss)
    if run.step % config.log_every == 0 or "held_out" in row:
        append_jsonl(folder / METRICS, row)
    if run.step % config.checkpoint_every == 0 or run.is_finished:
        run.save(folder / CHECKPOINT)
