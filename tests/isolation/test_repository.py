"""Rules of the repository itself: locks without addresses, small enough, nothing personal to one machine."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024


def tracked_files() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing is tracked here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name]


def test_tracked_files_stay_under_40_mib_together() -> None:
    total = sum(path.stat().st_size for path in tracked_files() if path.exists())
    assert total < 40 * MIB, f"{total / MIB:.1f} MiB are tracked"


@pytest.mark.parametrize("name", ["inference", "edge", "api", "datasets", "train", "dev", "all", "uv"])
def test_a_lock_names_versions_and_hashes_and_no_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    requirements = [line for line in text.splitlines() if re.match(r"^[a-z0-9]", line)]
    assert requirements
    assert all("==" in line and line.endswith("\\") for line in requirements), (
        "a line lacks its version or hash"
    )
    assert "://" not in text
    assert "--index-url" not in text


def test_the_extras_are_locked_to_the_versions_of_all() -> None:
    def pins(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
        return {line.split(" ")[0] for line in text.splitlines() if re.match(r"^[a-z0-9]", line)}

    for extra in ("inference", "edge", "api", "datasets", "train", "dev"):
        assert pins(extra) <= pins("all"), (
            f"requirements/{extra}.txt has versions that all.txt has not: make lock"
        )


def test_the_npm_lock_names_no_address_to_fetch_from() -> None:
    text = (ROOT / "api" / "dashboard" / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text(encoding="utf-8")
    for record in folder.glob("0*.md"):
        assert record.name in index
        text = record.read_text(encoding="utf-8")
        assert all(
            part in text for part in ("**Context.**", "**Decision.**", "**Consequences.**", "enforces it.**")
        )


def test_compose_has_no_default_password() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    assert "${WEGEWART_STORE_PASSWORD:?" in text
    assert not re.search(r"PASSWORD: *[A-Za-z0-9]", text)
