"""`python -m tests.supply.mutants`: how many small mistakes in the code the tests find.

A mutant is a source file with one operator, comparison, condition or number changed. It is killed
if a test fails. `--count N` draws N mutants of each group; without it all are tried, which takes
hours. The tests have to pass for the source as it is. Each line names a mutant that survived; the
last line of each group is JSON.
"""

import argparse
import ast
import copy
import importlib.abc
import importlib.util
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REWARDS = "lm_envs/tasks/rewards"
GROUPS = {
    "rewards": (sorted(str(p.relative_to(ROOT)) for p in (ROOT / REWARDS).glob("[a-z]*.py")), ()),
    "vector_env": (
        ["lm_envs/envs/vector_env.py", "lm_envs/envs/base.py", "lm_envs/envs/reward_tracker.py"],
        (
            *("tests/envs/test_vector_env.py", "tests/envs/test_base.py"),
            *("tests/envs/test_shaping.py", "tests/test_views_agree.py"),
        ),
    ),
}
"""Source files of each group, and tests beside those at the mirrored path."""

SWAPS = {
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult},
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt},
    **{ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is},
    **{ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd},
}
SECONDS = 300
"""A mutant whose tests take more processor time is killed: it loops. On a machine that other
programs share, a limit of the clock would kill mutants that the tests do not find."""


def places(tree):
    """Yields the numbers of the nodes that can be changed, in the order of `ast.walk`."""
    annotations = {id(part) for node in ast.walk(tree) for part in annotation_parts(node)}
    for number, node in enumerate(ast.walk(tree)):
        if id(node) not in annotations and mutated(node) is not None:
            yield number


def annotation_parts(node):
    for name in ("annotation", "returns"):
        if isinstance(found := getattr(node, name, None), ast.AST):
            yield from ast.walk(found)


def mutated(node):
    """Returns a changed copy of a node; None if there is nothing to change."""
    changed = copy.copy(node)
    if isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        changed.ops = [SWAPS[type(node.ops[0])](), *node.ops[1:]]
    elif isinstance(node, (ast.BinOp, ast.BoolOp, ast.AugAssign)) and type(node.op) in SWAPS:
        changed.op = SWAPS[type(node.op)]()
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        changed.value = not node.value if isinstance(node.value, bool) else node.value + 1
    elif isinstance(node, ast.IfExp):
        changed.body, changed.orelse = node.orelse, node.body
    else:
        return None
    return changed


def mutant(path, number):
    """Returns the source of a mutant, and a line that describes it."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    old = list(ast.walk(tree))[number]
    line = f"{path}:{old.lineno} {ast.unparse(old)} -> {ast.unparse(mutated(old))}"

    class Replace(ast.NodeTransformer):
        def visit(self, node):
            return mutated(node) if node is old else self.generic_visit(node)

    return ast.unparse(ast.fix_missing_locations(Replace().visit(tree))), line


class Finder(importlib.abc.MetaPathFinder, importlib.abc.SourceLoader):
    """Imports a module from a changed source."""

    def __init__(self, path, source):
        self.path, self.source = path, source
        self.name = ".".join(Path(path).with_suffix("").parts)

    def find_spec(self, name, path, target=None):
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def get_filename(self, name):
        return str(ROOT / self.path)

    def get_data(self, path):
        return self.source.encode()


def tests_pass(path, source, tests):
    """Runs tests in another process; returns whether they pass within the processor time."""
    if (child := os.fork()) == 0:
        signal.setitimer(signal.ITIMER_PROF, SECONDS)  # ends the process
        if source is not None:
            sys.meta_path.insert(0, Finder(path, source))
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", "--timeout", "0", *tests]))
    return os.waitpid(child, 0)[1] == 0


def tests_of(path, more):
    """Returns the test at the mirrored path of a source file, and others, each once."""
    parts = Path(path).relative_to("lm_envs").parts
    own = Path("tests", *parts[:-1], f"test_{parts[-1]}")
    return list(dict.fromkeys([str(own), *more]))


def main(count, groups):
    import gymnasium  # noqa: F401 - imported once, before the processes are forked
    import torch

    torch.set_num_threads(1)
    for name in groups:
        paths, more = GROUPS[name]
        trees = {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path in paths}
        found = [(path, number) for path, tree in trees.items() for number in places(tree)]
        chosen = found if count is None else random.Random(0).sample(found, min(count, len(found)))
        tests = {path: tests_of(path, more) for path in paths}
        for path in sorted({path for path, _ in chosen}):
            if not tests_pass(path, None, tests[path]):
                raise SystemExit(f"The tests {tests[path]} fail without a change.")
        survived = 0
        for path, number in chosen:
            source, line = mutant(path, number)
            if tests_pass(path, source, tests[path]):
                survived += 1
                print("survived:", line, flush=True)
        killed = len(chosen) - survived
        result = {"group": name, "mutants": len(found), "tried": len(chosen), "killed": killed}
        print(json.dumps({**result, "score": round(killed / len(chosen), 3)}), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int)
    parser.add_argument("groups", nargs="*", default=list(GROUPS))
    chosen = parser.parse_args()
    main(chosen.count, chosen.groups)
