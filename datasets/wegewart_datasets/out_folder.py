"""Where results go: folders that nobody filled before, and files whose folder is there before the work."""

from pathlib import Path

from wegewart.errors import CalledWrongly, DatasetInvalid


def refuse_filled(folder: Path) -> None:
    """Check that a folder is missing or empty.

    Raises:
        DatasetInvalid: If it holds anything: nothing is overwritten, nothing mixed.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DatasetInvalid(f"{folder} is not empty: choose a new folder")
