"""Ultralytics without its network: no installs, no downloads, no reports, and no settings outside the run."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.util import find_spec
from pathlib import Path

from wegewart.errors import SettingsInvalid

# The settings file is written before the import, in full, because a partial one is completed with the
# defaults (sync on) and a warning. Schema 0.0.8 belongs to the pinned Ultralytics 8.4.190.
QUIET_SETTINGS = {
    "settings_version": "0.0.8",
    "uuid": "0" * 64,
    "sync": False,
    "api_key": "",
    "openai_api_key": "",
    "clearml": False,
    "comet": False,
    "dvc": False,
    "mlflow": False,
    "raytune": False,
    "tensorboard": False,
    "wandb": False,
    "vscode_msg": False,
    "openvino_msg": False,
}


@contextmanager
def quiet_ultralytics(folder: Path, mlflow_uri: str | None = None, name: str = "") -> Iterator[None]:
    """Room in which Ultralytics may be imported and used: doors shut, settings in `folder`, talk to stderr.

    Ultralytics reads these switches from the environment while it is imported, so they are set there.

    Args:
        mlflow_uri: The one door that may be opened: where Ultralytics' MLflow callback reports to.
        name: Of the run there.
    Raises:
        SettingsInvalid: If MLflow is asked for and not installed.
    """
    config = folder.resolve()
    (config / "Ultralytics").mkdir(parents=True, exist_ok=True)
    places = {
        name: str(config / name.removesuffix("_dir")) for name in ("datasets_dir", "weights_dir", "runs_dir")
    }
    settings = json.dumps({**QUIET_SETTINGS, "mlflow": mlflow_uri is not None, **places}, indent=2)
    (config / "Ultralytics" / "settings.json").write_text(settings, encoding="utf-8")
    for font in ("Arial.ttf", "Arial.Unicode.ttf"):  # asked for even without plots, and else downloaded
        shutil.copyfile(_bundled_font(), config / "Ultralytics" / font)
    os.environ.update(
        YOLO_CONFIG_DIR=str(config),
        YOLO_AUTOINSTALL="false",
        YOLO_OFFLINE="true",
        NO_ALBUMENTATIONS_UPDATE="1",
        MPLCONFIGDIR=str(config / "matplotlib"),
        ORT_DISABLE_TELEMETRY="1",
        MLFLOW_DISABLE_TELEMETRY="true",
    )
    if mlflow_uri is not None:
        if find_spec("mlflow") is None:
            raise SettingsInvalid("MLflow is missing: install wegewart[mlflow], or leave --mlflow out")
        os.environ.update(MLFLOW_TRACKING_URI=mlflow_uri, MLFLOW_EXPERIMENT_NAME="wegewart", MLFLOW_RUN=name)
    with redirect_stdout(sys.stderr):
        yield


def _bundled_font() -> Path:
    """A font that comes with matplotlib, found without importing it."""
    matplotlib = find_spec("matplotlib")
    if matplotlib is None or matplotlib.origin is None:
        raise SettingsInvalid("matplotlib is missing: install wegewart[train]")
    return Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
