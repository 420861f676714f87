"""A folder that is there wholly or not at all."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def made_whole(target: Path, fill: Callable[[Path], None]) -> None:
    """Fill a hidden folder beside the target, then give it the target's name; on failure nothing is left."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    half.chmod(0o755)  # as a folder made by hand, not for its maker alone
    whole = half / target.name
    try:
        whole.mkdir()
        fill(whole)
        whole.rename(target)
    finally:
        shutil.rmtree(half, ignore_errors=True)
