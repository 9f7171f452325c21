"""Compiles the Triton kernels for GPUs without one: `python -m tests.proofs.triton_registers 90`.

Prints a line of JSON: registers and bytes of stack of a thread, for each kernel. A stack means that
registers did not suffice. Owns the sizes, those of GPT-2 124M with 16 candidates, and the types of
the arguments, as `triton_ops` and `triton_top_k` launch the kernels. The environment variable
TRITON_INTERPRET must not be set.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from triton.backends import nvidia
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, compile

from lm_envs.model.kernels import (
    triton_attention,
    triton_invariant,
    triton_linear,
    triton_ops,
    triton_rows,
    triton_top_k,
)

PROGRAM = Path(nvidia.__file__).parent / "bin" / "cuobjdump"
MODES = ("decode", "extend", "option", "score")
ALIGNED = ("stride", "capacity", "num_outputs", "num_inputs")
"""Numbers among the arguments that are multiples of 16, as Triton finds when it launches."""

WIDTH = {"SIZE": 768, "COLUMNS": 1024}
NORMAL = triton_ops.WARPS


def attend(dtype, cache, mode, *, is_narrow=False, joins=False):
    """The kernel of attention with a cache of a type; `mode` is decode, extend, option or score."""
    is_int8, decodes = cache == "i8", mode == "decode"
    scales = "*fp32" if is_int8 else f"*{cache}"
    types = dict.fromkeys(("q", "k", "v", "out"), f"*{dtype}")
    types |= {"keys": f"*{cache}", "values": f"*{cache}"}
    types |= {"key_scales": scales, "value_scales": scales, "scale": "fp32"}
    types |= {"tiles": "*i64" if decodes else "*i32", "stride": "i32", "capacity": "i32"}
    block = triton_ops.DECODE_BLOCK if is_narrow else triton_ops.BLOCK
    constants = {
        **{"HEADS": 12, "KV_HEADS": 12, "SIZE": 64, "COLUMNS": 64, "TILE": triton_ops.TILE},
        "BLOCK": triton_ops.INT8_BLOCK if is_int8 or (joins and dtype == "fp32") else block,
        "OWN_BLOCK": triton_ops.TILE if decodes or is_int8 else triton_ops.BLOCK,
        **{"HAS_CACHE": mode != "score", "STORES": mode in ("decode", "extend")},
        **{"DECODES": decodes, "JOINS": joins, "INT8": is_int8, "UPCASTS": False},
    }
    is_single = is_narrow and dtype == cache == "bf16"
    warps = triton_ops.DECODE_WARPS if is_single else NORMAL
    return triton_attention.attend, types, constants, warps


def rows_kernels(dtype):
    """The kernels of single rows, by name."""
    pointers = dict.fromkeys(("top", "maxima", "sums", "hidden", "logprobs", "log_z"), "*fp32")
    block = {"logits": f"*{dtype}", "top": "*fp32", "ids": "*i32", "maxima": "*fp32"}
    block |= {"sums": "*fp32", "stride": "i32", "num_logits": "i32"}
    row = {**pointers, "ids": "*i32", "embeddings": f"*{dtype}", "center": "*fp32"}
    row |= {"candidates": "*i64", **dict.fromkeys(("required", "num_blocks", "num_logits"), "i32")}
    norm = {"x": "*fp32", "update": f"*{dtype}", "gain": "*fp32", "bias": "*fp32"}
    embed = {"tokens": "*i64", "positions": "*i64", "token_table": f"*{dtype}"}
    logits = {"hidden": "*fp32", "embeddings": f"*{dtype}", "center": "*fp32", "tokens": "*i64"}
    search = {"COUNT": 16, "BLOCK": triton_top_k.LOGITS_PER_BLOCK, "IS_HALF": dtype == "bf16"}
    merge = {"COUNT": 16, "PLACES": 32, "BLOCKS": 64, "ENTRIES": 1024, "HAS_CENTER": True}
    return {
        "top_of_block": (triton_rows.top_of_block, block, search, triton_top_k.SEARCH_WARPS),
        "top_of_row": (triton_rows.top_of_row, row, WIDTH | merge, NORMAL),
        "add_norm": (
            triton_rows.add_norm,
            norm | {"out": f"*{dtype}", "epsilon": "fp32"},
            WIDTH | {"HAS_UPDATE": True, "CENTERS": True},
            NORMAL,
        ),
        "embed": (
            triton_rows.embed,
            embed | {"position_table": "*fp32", "out": "*fp32"},
            WIDTH,
            NORMAL,
        ),
        "token_logits": (
            triton_rows.token_logits,
            logits | {"out": "*fp32", "num_tokens": "i32"},
            WIDTH | {"HAS_CENTER": True},
            NORMAL,
        ),
    }


def product(dtype):
    """The product of fixed tiles, with everything that may follow it."""
    types = {**dict.fromkeys(("x", "weight", "bias", "out"), f"*{dtype}")}
    types |= dict.fromkeys(("num_rows", "num_outputs", "num_inputs"), "i32")
    tile = triton_invariant.TILES[torch.bfloat16 if dtype == "bf16" else torch.float32]
    names = ("ROWS", "OUTPUTS", "INPUTS")
    constants = dict(zip(names, tile, strict=True))
    constants |= {"HAS_BIAS": True, "GELU": True, "UPCASTS": False}
    return triton_linear.multiply, types, constants, NORMAL


def invariant_kernels(dtype):
    """The kernels of `triton_invariant` that `triton_ops` does not launch, by name."""
    found = {"multiply": product(dtype)}
    for mode in MODES:
        found[f"joined {mode}"] = attend(dtype, dtype, mode, joins=True)
        if mode != "score":
            found[f"joined i8 {mode}"] = attend(dtype, "i8", mode, joins=True)
    norm = dict.fromkeys(("x", "update", "gain", "bias", "out"), "*fp32") | {"epsilon": "fp32"}
    found["rms_norm"] = (
        triton_rows.add_norm,
        norm,
        WIDTH | {"HAS_UPDATE": False, "CENTERS": False},
        NORMAL,
    )
    logits = {"logits": "*fp32", "out": "*fp32", "stride": "i32", "num_logits": "i32"}
    found["log_sum"] = (
        triton_rows.log_sum,
        logits,
        {"BLOCK": triton_top_k.LOGITS_PER_BLOCK},
        NORMAL,
    )
    return found


def kernels():
    """Kernels by name: function, types of arguments, constants and number of warps."""
    found = {}
    for dtype in ("bf16", "fp32"):
        for cache in (dtype, "i8"):
            found[f"attend {dtype} {cache} decode full"] = attend(
                dtype, cache, "decode", is_narrow=True
            )
            for mode in ("decode", "extend", "option"):
                found[f"attend {dtype} {cache} {mode}"] = attend(dtype, cache, mode)
        found[f"attend {dtype} score"] = attend(dtype, dtype, "score")
        found |= {f"{name} {dtype}": each for name, each in rows_kernels(dtype).items()}
        found |= {f"{name} {dtype}": each for name, each in invariant_kernels(dtype).items()}
    types = {**dict.fromkeys(("rows", "starts", "sizes"), "*i64"), "tiles": "*i32"}
    types |= {"num_sequences": "i32"}
    constants = {"TILE": triton_ops.TILE, "SLOTS": 64}
    return found | {"make_tiles": (triton_attention.make_tiles, types, constants, NORMAL)}


def resources(function, types, constants, warps, architecture):
    """Registers and bytes of stack of a thread."""
    names = function.arg_names
    signature = {name: types.get(name, "constexpr") for name in names}
    aligned = [
        (place,)
        for place, name in enumerate(names)
        if name in types and (types[name].startswith("*") or name in ALIGNED)
    ]
    source = ASTSource(
        function,
        signature,
        {(names.index(name),): value for name, value in constants.items()},
        {place: [["tt.divisibility", 16]] for place in aligned},
    )
    options = {"num_warps": warps, "num_stages": 3}
    compiled = compile(source, target=GPUTarget("cuda", architecture, 32), options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compiled.asm["cubin"])
        file.flush()
        command = [PROGRAM, "--dump-resource-usage", file.name]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    numbers = {key: int(value) for key, value in re.findall(r"(REG|STACK):(\d+)", text)}
    return numbers["REG"], numbers["STACK"]


if __name__ == "__main__":
    target = int(sys.argv[1])
    print(json.dumps({name: resources(*each, target) for name, each in kernels().items()}))
