"""Features of rated texts under a frozen model, as the reward "preference:FILE" computes them.

Owns how stored texts become completions, and a file with the features of texts that were read
before. The features are those of `lm_envs.tasks.rewards.preference`.
"""

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import torch

from lm_envs.model import loading
from lm_envs.model.lm_head import LMHead
from lm_envs.model.scoring import Scorer
from lm_envs.storage import read_arrays, write_arrays
from lm_envs.tasks.ratings import RatedText
from lm_envs.tasks.rewards.completions import Completions
from lm_envs.tasks.rewards.preference import FEATURES, named_features
from lm_envs.tokenizer import Tokenizer

TEXTS_AT_ONCE = 512
"""Bounds the memory of hidden states, and of comparisons between all tokens of a text."""

KIND = "lm_envs rated features 2"
DIGEST = 16
"""Bytes of the digest of a text."""

Features = tuple[np.ndarray, np.ndarray]
"""Mean hidden states (M, D) float32 and named features (M, F) float64 of M texts."""


def cached_features(texts: Sequence[RatedText], model: str, path: Path) -> Features:
    """Returns features of M texts; only those that the file lacks are computed, and added to it.

    Args:
        texts: As for `text_features`.
        model: As for an environment.
        path: Of the file; one of another model, or a damaged one, is written anew.
    """
    header = {"kind": KIND, "fingerprint": loading.fingerprint(model), "features": list(FEATURES)}
    known = _read(path, header)
    keys = [_digest(text) for text in texts]
    missing = [place for place, key in enumerate(keys) if key not in known]
    if missing:
        new = text_features([texts[place] for place in missing], model)
        known |= {keys[place]: rows for place, *rows in zip(missing, *new, strict=True)}
        _write(path, header, known)
    states, named = zip(*(known[key] for key in keys), strict=True)
    return np.stack(states), np.stack(named)


def text_features(texts: Sequence[RatedText], model: str, device: str = "auto") -> Features:
    """Returns features of M texts.

    Args:
        texts: With their tokens; a text without them is encoded.
        model: As for an environment.
        device: As for an environment.

    Raises:
        ValueError: If there is no such model, or a token is not in its vocabulary.
    """
    folder = loading.locate(model)
    tokenizer = Tokenizer.from_folder(folder)
    unwritten = tokenizer.special_tokens.tolist()
    network = loading.load(folder, device, "auto", len(tokenizer), unwritten)
    head = LMHead(network, 1, tokenizer.end_token)
    scorer = Scorer(network, head, None)
    ids = [_token_ids(text, tokenizer, scorer.longest) for text in texts]
    # Texts of similar length side by side need less padding.
    order = np.argsort([len(prompt) + len(own) for prompt, own in ids], kind="stable")
    states = np.zeros((len(texts), network.config.hidden_size), np.float32)
    named = np.zeros((len(texts), len(FEATURES)))
    for start in range(0, len(order), TEXTS_AT_ONCE):
        part = order[start : start + TEXTS_AT_ONCE]
        own = [ids[index] for index in part.tolist()]
        states[part], logprobs = _read_texts(own, scorer, head, network.device)
        named[part] = named_features(_completions(own, logprobs), np.arange(len(own)))
    return states, named


Ids = tuple[np.ndarray, np.ndarray]
"""Prompt (P,) and completion (T,) int64, both with one token or more."""


def _token_ids(text: RatedText, tokenizer: Tokenizer, longest: int) -> Ids:
    prompt, own = (np.array(ids, np.int64) for ids in (text.prompt_tokens, text.tokens))
    if not len(prompt):
        prompt = tokenizer.encode_prompt(text.prompt)  # with the tokens that begin every prompt
    if not len(own):
        # A stored text has lost the space before it, which is a part of its first token.
        space = "" if text.prompt[-1:].isspace() or not text.prompt else " "
        own = tokenizer.encode(space + text.text)
    largest = max(prompt.max(initial=0), own.max(initial=0))
    if largest >= len(tokenizer) or min(prompt.min(initial=0), own.min(initial=0)) < 0:
        raise ValueError(
            f"Got token {largest} in a rated text; allowed: 0 to {len(tokenizer) - 1}, the "
            "model's. Use the model whose texts were rated."
        )
    nothing = np.array([tokenizer.end_token], np.int64)
    return prompt if len(prompt) else nothing, (own if len(own) else nothing)[: longest - 1]


def _read_texts(
    ids: Sequence[Ids], scorer: Scorer, head: LMHead, device: torch.device
) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean hidden states (R, D) and log-probabilities (R, T), nats, in one pass."""
    sequences = [np.concatenate(pair)[-scorer.longest :] for pair in ids]
    hidden, sizes = scorer.hidden_states(sequences), [len(own) for _, own in ids]
    pairs = list(zip(hidden, sizes, strict=True))
    means = np.stack([states[-size:].mean(0) for states, size in pairs])
    before = np.concatenate([states[-size - 1 : -1] for states, size in pairs])
    tokens = np.concatenate([own for _, own in ids])
    with torch.inference_mode():
        arrays = (torch.from_numpy(array).to(device) for array in (before, tokens))
        flat = head.token_logprobs(*arrays).cpu().numpy()
    logprobs = np.zeros((len(ids), max(sizes)))
    logprobs[np.arange(max(sizes)) < np.array(sizes)[:, None]] = flat
    return means, logprobs


def _completions(ids: Sequence[Ids], logprobs: np.ndarray) -> Completions:
    lengths = np.array([len(own) for _, own in ids])
    tokens = np.zeros(logprobs.shape, np.int64)
    for row, (_, own) in enumerate(ids):
        tokens[row, : len(own)] = own
    return Completions(
        tokens=tokens,
        lengths=lengths,
        logprobs=logprobs,
        references=np.zeros((len(ids), 0), np.int64),
        reference_lengths=np.zeros(len(ids), np.int64),
        budget=logprobs.shape[1],
        prompt_tokens=[prompt for prompt, _ in ids],
    )


def _digest(text: RatedText) -> bytes:
    content = repr((text.prompt, text.text, text.prompt_tokens, text.tokens)).encode()
    return blake2b(content, digest_size=DIGEST).digest()


Known = dict[bytes, Sequence[np.ndarray]]
"""Mean hidden state (D,) and named features (F,) of texts, by their digests."""


def _read(path: Path, header: dict[str, object]) -> Known:
    if not path.is_file():
        return {}
    try:
        arrays, found = read_arrays(path, [KIND])
    except ValueError:
        return {}
    if found != header or arrays.keys() != {"digests", "states", "named"}:
        return {}
    keys = [digest.tobytes() for digest in arrays["digests"]]
    return dict(zip(keys, zip(arrays["states"], arrays["named"], strict=True), strict=True))


def _write(path: Path, header: dict[str, object], known: Known) -> None:
    digests = np.frombuffer(b"".join(known), np.uint8).reshape(-1, DIGEST)
    states, named = zip(*known.values(), strict=True)
    arrays = {"digests": digests, "states": np.stack(states), "named": np.stack(named)}
    write_arrays(path, arrays, header)
