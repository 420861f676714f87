"""Where the data sets of this machine are."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wegewart.errors import SettingsInvalid

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class DataSettings:
    """Folders in which data sets and their manifests are looked for.

    `data_root` comes from WEGEWART_DATA and has no default: None means that only data sets inside the
    repository can be used. `manifests` comes from WEGEWART_MANIFESTS, else it is the repository's folder.
    `work` comes from WEGEWART_WORK, else it is ~/.cache/wegewart: what an audit remembers of images it saw.
    """

    data_root: Path | None
    manifests: Path
    repository: Path = REPOSITORY
    work: Path = Path.home() / ".cache" / "wegewart"

    @classmethod
    def load(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Settings from the environment.

        Raises:
            SettingsInvalid: If WEGEWART_DATA is set but is no folder.
        """
        environment = os.environ if environment is None else environment
        root = environment.get("WEGEWART_DATA") or None
        if root is not None and not Path(root).is_dir():
            raise SettingsInvalid(
                f"WEGEWART_DATA={root} is not a folder: set it to the folder with the data sets"
            )
        manifests = environment.get("WEGEWART_MANIFESTS") or REPOSITORY / "datasets" / "manifests"
        work = Path(environment.get("WEGEWART_WORK") or cls.work)
        return cls(Path(root).resolve() if root else None, Path(manifests).resolve(), work=work)
