"""A registry in a folder, on this machine or on a share whose file locks work."""

import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wegewart_training.registry import INDEX, Index, Read, index_from, index_text
from wegewart_training.whole_folder import made_whole


@dataclass(frozen=True)
class FolderRegistry:
    """Releases below one folder."""

    folder: Path

    def read(self) -> Read:
        """The index as it is now; empty where there is none yet."""
        path = self.folder / INDEX
        if not path.is_file():
            return Read(Index(), None)
        content = path.read_bytes()
        return Read(index_from(content, str(path)), _mark(content))

    def write(self, index: Index, mark: str | None) -> bool:
        """Replace the index in one step if it still has this mark, under a lock that ends with its holder."""
        with self._locked():
            if self.read().mark != mark:
                return False
            half = self.folder / f".{INDEX}.half"
            half.write_bytes(index_text(index))
            half.replace(self.folder / INDEX)
        return True

    def put(self, folder: Path, place: str) -> None:
        """Copy a bundle's files; a place is named by its content, so what is there already is the same."""
        target = self.folder / place
        with self._locked():
            if not target.is_dir():
                made_whole(target, lambda whole: _copied(folder, whole))

    def get(self, place: str, folder: Path) -> None:
        """Copy a bundle's files into an empty folder."""
        _copied(self.folder / place, folder)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _copied(source: Path, target: Path) -> None:
    shutil.copytree(source, target, dirs_exist_ok=True)


def _mark(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
