"""What a plugin computes, as a digest of all files of the packages that it comes from.

A cache key holds the identity of every plugin that a stage uses. For a record that states a
``version`` that is its distribution and version. For any other it is the digest of all files of the
distribution's top-level packages on disk, whether they were installed as a wheel or are edited in
place: Python sources count without comments, docstrings and layout, so that only executed code
matters; all other files count by content. Files that no code reads are left out: metadata of the
installation, caches, tests.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from importlib.machinery import EXTENSION_SUFFIXES
from importlib.util import find_spec
from pathlib import Path

LEFT_OUT = frozenset({"__pycache__", "tests", "test"})
"""Folders whose files do not count."""
NOT_READ = (".pyc", ".pyo", ".orig", ".rej", ".swp")
"""Endings of files that do not count."""
LARGE = 4 << 20
"""Bytes from which on a file's digest is remembered by its size, time and inode."""
GROUP = "lusgan"
"""The group of entry points that plugins are offered by."""


def files_identity(distribution: str, module: str) -> str:
    """Digest of all files that decide what a plugin computes.

    Args:
        distribution: Name of the distribution that it came from; empty for a plugin that was
            registered in this process.
        module: The module that its entry point names.

    Returns:
        sha256, in hex.
    """
    names = top_level_packages(distribution) | {module.partition(":")[0].partition(".")[0]}
    return _digest(tuple(sorted(names)))


def weights_identity(files: Iterable[Path]) -> str:
    """Digest of the files of weights that a plugin loads, which may be of another distribution.

    Raises OSError for a file that cannot be read.
    """
    lines = [f"{path.name} {_file_digest(path)}" for path in files]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@cache
def _digest(packages: tuple[str, ...]) -> str:
    lines = [
        f"{name} {file_digest(path)}" for package in packages for name, path in _files(package)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def forget() -> None:
    """Drop digests held in memory, so that files are read again: for long processes and tests."""
    _digest.cache_clear()


def top_level_packages(distribution: str) -> set[str]:
    """Names of the packages and modules that a distribution puts on the path."""
    if not distribution:
        return set()
    try:
        found = metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return set()
    names = {point.value.partition(":")[0].partition(".")[0] for point in found.entry_points}
    names |= set((found.read_text("top_level.txt") or "").split())
    for file in found.files or ():
        first, name = file.parts[0], file.name
        if first.endswith((".dist-info", ".egg-info", ".data")) or first in ("..", "__pycache__"):
            continue
        if name.startswith(("__editable__", "_editable_impl_", "_virtualenv")):
            names |= _edited_in_place(Path(str(file.locate())))
        elif len(file.parts) > 1:
            names.add(first)
        elif name.endswith(".pth"):
            names |= _on_path_file(Path(str(file.locate())))
        elif name.endswith((".py", *EXTENSION_SUFFIXES)):
            names.add(name.partition(".")[0])
    return {name for name in names if name.isidentifier()}


def _edited_in_place(file: Path) -> set[str]:
    """Packages that an editable installation leads to by a finder or by a path.

    The finder is that of the package ``editables``, as hatchling and others use it; what
    setuptools' finder knows is in ``top_level.txt``.
    """
    if file.suffix == ".pth":
        return _on_path_file(file)
    for finder in sys.meta_path:
        redirections = getattr(finder, "_redirections", None)
        if isinstance(redirections, dict) and _mentions(file, redirections):
            return {name for name in redirections if _mentions(file, [name])}
    return set()


def _mentions(file: Path, names: Iterable[str]) -> bool:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return any(repr(name) in text or f'"{name}"' in text for name in names)


def _on_path_file(file: Path) -> set[str]:
    """Packages in the folders that a .pth file puts on the path."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return set()
    names = set()
    for line in lines:
        folder = Path(line.strip())
        if line.strip().startswith(("import ", "import\t", "#")) or not folder.is_dir():
            continue
        for entry in folder.iterdir():
            if entry.name in LEFT_OUT or entry.name.startswith("."):
                continue
            if (entry / "__init__.py").exists():
                names.add(entry.name)
            elif entry.suffix == ".py" and entry.stem not in ("setup", "conftest", "noxfile"):
                names.add(entry.stem)
    return names


def _files(package: str) -> Iterator[tuple[str, Path]]:
    """Files of a package or module, with names that do not depend on where it is installed."""
    for place in _places(package):
        if place.is_file():
            yield place.name, place
            continue
        for folder, folders, names in os.walk(place):
            folders[:] = sorted(f for f in folders if f not in LEFT_OUT and not f.startswith("."))
            for name in sorted(names):
                path = Path(folder, name)
                if name.startswith(".") or name.endswith(NOT_READ) or not os.path.isfile(path):
                    continue  # links that lead nowhere and named pipes among them
                yield f"{package}/{path.relative_to(place).as_posix()}", path


def _places(package: str) -> list[Path]:
    """The folders of a package, or the file of a module; nothing for one that is not on disk."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations:
        return sorted(Path(folder) for folder in spec.submodule_search_locations)
    return [Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else []


def file_digest(path: Path) -> str:
    """sha256 of a file's content; of Python sources without comments, docstrings and layout.

    A file that may not be read counts as that: no code of this process reads it, either.
    """
    try:
        return _file_digest(path)
    except (PermissionError, FileNotFoundError):
        return "unreadable"


def _file_digest(path: Path) -> str:
    if path.suffix == ".py":
        try:
            source = path.read_bytes()
            return hashlib.sha256(normalised(source).encode()).hexdigest()
        except (SyntaxError, ValueError, RecursionError):
            return hashlib.sha256(source).hexdigest()
    stat = path.stat()
    if stat.st_size < LARGE:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return _remembered(path, stat)


def normalised(source: bytes) -> str:
    """Return Python source without comments, docstrings and layout.

    Raises:
        SyntaxError: It is not Python.
        ValueError: It holds null bytes.
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if node.body and _is_docstring(node.body[0]):
            del node.body[0]
        if not node.body:
            node.body = [ast.Pass()]
    return ast.unparse(tree)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _remembered(path: Path, stat: os.stat_result) -> str:
    """The digest of a large file, kept in the user's cache as long as the file is untouched."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lusgan"
    name = f"{path.resolve()}|{stat.st_size}|{stat.st_mtime_ns}|{stat.st_ino}"
    place = home / "plugin-files" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
    try:
        return str(json.loads(place.read_bytes())["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps({"sha256": digest}))
        partial.replace(place)
    except OSError:
        return digest
    return digest
