"""What computes in this process: device, threads, kernels.

Knows nothing of a model's weights.
"""

import torch

from lm_envs.model.kernels import build
from lm_envs.model.loading import resolve_device, resolve_dtype


def describe() -> dict[str, str]:
    """What "auto" stands for here, by name: device, number type, threads, kernels.

    Raises:
        ValueError: If the environment variable LM_ENVS_DEVICE names a device that is not there.
    """
    device = resolve_device("auto")
    is_cuda = device.startswith("cuda")
    name = f" ({torch.cuda.get_device_name(device)})" if is_cuda else ""
    return {
        "device": device + name,
        "number type": resolve_dtype("auto", device),
        "threads": str(torch.get_num_threads()),
        "kernels (CPU)": build.status(),
    }
