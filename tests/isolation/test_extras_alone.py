"""The second net under the import contracts: each extra alone imports wholly, and torch is not there.

Dynamic imports escape the import linter, so a real environment per extra is built from its lock file.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")

IMPORT_EVERYTHING = """
import importlib, importlib.util, pkgutil, sys, warnings
warnings.simplefilter("error")
names = []
for package in sys.argv[1].split(","):
    module = importlib.import_module(package)
    names += [package] + [found.name for found in pkgutil.walk_packages(module.__path__, package + ".")]
for name in names:
    if not name.endswith(".migrations.env"):  # Alembic runs it, nobody imports it
        importlib.import_module(name)
present = [name for name in sys.argv[2].split(",") if importlib.util.find_spec(name)]
print(len(names), "modules", *present)
sys.exit(bool(present))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def environment_with(extra: str, wheel: Path, folder: Path) -> Path:
    """Python of a fresh environment that holds this extra's lock file and the wheel, nothing else."""
    python = folder / "bin" / "python"
    run(UV, "venv", "--quiet", "--python", sys.executable, folder)
    run(UV, "pip", "sync", "--quiet", "--python", python, "--require-hashes", f"requirements/{extra}.txt")
    run(UV, "pip", "install", "--quiet", "--python", python, "--no-deps", wheel)
    return python


@pytest.mark.isolation
@pytest.mark.parametrize(
    ("extra", "packages", "absent"),
    [
        (
            "edge",
            "wegewart,wegewart_inference,wegewart_edge",
            "torch,torchvision,ultralytics,fastapi,sqlalchemy",
        ),
        ("api", "wegewart,wegewart_api", "torch,torchvision,ultralytics,cv2,onnxruntime"),
        ("datasets", "wegewart,wegewart_datasets", "torch,torchvision,ultralytics,onnxruntime,fastapi"),
    ],
)
def test_an_extra_alone_imports_every_module_and_has_no_stranger(
    extra: str, packages: str, absent: str, wheel: Path, tmp_path: Path
) -> None:
    python = environment_with(extra, wheel, tmp_path / extra)
    said = run(python, "-I", "-c", IMPORT_EVERYTHING, packages, absent)
    assert int(said.split()[0]) > packages.count(",") + 3, f"hardly a module was found: {said}"


@pytest.mark.isolation
def test_a_vehicle_from_the_wheel_looks_at_a_drive_beside_its_models(wheel: Path, tmp_path: Path) -> None:
    """As edge/Dockerfile lays it out: the wheel in an environment, `models` in the working directory."""
    python = environment_with("edge", wheel, tmp_path / "edge")
    (tmp_path / "models").symlink_to(ROOT / "models")
    drive = ROOT / "datasets" / "sample-drive" / "pass-2"
    outbox = tmp_path / "outbox.sqlite"
    command = [python.with_name("wegewart-edge"), "replay", drive, "--offline", "--outbox", outbox, "--json"]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 1, done.stderr  # nothing is delivered yet, as --offline says
    said = json.loads(done.stdout.splitlines()[-1])
    assert said["frames_used"] == 18
    assert said["waiting"]["observation"] == said["observations"] > 0


@pytest.mark.isolation
def test_a_command_whose_extra_is_missing_says_which_to_install(wheel: Path, tmp_path: Path) -> None:
    python = environment_with("datasets", wheel, tmp_path / "bare")
    for component, extra, *verb in (
        ("wegewart_inference", "inference", "predict", ROOT / "datasets", "--models", ROOT / "models"),
        ("wegewart_edge", "edge", "replay", "drive"),
        ("wegewart_api", "api", "serve"),
        ("wegewart_training", "train", "evaluate", "--data", ROOT / "datasets" / "smoke" / "data.yaml"),
    ):
        command = [str(part) for part in (python, "-m", component, *verb)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode != 0
        assert f"wegewart[{extra}]" in done.stderr, f"{component}: {done.stderr}"
        assert "Traceback" not in done.stderr
