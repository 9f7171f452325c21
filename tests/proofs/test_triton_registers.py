"""Every Triton kernel compiles for the GPUs of today, and its numbers stay in registers."""

import json
import os
import subprocess
import sys

import pytest

triton = pytest.importorskip("triton")

INTERPRET = "TRITON_INTERPRET"

MOST_STACK = 8
"""Bytes of a thread: one kernel, of the lines that int8 caches score, has two numbers there."""

MOST_REGISTERS = {
    "attend bf16 bf16 decode full": 135,
    "attend bf16 bf16 decode": 79,
    "attend bf16 bf16 extend": 72,
    "attend bf16 bf16 option": 72,
    "top_of_block bf16": 64,
    "top_of_row bf16": 40,
    "add_norm bf16": 32,
    "embed bf16": 26,
    "token_logits bf16": 32,
    "make_tiles": 22,
}
"""On compute capability 9.0, an H100, with Triton 3.9: more of them would leave room for fewer
programs at a time."""


def compiled(architecture):
    """Registers and bytes of stack of each kernel, by a process without Triton's interpreter."""
    command = [sys.executable, "-m", "tests.proofs.triton_registers", str(architecture)]
    environment = {name: value for name, value in os.environ.items() if name != INTERPRET}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "architecture",
    [pytest.param(80, marks=pytest.mark.slow), 90, pytest.param(100, marks=pytest.mark.slow)],
)
def test_every_kernel_compiles_and_its_numbers_stay_in_registers(architecture):
    """Compute capabilities 8.0 (A100), 9.0 (H100) and 10.0 (B200)."""
    found = compiled(architecture)
    assert {name: stack for name, (_, stack) in found.items() if stack > MOST_STACK} == {}
    if architecture == 90 and triton.__version__.startswith("3.9."):
        registers = {name: found[name][0] for name in MOST_REGISTERS}
        assert all(registers[name] <= most for name, most in MOST_REGISTERS.items()), registers
