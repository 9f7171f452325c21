"""Folders with tiny tokenizers of each kind, trained in milliseconds, and a tiny model for them."""

import json

import tokenizers
import torch
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, GPT2Config, GPT2LMHeadModel

TEXTS = [
    "The cats were singing in 1984, and the dogs sang too.",
    "A singer sings a song: singing is fun!",
    "今天天气不错，我们去公园。",
]
SETTINGS = {"show_progress": False, "vocab_size": 420}


def byte_level(folder):
    """As Llama 3's: byte-level BPE with a token before each text."""
    backend = tokenizers.Tokenizer(models.BPE())
    pattern = tokenizers.Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+")
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pattern, "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.decoder = decoders.ByteLevel()
    special = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|reserved|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(special_tokens=special, initial_alphabet=alphabet, **SETTINGS)
    backend.train_from_iterator(TEXTS, trainer)
    template = processors.TemplateProcessing("<|begin_of_text|> $A", None, [(special[0], 0)])
    backend.post_processor = processors.Sequence([processors.ByteLevel(), template])
    return save(backend, folder, eos_token="<|eot_id|>", bos_token=special[0])


def sentence_piece(folder):
    """As TinyLlama's: BPE over characters, a space before a text, bytes for unknown characters."""
    byte_pieces = [f"<0x{byte:02X}>" for byte in range(256)]
    special = ["<unk>", "<s>", "</s>"]
    backend = tokenizers.Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    backend.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    trainer = trainers.BpeTrainer(special_tokens=[*special, *byte_pieces], **SETTINGS)
    backend.train_from_iterator(TEXTS[:2], trainer)
    state = json.loads(backend.to_str())
    state["model"] |= {"byte_fallback": True, "unk_token": "<unk>", "fuse_unk": True}
    state["added_tokens"] = [each for each in state["added_tokens"] if each["content"] in special]
    backend = tokenizers.Tokenizer.from_str(json.dumps(state))
    backend.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    backend.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 1)])
    return save(backend, folder, eos_token="</s>", bos_token="<s>", unk_token="<unk>")


def metaspace(folder):
    """As newer Llama files: the space is put by the pre-tokenizer."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    backend.train_from_iterator(TEXTS, trainers.BpeTrainer(special_tokens=["</s>"], **SETTINGS))
    return save(backend, folder, eos_token="</s>")


def word_piece(folder):
    """As BERT's, with the vocabulary file of uer/gpt2-chinese-cluecorpussmall's kind."""
    characters = sorted(set("".join(TEXTS[2:])))
    words = ["the", "cats", "sing", "##ing", "##er", "##s", "song", ".", ",", "!", "'", "a"]
    names = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, *characters]
    (folder / "vocab.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer", "do_lower_case": True}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


KINDS = (byte_level, sentence_piece, metaspace, word_piece)


def tiny_gpt2(folder, num_unused=0):
    """A random GPT-2 with embeddings for the ids of a folder's tokenizer, and unused ones."""
    torch.manual_seed(0)
    size = len(AutoTokenizer.from_pretrained(folder)) + num_unused
    config = GPT2Config(vocab_size=size, n_embd=32, n_layer=1, n_head=2, n_positions=64)
    return GPT2LMHeadModel(config)


def save(backend, folder, **names):
    backend.save(str(folder / "tokenizer.json"))
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **names}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder
