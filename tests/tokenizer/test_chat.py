import json
import shutil

import gymnasium as gym
import numpy as np
import pytest
from transformers import AutoTokenizer

from lm_envs.model import loading
from lm_envs.tokenizer import Tokenizer
from lm_envs.tokenizer.chat import ChatTemplate
from tests.tokenizer import helpers

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|begin_of_text|>system\nYou are helpful<|eot_id|>\n' }}{% endif %}"
    "{{'<|begin_of_text|>' + message['role'] + '\n' + message['content'] + '<|eot_id|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|begin_of_text|>assistant\n' }}{% endif %}"
)
LLAMA3 = (
    "{{- bos_token }}{%- set ns = namespace(n=0) %}"
    "{%- for message in messages %}{%- set ns.n = ns.n + 1 %}"
    "{{- '<|reserved|>' + message['role'] + '\n\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{%- if not loop.last %}{%- continue %}{%- endif %}{%- endfor %}"
    "{%- if tools is none and add_generation_prompt %}"
    "{{- '<|reserved|>assistant ' ~ ns.n ~ '\n\n' }}{%- endif %}"
)
GENERATION = (
    "{%- for message in messages %}{% generation %}{{ message | tojson }}{% endgeneration %}"
    "{{ message.content }}{%- endfor %}{{ '[/INST]' if add_generation_prompt }}"
)


def chat_folder(folder, template):
    helpers.byte_level(folder)
    (folder / "chat_template.jinja").write_text(template)
    return folder


def loaded(folder, template, system_prompt=None, user_prompt=None):
    folder = chat_folder(folder, template)
    return Tokenizer.from_folder(folder).with_chat_template(
        ChatTemplate.from_folder(folder, system_prompt, user_prompt)
    )


@pytest.mark.parametrize("system", [None, "Sing!"])
@pytest.mark.parametrize("template", [CHATML, LLAMA3])
def test_a_prompt_has_the_ids_of_transformers(tmp_path, template, system):
    tokenizer = loaded(tmp_path, template, system)
    messages = [] if system is None else [{"role": "system", "content": system}]
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("The cats sang.", "1984 今天\n\nsinging", "x<|eot_id|>"):
        chat = [*messages, {"role": "user", "content": text}]
        expected = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        assert tokenizer.encode_prompt(text).tolist() == expected
        assert tokenizer.end_token in tokenizer.encode_prompt(text)
        assert tokenizer.end_token not in tokenizer.encode_completion(text)


def test_the_rendered_text_is_that_of_transformers_with_training_tags(tmp_path):
    folder = chat_folder(tmp_path, GENERATION)
    chat = [{"role": "user", "content": "<cats> 'n' dogs ä"}]
    expected = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        chat, add_generation_prompt=True, tokenize=False
    )
    with pytest.raises(ValueError, match="contains the user's text 2 times; allowed: once"):
        ChatTemplate.from_folder(folder)
    (folder / "chat_template.jinja").write_text(GENERATION.replace("| tojson", ".role | tojson"))
    found = ChatTemplate.from_folder(folder).render(chat[0]["content"])
    assert found == '"user"' + expected[expected.index("}") + 1 :]


@pytest.mark.parametrize("template", [CHATML, LLAMA3])
def test_the_text_of_a_prompt_is_the_users_text(tmp_path, template):
    tokenizer = loaded(tmp_path, template)
    for text in ("The cats sang.", "今天\nsinging"):
        assert tokenizer.decode_prompt(tokenizer.encode_prompt(text)) == text
        tokens = tokenizer.encode_start(text)
        assert tokenizer.decode_prompt(tokenizer.prompt_from(tokens)) == text


@pytest.mark.parametrize("template", [CHATML, LLAMA3])
def test_a_user_prompt_stands_around_the_text_and_is_no_part_of_it(tmp_path, template):
    tokenizer = loaded(tmp_path, template, user_prompt="Sing: {prompt} Now!")
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in ("the cats", "a {prompt} b"):
        chat = [{"role": "user", "content": f"Sing: {text} Now!"}]
        expected = theirs.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
        found = tokenizer.encode_prompt(text)
        assert found.tolist() == expected
        assert tokenizer.decode_prompt(found) == text


@pytest.mark.parametrize("user_prompt", ["Sing!", "{prompt} and {prompt}", ""])
def test_a_user_prompt_without_place_for_the_prompt_is_refused(tmp_path, user_prompt):
    with pytest.raises(ValueError, match=r"Got user_prompt=.*; allowed: a text with {prompt} once"):
        ChatTemplate.from_folder(chat_folder(tmp_path, CHATML), None, user_prompt)


def test_a_completion_begins_without_space_where_the_template_ends_in_a_line_break(tmp_path):
    plain = Tokenizer.from_folder(helpers.byte_level(tmp_path))
    assert plain.decode(plain.encode_completion("cats")) == " cats"
    chat = loaded(tmp_path, CHATML)
    assert chat.decode(chat.encode_completion("cats")) == "cats"
    inst = loaded(tmp_path, "{{ messages[0].content }}{{ '[/INST]' if add_generation_prompt }}")
    assert inst.decode(inst.encode_completion("cats")) == " cats"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ messages[0].content }}", "without a generation prompt.*chat_template=False"),
        ("hi {{ add_generation_prompt }}", "contains the user's text 0 times"),
        ("{% if %}", r"cannot be rendered \(TemplateSyntaxError"),
        ("{{ raise_exception('no user') }}", r"cannot be rendered \(TemplateError: no user\)"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "SecurityError"),
        ("{{ messages.append(messages) }}", "SecurityError"),
        ("{% set n = namespace() %}{% set n.__class__ = 1 %}", "SecurityError"),
        ("{% for i in range(999999999) %}{% endfor %}", "OverflowError"),
        ("{{ messages[7].content + 1 }}", "UndefinedError"),
    ],
)
def test_a_bad_or_malicious_template_is_refused(tmp_path, template, message):
    with pytest.raises(ValueError, match=rf"Got a chat template in .*{message}"):
        ChatTemplate.from_folder(chat_folder(tmp_path, template))


def test_a_tokenizer_without_template_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has no chat template; use chat_template=False"):
        ChatTemplate.from_folder(helpers.byte_level(tmp_path))


def test_a_date_does_not_depend_on_the_day(tmp_path):
    template = "{{ strftime_now('%d %b %Y') }}{{ messages[0].content }}{{ add_generation_prompt }}"
    assert ChatTemplate.from_folder(chat_folder(tmp_path, template)).before == "26 Jul 2024"


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory):
    """The embedded model with a chat template."""
    folder = shutil.copytree(loading.locate("embedded"), tmp_path_factory.mktemp("chat") / "model")
    template = CHATML.replace("<|begin_of_text|>", "<|endoftext|>").replace("<|eot_id|>", "")
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps(settings | {"chat_template": template}))
    return str(folder)


@pytest.mark.parametrize(
    ("env_id", "options"),
    [
        ("lm_envs/NextWord-v0", {}),
        ("lm_envs/Paraphrase-v0", {}),
        ("lm_envs/QuestionAnswering-v0", {}),
        ("lm_envs/Dialogue-v0", {"max_new_tokens": 60}),
        ("lm_envs/KnowledgeGraphQA-v0", {}),
    ],
)
def test_every_task_reads_the_template_and_reports_the_plain_prompt(chat_model, env_id, options):
    """With their defaults: a template takes no room from the prompt."""
    prompts, sizes, texts = [], [], {"system_prompt": "Sing!", "user_prompt": "Now: {prompt}"}
    for chat in ({}, {"chat_template": True, **texts}):
        env = gym.make(env_id, model=chat_model, **chat, **options).unwrapped
        _, info = env.reset(seed=0, options={"index": 3})
        ids = env.batch.episodes.prompt_ids[0].copy()
        prompts.append(info["prompt"])
        sizes.append(env.batch.num_examples)
        for _ in range(3):
            *_, info = env.step(env.action_space.sample())
            if "prompt" in info:
                break
    text = env.batch.tokenizer.decode(ids)
    assert text == f"system\nSing!\nuser\nNow: {prompts[1]}\nassistant\n"
    assert prompts[0] == prompts[1]
    assert sizes[0] == sizes[1]


def test_a_chat_state_is_restored(chat_model):
    make = {"model": chat_model, "chat_template": True}
    env = gym.make("lm_envs/QuestionAnswering-v0", **make).unwrapped
    env.reset(seed=0)
    state = env.get_state()
    other = gym.make("lm_envs/QuestionAnswering-v0", **make).unwrapped
    other.reset(seed=1)
    other.set_state(state)
    assert np.array_equal(env.step(0)[0], other.step(0)[0])


@pytest.mark.parametrize("name", ["system_prompt", "user_prompt"])
@pytest.mark.parametrize("env_id", ["lm_envs/NextWord-v0", "lm_envs/WeightTuning-v0"])
def test_a_text_of_the_template_needs_the_template(chat_model, env_id, name):
    with pytest.raises(ValueError, match=f"{name}='{{prompt}}' without chat_template=True"):
        gym.make(env_id, model=chat_model, **{name: "{prompt}"})


def test_a_tuned_model_reads_its_passages_in_the_template(chat_model):
    chat = {"chat_template": True, "system_prompt": "Sing!"}
    env = gym.make("lm_envs/WeightTuning-v0", model=chat_model, task="paraphrase", **chat)
    _, info = env.reset(seed=0)
    assert ": system Sing! user " in info["prompt"]
    assert " assistant " in info["prompt"]


def test_a_short_prompt_has_room_beside_the_template(chat_model):
    env = gym.make("lm_envs/NextWord-v0", model=chat_model, chat_template=True, prompt_tokens=2)
    _, info = env.reset(seed=0)
    tokenizer = env.unwrapped.batch.tokenizer
    assert len(tokenizer.encode_start(info["prompt"])) == 2
    assert len(env.unwrapped.batch.episodes.prompt_ids[0]) == 2 + tokenizer.prompt_overhead


def test_a_template_that_takes_more_tokens_around_long_texts_is_refused(chat_model, tmp_path):
    folder = shutil.copytree(chat_model, tmp_path / "model")
    long = "{% if message['content'] | length > 1 %}{{ ' so' * 9 }}{% endif %}{% endfor %}"
    template = CHATML.replace("<|begin_of_text|>", "").replace("<|eot_id|>", "")
    (folder / "chat_template.jinja").write_text(template.replace("{% endfor %}", long))
    make = {"model": str(folder), "chat_template": True, "prompt_tokens": 3}
    env = gym.make("lm_envs/NextWord-v0", **make)
    with pytest.raises(ValueError, match=r"prompt_tokens=3; allowed: more, .* \d+ more tokens"):
        env.reset(seed=0)
