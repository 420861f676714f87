"""A camera as the `[[camera]]` table of drive.toml, both ways."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from wegewart.camera import CameraIntrinsics, CameraMount
from wegewart.errors import SettingsInvalid

DIGITS = {"focal": 2, "centre": 2, "height": 3, "distortion": 8}
ANGLE_DIGITS = 3


def camera_toml(
    camera_id: str,
    intrinsics: CameraIntrinsics,
    mount: CameraMount | None,
    notes: Sequence[str] = (),
) -> str:
    """The block, with notes as comments above it; without a mount, a comment says where it comes from."""
    lines = [f"# {note}" for note in notes]
    lines += ["[[camera]]", f'camera_id = "{camera_id}"', "", "[camera.intrinsics]"]
    lines += _rows(intrinsics.model_dump())
    if mount is None:
        lines += ["", "# [camera.mount]: wegewart-edge calibrate mount"]
    else:
        lines += ["", "[camera.mount]", *_rows(mount.model_dump())]
    return "\n".join(lines) + "\n"


def read_lens(path: Path) -> CameraIntrinsics:
    """Intrinsics of the first camera in a TOML file.

    Raises:
        SettingsInvalid: If the file cannot be read or holds none.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        return CameraIntrinsics.model_validate(tables["camera"][0]["intrinsics"])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsInvalid(f"{path} cannot be read: {error}") from error
    except (KeyError, IndexError, TypeError) as error:
        raise SettingsInvalid(f"{path} has no [[camera]] with [camera.intrinsics]") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalid(f"{path}: {first['loc']}: {first['msg']}") from error


def _rows(values: Mapping[str, object]) -> list[str]:
    return [f"{name} = {_value(name, value)}" for name, value in values.items()]


def _value(name: str, value: object) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, tuple):
        return "[" + ", ".join(_value(name, each) for each in value) + "]"
    if isinstance(value, float):
        return repr(round(value, DIGITS.get(name.split("_", maxsplit=1)[0], ANGLE_DIGITS)))
    return str(value)
