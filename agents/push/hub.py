"""A hub: where a repository's files go to and come from.

Owns the two kinds of address: "user/name" on the Hugging Face Hub, and a path such as ./hub/name,
which is a folder. Files are transferred only by `send` and `receive`. Knows nothing of what the
files hold.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import HfApi, get_token, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

from agents.config.loading import UserError
from agents.runs.files import check_writable, copy_file
from lm_envs.validation import first_line

_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)
_PATH = ("./", "../", "/", "~")
"""Beginnings of an address that is a folder; "user/name" alone is a name on the hub."""


def is_folder(repo: str) -> bool:
    """Returns whether an address is a folder of this machine."""
    return repo.startswith(_PATH)


def check_target(repo: str) -> None:
    """Checks that files can be sent to a repository, before any is made.

    Raises:
        UserError: If the address has another form, or no token for the hub is stored.
        OSError: If the folder cannot be written.
    """
    _check_form(repo)
    if is_folder(repo):
        check_writable(Path(repo).expanduser())
    elif not get_token():
        raise UserError(
            f"Got {repo}, but no token of the Hugging Face Hub; run `hf auth login`, or set "
            f"HF_TOKEN. ./{repo} is a folder of this machine, which needs none."
        )


def send(folder: Path, names: Sequence[str], repo: str, *, is_private: bool = True) -> str:
    """Sends files to a repository, which is made if it does not exist; returns its address.

    Args:
        folder: Holds the files.
        names: Of the files.
        repo: Accepted by `check_target`.
        is_private: Whether a new repository on the hub can be seen by its owner alone.

    Raises:
        UserError: If the hub refuses, or cannot be reached.
    """
    if is_folder(repo):
        target = Path(repo).expanduser()
        for name in names:
            copy_file(folder / name, target / name)
        return str(target)
    api = HfApi()
    try:
        url = api.create_repo(repo, private=is_private, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=repo, allow_patterns=list(names))
    except (HfHubHTTPError, OSError) as error:
        raise UserError(f"Got {repo}, but the hub did not take it: {first_line(error)}") from None
    return str(url)


def receive(repo: str, names: Sequence[str], revision: str | None = None) -> Path:
    """Returns a folder with those of the named files that a repository has; no others are fetched.

    Args:
        repo: Address of the repository.
        names: Of the files.
        revision: Branch, tag or commit on the hub; None for the newest.

    Raises:
        UserError: If there is no such repository, or it cannot be reached.
    """
    _check_form(repo)
    if is_folder(repo):
        folder = Path(repo).expanduser()
        if not folder.is_dir():
            raise UserError(f"Got {repo}, but there is no such folder.")
        return folder
    try:
        found = snapshot_download(repo, revision=revision, allow_patterns=list(names))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"Got {repo}, which the hub does not give ({first_line(error)}). Check name and "
            "network; a folder of this machine begins with ./ or /."
        ) from None
    return Path(found)


def _check_form(repo: str) -> None:
    if not (is_folder(repo) or _NAME.fullmatch(repo)):
        raise UserError(
            f"Got repository {repo!r}; allowed: user/name on the Hugging Face Hub, or a folder "
            "that begins with ./ or /."
        )
