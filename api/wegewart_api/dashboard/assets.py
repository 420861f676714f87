"""Addresses of what npm built: styles, script, fonts."""

import json
import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

logger = logging.getLogger(__name__)

BUILT = Path(__file__).parent / "static" / "built"
BUILT_AT = "/static/built"
ENTRY = "src/main.ts"


@dataclass(frozen=True)
class Assets:
    """What a page links to; nothing of it is needed to read or to decide."""

    styles: tuple[str, ...] = ()
    script: str | None = None
    icon: str | None = None

    @property
    def are_built(self) -> bool:
        """Whether the front end was built."""
        return self.script is not None


@cache
def built_assets(folder: Path = BUILT) -> Assets:
    """Addresses from Vite's manifest; without a build the pages still work, unstyled and without map."""
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        logger.warning(
            "no styles and no map: %s is missing, run `npm ci && npm run build` in api/dashboard", manifest
        )
        return Assets()
    entry = json.loads(manifest.read_text(encoding="utf-8"))[ENTRY]
    return Assets(
        styles=tuple(f"{BUILT_AT}/{style}" for style in entry.get("css", ())),
        script=f"{BUILT_AT}/{entry['file']}",
        icon=f"{BUILT_AT}/favicon.svg",
    )
