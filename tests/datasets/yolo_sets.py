"""Small data sets in YOLO layout, written by tests, with their manifests."""

from pathlib import Path

import cv2
import numpy as np

from wegewart_datasets.settings import DataSettings

RNG = np.random.default_rng(1)
NAMES = ("D00 longitudinal crack", "D10 transverse crack", "D20 alligator crack", "D40 pothole")


def write_image(path: Path, width_px: int = 64, height_px: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), RNG.integers(0, 255, (height_px, width_px, 3)).astype(np.uint8))


def write_yolo_set(folder: Path, splits: dict[str, dict[str, str]], names: tuple[str, ...] = NAMES) -> Path:
    """Data set with the given label text per image and split; returns its data.yaml."""
    for split, labels in splits.items():
        for stem, text in labels.items():
            write_image(folder / "images" / split / f"{stem}.jpg")
            label = folder / "labels" / split / f"{stem}.txt"
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(text)
    lines = [f"{split}: images/{split}" for split in splits]
    lines += ["names:", *(f"  {index}: {name}" for index, name in enumerate(names))]
    (folder / "data.yaml").write_text("\n".join(lines) + "\n")
    return folder / "data.yaml"


def write_manifest(
    folder: Path, file_name: str, splits: tuple[str, ...] = ("train", "val"), **fields: str
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    words = dict.fromkeys(("name", "title", "folder"), file_name)
    words |= {"licence": "MIT", "source": "a test", **fields}
    lines = [f'{key} = "{value}"' for key, value in words.items()]
    lines += ["[splits]", *(f'{split} = "tests"' for split in splits)]
    (folder / f"{file_name}.toml").write_text("\n".join(lines) + "\n")


def settings_for(root: Path) -> DataSettings:
    """Settings under which data sets lie in root/data and manifests in root/manifests."""
    (root / "data").mkdir(exist_ok=True)
    return DataSettings(root / "data", root / "manifests", root, root / "work")


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content, to see afterwards that nothing was touched."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
