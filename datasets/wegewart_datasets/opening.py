"""A data set by the name of its manifest, or by the path of a data.yaml that has no manifest (yet)."""

from dataclasses import dataclass
from pathlib import Path

from wegewart.damage import shipped_taxonomy
from wegewart.errors import DatasetInvalid
from wegewart_datasets.group_table import GROUPS, groups_of
from wegewart_datasets.manifest import Manifest, data_yaml_of, read_manifest
from wegewart_datasets.settings import DataSettings
from wegewart_datasets.yolo import YoloData, read_data_yaml


@dataclass(frozen=True)
class OpenedData:
    """A data set that is on this machine; `manifest` is None where it was named by its data.yaml."""

    name: str
    data: YoloData
    splits: tuple[str, ...]
    codes: tuple[str, ...]
    manifest: Manifest | None

    @property
    def group_table(self) -> Path:
        """CSV file with the columns image and group; it need not be there."""
        return self.data.root / (self.manifest.groups if self.manifest else GROUPS)

    def groups(self, column: str = "group") -> dict[str, str]:
        """Group (place, drive, sequence) by image name; empty where the data set states none."""
        return groups_of(self.group_table, column)


def open_data(name: str, settings: DataSettings) -> OpenedData:
    """The data set of that manifest, or of that data.yaml.

    Raises:
        DatasetInvalid: If there is none, a split is missing, or its classes are not the taxonomy's.
    """
    if name.endswith((".yaml", ".yml")):
        data = read_data_yaml(Path(name))
        codes = shipped_taxonomy().codes_of(data.names)
        return OpenedData(data.root.name, data, tuple(data.splits), codes, None)
    manifest = read_manifest(name, settings)
    data = read_data_yaml(data_yaml_of(manifest, settings))
    missing = [split for split in manifest.splits if split not in data.splits]
    if missing:
        raise DatasetInvalid(f"{name}: {data.root} has no split {', '.join(missing)}")
    codes = shipped_taxonomy(manifest.taxonomy).codes_of(data.names)
    return OpenedData(name, data, tuple(manifest.splits), codes, manifest)
