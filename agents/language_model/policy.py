"""A Stable-Baselines3 policy that is a language model: its actions are tokens.

Owns the network, its value head and the KV caches of running texts. Knows nothing of rewards.
"""

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.distributions import CategoricalDistribution, Distribution
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from agents.language_model.buffer import SharedPrompts, check_spaces
from agents.language_model.incremental_decoder import CurrentDecoder, IncrementalDecoder
from agents.language_model.lora import LoRA
from agents.language_model.network import TrainableNetwork
from agents.language_model.nlpo_mask import NLPOMask, NLPOMaskSpec
from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer
from lm_envs.validation import check_choice


class LanguageModelPolicy(ActorCriticPolicy):
    """A language model as actor, and a linear function of its hidden state as critic.

    For environments made with `actions="vocabulary", observation="tokens"`. Rollouts forward each
    new token once, through KV caches that are rebuilt after every update. `evaluate_actions`
    forwards whole texts, one per episode where `EpisodeRolloutBuffer` groups the steps.

    Args:
        observation_space: `Dict(tokens, length)`.
        action_space: `Discrete(V)`.
        lr_schedule: Learning rate by remaining progress.
        model: Initial weights: "embedded", a folder, or a hub name.
        temperature: Divides logits, in rollouts and in updates.
        dtype: "float32" or "bfloat16", of the linears in rollouts.
        bfloat16: Whether to update under bfloat16 autocast; the first ratio is then 1 only roughly.
        gradient_checkpointing: Whether to update with less memory, in more time.
        lora: Adapters to train in place of the weights; None trains all weights.
        mask: Restriction of the tokens; None allows all. It costs a copy of the weights and a
            second forward pass of every text.
        arguments: Of `ActorCriticPolicy`.

    Attributes:
        folder: Of the checkpoint with the initial weights.
        last_log_probs: (N,) log-probabilities of the tokens chosen last, nats.

    Raises:
        ValueError: If the spaces are not those of tokens, or belong to another vocabulary.
    """

    # `network`, `value_net` and `masker` are prefixes of keys in saved checkpoints.

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
        mask: NLPOMaskSpec | None = None,
        **arguments: Any,  # noqa: ANN401 - of ActorCriticPolicy
    ) -> None:
        check_spaces(observation_space, action_space)
        check_choice("dtype", dtype, loading.DTYPES)
        if not temperature > 0.0:
            raise ValueError(f"Got temperature={temperature!r}; allowed: a number over 0.")
        self.model_name = model
        self._dtype_name, self._dtype = dtype, loading.DTYPES[dtype]
        self._options = {
            "temperature": temperature,
            "bfloat16": bfloat16,
            "gradient_checkpointing": gradient_checkpointing,
            "lora": lora,
        }
        self._mask = mask
        self.last_log_probs = torch.zeros(0)
        super().__init__(observation_space, action_space, lr_schedule, net_arch=[], **arguments)

    def _get_constructor_parameters(self) -> dict[str, Any]:
        """Arguments with which `load` makes the policy of a file that `save` wrote."""
        inherited = super()._get_constructor_parameters()
        del inherited["net_arch"]  # there are no layers between the model and its heads
        own = {"model": self.model_name, "dtype": self._dtype_name, "mask": self._mask}
        return {**inherited, **own, **self._options}

    def _build(self, lr_schedule: Schedule) -> None:
        """Makes network, value head and optimizer; called once by the base class."""
        self.folder = folder = loading.locate(self.model_name)
        self.tokenizer = Tokenizer.from_folder(folder)
        size = len(self.tokenizer)
        options = {**self._options, "unwritten": self.tokenizer.special_tokens.tolist()}
        self.network = TrainableNetwork(folder, size, **options)
        self._current = CurrentDecoder(lambda: self.network.decoder(self._dtype))
        _check_vocabulary(self.action_space, self.network, self.model_name)
        self.value_net = nn.Linear(self.network.hidden_size, 1)
        nn.init.zeros_(self.value_net.weight)
        nn.init.zeros_(self.value_net.bias)
        self.masker: NLPOMask | None = None
        if self._mask is not None:
            plain = {"gradient_checkpointing": False, "lora": None}
            copy = TrainableNetwork(folder, size, **options | plain)
            self.masker = NLPOMask(self._mask, copy, self._dtype)
        kwargs: dict[str, Any] = {"lr": lr_schedule(1)} | self.optimizer_kwargs
        if issubclass(self.optimizer_class, torch.optim.Adam):
            kwargs = {"fused": True} | kwargs  # one pass, no copies of the weights
        trainable = [each for each in self.parameters() if each.requires_grad]
        self.optimizer = self.optimizer_class(trainable, **kwargs)
        self.optimizer.register_step_post_hook(lambda *_: self._finish_step())

    @property
    def decoder(self) -> IncrementalDecoder:
        """Decoder with the current weights, made on first use after an update."""
        if not self._current.is_current and self.masker is not None:
            self.masker.update_copy(self.network)
        return self._current.get()

    def clear_cache(self) -> None:
        """Drops cached keys and values; has to follow every change of the weights."""
        self._current.drop()

    def forward(
        self, obs: PyTorchObs, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Returns tokens (N,), values (N, 1) and log-probabilities (N,) for running texts."""
        hidden = self.hidden_states(obs)
        tokens, self.last_log_probs = self.decoder.choose(
            hidden, self._allowed(obs), deterministic=deterministic
        )
        return tokens, self.value_net(hidden), self.last_log_probs

    def evaluate_actions(
        self, obs: PyTorchObs, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Computes values (M, 1), log-probabilities (M,) and entropies (M,), with gradients.

        Args:
            obs: `tokens` (E, C) and `length` (E, 1) of whole texts; and for each of M steps its
                text `episode` (M,) and the number of tokens before it, `position` (M,). Without
                these two every text is one step, M = E. With `prompt` (E,), the number of prompt
                tokens of each text, texts share the forward pass of a common prompt.
            actions: (M,) tokens.
        """
        assert isinstance(obs, dict)
        if torch.is_grad_enabled():
            if self.masker is not None and self._current.is_current:
                self.masker.count_update()  # the first minibatch after a rollout
            self.clear_cache()
        lengths = obs["length"].long().flatten()
        tokens = obs["tokens"].long()
        if "episode" not in obs:  # `EpisodeRolloutBuffer` has cut the padding off
            tokens = tokens[:, : int(lengths.max())]
        episode = obs.get("episode", torch.arange(len(tokens), device=tokens.device)).long()
        position = obs.get("position", lengths).long()
        hidden = self._hidden_before(obs, tokens, lengths, episode, position)  # (M, D)
        mask = self.masker
        allowed = None if mask is None else mask.allowed_at_steps(tokens, episode, position)
        logprobs, entropies = self.network.logprobs_and_entropy(hidden, actions.long(), allowed)
        return self.value_net(hidden), logprobs, entropies

    def _hidden_before(
        self,
        obs: dict[str, torch.Tensor],
        tokens: torch.Tensor,
        lengths: torch.Tensor,
        episode: torch.Tensor,
        position: torch.Tensor,
    ) -> torch.Tensor:
        """Computes the hidden states (M, D), with gradients, from which M tokens were chosen."""
        if "prompt" not in obs:
            return self.network(tokens)[episode, position - 1]
        shared = SharedPrompts.from_texts(tokens, lengths, obs["prompt"].long())
        hidden = self.network(shared.tokens, **shared.layout)
        return hidden[shared.places(episode, position - 1)]

    def predict_values(self, obs: PyTorchObs) -> torch.Tensor:
        """Computes values (N, 1) of running texts."""
        return self.value_net(self.hidden_states(obs))

    def hidden_states(self, obs: PyTorchObs) -> torch.Tensor:
        """Computes last hidden states (N, D) float32 of running texts, without gradients."""
        return self.decoder.read(*_running(obs))

    def get_distribution(self, obs: PyTorchObs) -> Distribution:
        """Computes the distribution over tokens after running texts."""
        size = self.network.tokenizer_size
        distribution = CategoricalDistribution(size)
        logits = self.network.logits(self.hidden_states(obs))[:, :size]
        allowed = self._allowed(obs)
        if allowed is not None:
            logits.masked_fill_(~allowed, -torch.inf)
        return distribution.proba_distribution(logits)

    def load_state_dict(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - as Module's
        """Loads parameters and drops the caches of the former ones."""
        self.clear_cache()
        if self.masker is not None:
            self.masker.clear_cache()
        return super().load_state_dict(*arguments, **options)

    def _finish_step(self) -> None:
        """Drops caches and gradients after an optimizer step, which frees their memory."""
        self.clear_cache()
        self.optimizer.zero_grad()

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> torch.Tensor:
        return self.forward(observation, deterministic)[0]

    def _allowed(self, obs: PyTorchObs) -> torch.Tensor | None:
        """Returns the tokens (N, tokenizer_size) allowed after running texts; None for all."""
        return None if self.masker is None else self.masker.allowed(*_running(obs))


def _running(obs: PyTorchObs) -> tuple[np.ndarray, np.ndarray]:
    """Returns tokens (N, C) and lengths (N,) of running texts."""
    assert isinstance(obs, dict)
    both = torch.cat([obs["tokens"].long(), obs["length"].long()], 1).cpu().numpy()  # one copy
    return np.ascontiguousarray(both[:, :-1]), both[:, -1].copy()


def _check_vocabulary(actions: gym.Space[Any], network: TrainableNetwork, model: str) -> None:
    size = network.tokenizer_size
    if actions != gym.spaces.Discrete(size):
        raise ValueError(
            f"Got {actions} for {model!r}, which has {size} tokens; make the environment with "
            "actions='vocabulary' and the same model."
        )
