"""`lm_envs/Captioning-v0`: its page and its defaults."""

from typing import Any

from lm_envs.envs.single_env import LanguageEnv
from lm_envs.envs.vector_env import LanguageVectorEnv

DEFAULTS = {"actions": {"kind": "top_k", "k": 1, "copies": 37, "order": "prompt"}}


class CaptioningEnv(LanguageEnv):
    """Write what an image shows.

    Information, shared arguments and the vectorized environment: see `LanguageEnv`.

    ## Description
    The agent sees an image; the frozen model, which sees none, reads a list of words and proposes
    tokens; the agent writes the caption token by token, or chooses one of several lines. The
    embedded images are rendered scenes: one object ("a red circle"), two or three ("two red
    circles"), or two objects beside or above each other ("a red circle left of a blue square").
    They are held out by combination: what a test scene shows, number, color, shape and relation
    together, is in no training scene; with `held_out="pair"`, which is harder, no pair of color and
    shape is. `dataset="digits"` has handwritten digits (`lm_envs[images]`), and a file of your own
    names images in its folder.

    ## Action Space
    `Discrete(38)` (`actions={"kind": "top_k", "k": 1, "copies": 37, "order": "prompt"}`): the
    tokens of the prompt, which are those of all captions, in the order of the prompt, and the end
    token. An action writes the same token at each step. Where the prompt has fewer tokens, as with
    `kind="object"`, the model's most likely others come before the end token. With
    `actions="choices"`, action a writes the a-th of the captions if there are at most 16 different
    ones, as of the digits, and else the a-th of four captions, one of which is right.

    ## Observation Space
    `Dict(image, text)`: `image` is `Box(0, 255, (36, 36, 3), uint8)`, the image; `text` is the
    vector of `lm_envs/NextWord-v0`, whose candidates are in the order of the actions. With
    `observation="tokens"`, `Dict(image, tokens, length)`.

    ## Rewards
    `rewards={"chrf": 0.5, "exact_match": 0.5}` by default: similarity to the closest caption of the
    image, and whether it is one of them. The reward of a step is by how much it raised the sum.
    Reward functions get the image as `image`.

    ## Starting State
    An image drawn from the dataset's split. `reset(options={"index": 3})` selects one,
    `{"image": array}` shows an image of your own, without captions, `{"prompt": ...}` sets another
    prompt, with a black image.

    ## Episode End
    Terminates at the end token, at the end of the line, or when `max_new_tokens` are written; with
    choices after one line. Truncates after `max_steps`.

    ## Arguments
    Those of `LanguageEnv`; `dataset`, `split`, `kind`, `held_out`, `image_size`, `blank`, `shots`,
    `columns`, `prompt_tokens`, `max_new_tokens` and `rewards` as in
    `lm_envs.tasks.captioning.task.Captioning`.

    Example:
        >>> import gymnasium as gym
        >>> import lm_envs
        >>> env = gym.make("lm_envs/Captioning-v0", shots=2)
        >>> observation, info = env.reset(options={"index": 0})
        >>> observation["image"].shape
        (36, 36, 3)
        >>> print(info["prompt"])
        Text: a blue ring left of a green circle; a gold square above a white triangle
        Paraphrase:
        >>> observation, reward, terminated, truncated, info = env.step(0)
    """

    def __init__(self, **arguments: Any) -> None:  # noqa: ANN401 - as LanguageVectorEnv
        super().__init__(task="captioning", **{**DEFAULTS, **arguments})


class CaptioningVectorEnv(LanguageVectorEnv):
    """`CaptioningEnv` with N rows."""

    def __init__(self, num_envs: int = 1, **arguments: Any) -> None:  # noqa: ANN401
        super().__init__(num_envs, task="captioning", **{**DEFAULTS, **arguments})
