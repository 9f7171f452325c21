"""A Stable-Baselines3 policy that is a language model: the words are its actions.

Owns the network, its value head and the readers of running texts. Knows nothing of rewards.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from agents.language_model.buffer import check_spaces
from agents.language_model.incremental_decoder import Decoder
from agents.language_model.lora import LoRA
from agents.language_model.network import TrainableGPT2
from agents.language_model.nlpo_mask import Mask, Masker
from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice


class LanguageModelPolicy(ActorCriticPolicy):
    """GPT-2 as actor, a linear value of its hidden state as critic.

    For environments made with `actions="vocabulary", observation="tokens"`. Rollouts read each new
    token once, through KV slots that are rebuilt after every update; `evaluate_actions` reads whole
    texts, one per episode where `EpisodeRolloutBuffer` says which steps belong together.

    Args:
        observation_space: `Dict(tokens, length)`.
        action_space: `Discrete(V)`.
        lr_schedule: Learning rate by remaining progress.
        model: "embedded", a folder, or a hub name: the weights to begin from.
        temperature: What logits are divided by, when acting and when learning.
        dtype: "float32" or "bfloat16" of the linears in rollouts.
        bfloat16: Update under bfloat16 autocast; the first ratio is then 1 only roughly.
        gradient_checkpointing: Update with less memory, in more time.
        lora: Adapters, which alone are learned; None learns all weights.
        mask: Words that may be chosen; None for all. Costs a copy of the weights, which reads every
            text too.
        arguments: Of `ActorCriticPolicy`.

    Attributes:
        folder: Of the checkpoint that the weights began from.
        last_log_probs: (N,) log-probabilities of the words chosen last, nats.

    Raises:
        ValueError: If the spaces are not those of words and tokens, or of another vocabulary.
    """

    def __init__(
        self,
        observation_space: gym.Space[Any],
        action_space: gym.Space[Any],
        lr_schedule: Schedule,
        *,
        model: str = loading.EMBEDDED,
        temperature: float = 1.0,
        dtype: str = "float32",
        bfloat16: bool = False,
        gradient_checkpointing: bool = False,
        lora: LoRA | None = None,
        mask: Mask | None = None,
        **arguments: Any,  # noqa: ANN401 - of ActorCriticPolicy
    ) -> None:
        check_spaces(observation_space, action_space)
        check_choice("dtype", dtype, loading.DTYPES)
        if not temperature > 0.0:
            raise ValueError(f"Got temperature={temperature!r}; allowed: a number over 0.")
        self.model_name = model
        self._dtype = loading.DTYPES[dtype]
        self._options = {
            "temperature": temperature,
            "bfloat16": bfloat16,
            "gradient_checkpointing": gradient_checkpointing,
            "lora": lora,
        }
        self._mask = mask
        self._current: Decoder | None = None
        self.last_log_probs = torch.zeros(0)
        super().__init__(observation_space, action_space, lr_schedule, net_arch=[], **arguments)

    def _build(self, lr_schedule: Schedule) -> None:
        """Called once by the base class: network, value head and optimizer."""
        self.folder = folder = loading.locate(self.model_name)
        self.tokenizer = Tokenizer.from_folder(folder)
        num_words = len(self.tokenizer)
        self.network = TrainableGPT2(folder, num_words, **self._options)
        _check_vocabulary(self.action_space, self.network, self.model_name)
        self.value_net = nn.Linear(self.network.width, 1)
        nn.init.zeros_(self.value_net.weight)
        nn.init.zeros_(self.value_net.bias)
        self.masker: Masker | None = None
        if self._mask is not None:
            plain = {"gradient_checkpointing": False, "lora": None}
            copy = TrainableGPT2(folder, num_words, **self._options | plain)
            self.masker = Masker(self._mask, copy, self._dtype)
        kwargs: dict[str, Any] = {"lr": lr_schedule(1)} | self.optimizer_kwargs
        if issubclass(self.optimizer_class, torch.optim.Adam):
            kwargs = {"fused": True} | kwargs  # one pass, no copies of the weights
        learned = [each for each in self.parameters() if each.requires_grad]
        self.optimizer = self.optimizer_class(learned, **kwargs)
        self.optimizer.register_step_post_hook(lambda *_: self._end_step())

    def refresh(self) -> None:
        """Forgets what was read, and frees it: the weights are others now, or soon will be."""
        self._current = None

    def forward(
        self, obs: PyTorchObs, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Words (N,), values (N, 1) and log-probabilities (N,) for running texts."""
        hidden = self._read(obs)
        words, self.last_log_probs = self._decoder.choose(
            hidden, self._keep(obs), deterministic=deterministic
        )
        return words, self.value_net(hidden), self.last_log_probs

    def evaluate_actions(
        self, obs: PyTorchObs, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Values (M, 1), log-probabilities (M,) and entropies (M,) of words (M,), with gradients.

        Args:
            obs: `tokens` (E, C) and `length` (E, 1) of whole texts; and for each of M steps its
                text `episode` (M,) and how many tokens stood in it, `position` (M,). Without these
                two every text is one step, M = E.
            actions: (M,).
        """
        assert isinstance(obs, dict)
        if torch.is_grad_enabled():
            if self.masker is not None and self._current is not None:
                self.masker.count_update()  # the first minibatch since words were chosen
            self.refresh()
        lengths = obs["length"].long().flatten()
        tokens = obs["tokens"].long()[:, : int(lengths.max())]
        episode = obs.get("episode", torch.arange(len(tokens), device=tokens.device)).long()
        position = obs.get("position", lengths).long()
        hidden = self.network(tokens)[episode, position - 1]  # (M, D)
        masker = self.masker
        keep = None if masker is None else masker.keep_of_steps(tokens, episode, position)
        logprobs, entropies = self.network.judge(hidden, actions.long(), keep)
        return self.value_net(hidden), logprobs, entropies

    def predict_values(self, obs: PyTorchObs) -> torch.Tensor:
        """Values (N, 1) of running texts."""
        return self.value_net(self._read(obs))

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Distribution over words after running texts."""
        distribution = CategoricalDistribution(int(self.network.model.config.vocab_size))
        logits, keep = self.network.logits(self._read(obs)), self._keep(obs)
        if keep is not None:
            logits[:, : keep.shape[1]].masked_fill_(~keep, -torch.inf)
        return distribution.proba_distribution(logits)

    def load_state_dict(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as Module's
        """Takes over parameters; what was read is forgotten."""
        self.refresh()
        if self.masker is not None:
            self.masker.forget()
        return super().load_state_dict(*arguments, **options)

    def _end_step(self) -> None:
        """The weights are others now, and their gradients are in nobody's way any more."""
        self.refresh()
        self.optimizer.zero_grad()

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        return self.forward(observation, deterministic)[0]

    def _read(self, obs: PyTorchObs) -> torch.Tensor:
        """Hidden states (N, D) of running texts."""
        return self._decoder.read(*_running(obs))

    @property
    def _decoder(self) -> Decoder:
        """The weights as they are now, ready to write."""
        if self._current is None:
            self._current = self.network.decoder(self._dtype)
            if self.masker is not None:
                self.masker.renew(self.network)
        return self._current

    def _keep(self, obs: PyTorchObs) -> torch.Tensor | None:
        """Words that may follow running texts, (N, num_words); None for all."""
        return None if self.masker is None else self.masker.keep(*_running(obs))


def _running(obs: PyTorchObs) -> tuple[np.ndarray, np.ndarray]:
    """Tokens (N, C) and lengths (N,) of running texts."""
    assert isinstance(obs, dict)
    tokens, lengths = (obs[name].cpu().numpy().astype(np.int64) for name in ("tokens", "length"))
    return tokens, lengths[:, 0]


def _check_vocabulary(actions: gym.Space[Any], network: TrainableGPT2, model: str) -> None:
    size = network.model.config.vocab_size
    if actions != gym.spaces.Discrete(size):
        raise ValueError(
            f"Got {actions} for {model!r}, which has {size} words; make the environment with "
            "actions='vocabulary' and the same model."
        )
