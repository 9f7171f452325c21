"""Folder of the results of one machine on one day.

Uses the standard library only. Knows nothing of the files in the folder.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def machine_folder(machine: Mapping[str, Any], output: Path) -> Path:
    """`<output>/<date>-<card>`, or `<output>/<date>-<cpu>` where the machine has no CUDA device.

    Args:
        machine: Result of `timing.machine`.
        output: Parent of all results.
    """
    device = machine.get("gpu") or machine["cpu"]
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return output / f"{machine['date']}-{slug}"
