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


def make_room(file: Path | None) -> None:
    """Make the folder of a result file, before the work whose result it takes.

    Raises:
        CalledWrongly: If nothing can be written there.
    """
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CalledWrongly(f"{file.parent} cannot be made: {error.strerror}") from error
    if file.is_dir():
        raise CalledWrongly(f"{file} is a folder: name a file")
