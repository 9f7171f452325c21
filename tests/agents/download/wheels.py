"""Wheels that pip accepts, for tests without a package index."""

import zipfile


def write_wheel(folder, name, files, requires=()):
    """Writes version 1 of a pure Python distribution, and returns the path of its wheel."""
    path = folder / f"{name}-1-py3-none-any.whl"
    fields = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1"]
    fields += [f"Requires-Dist: {each}" for each in requires]
    with zipfile.ZipFile(path, "w") as wheel:
        for file, content in files.items():
            wheel.writestr(file, content)
        wheel.writestr(f"{name}-1.dist-info/METADATA", "\n".join(fields) + "\n")
        wheel.writestr(
            f"{name}-1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr(f"{name}-1.dist-info/RECORD", "")
    return path
