"""Keys, releases and what they refuse, on tiny real bundles."""

import os
import shutil
import subprocess
import sys
import tomllib
from datetime import timedelta

import pytest
from tests.inference.tiny_models import raw_answer, write_bundle

from wegewart.errors import CalledWrongly, SettingsInvalid
from wegewart_datasets.manifest import manifest_sha256
from wegewart_datasets.settings import DataSettings
from wegewart_inference.model_bundle import BundleCard, Training, TrainingPart
from wegewart_inference.signature import verify
from wegewart_training.__main__ import main
from wegewart_training.signing import KEY_VARIABLE, SigningKey, write_public_key

ANSWER = raw_answer((16, 32, 16, 32, 0, 0, 0, 0.75))
SCORES = {"few test": {"images": 20, "figures": {"map50": 0.5}}}
ONLY_VAL = {"few val": {"images": 20, "figures": {"map50": 0.5}}}


@pytest.fixture
def secret(tmp_path, capsys, monkeypatch):
    assert main(["keygen", "--keys", str(tmp_path / "keys"), "--valid-days", "1"]) == 0
    secret = capsys.readouterr().out.strip()
    monkeypatch.setenv(KEY_VARIABLE, secret)
    return secret


def part(manifest, sha256):
    return TrainingPart(
        manifest=manifest,
        manifest_sha256=sha256,
        split="train",
        repeat=1,
        images=8,
        content_sha256="0" * 64,
    )


def training(sha256):
    return Training(
        recipe="few.toml",
        recipe_sha256="0" * 64,
        git_commit="",
        started_at="2026-01-01T00:00:00Z",
        epochs=1,
        best_epoch=1,
        seconds=1,
        device="cpu",
        versions={},
        start_checkpoint_sha256="0" * 64,
        train=(part("smoke", sha256),),
        val=(),
    )


def smoke_sha256():
    return manifest_sha256("smoke", DataSettings.load({}))


def test_keygen_writes_the_public_half_and_prints_the_private_one_only(tmp_path, secret):
    (path,) = (tmp_path / "keys").iterdir()
    public = tomllib.loads(path.read_text())

    assert SigningKey.load({KEY_VARIABLE: secret}).id == public["id"] == path.stem
    assert secret not in path.read_text()


def test_a_private_key_does_not_show_in_its_description(secret):
    assert secret not in repr(SigningKey.load({KEY_VARIABLE: secret}))


@pytest.mark.parametrize("text", ["", "abc", "zz" * 32, "00" * 31], ids=["none", "short", "no-hex", "31"])
def test_a_missing_or_broken_key_is_an_error_that_does_not_repeat_it(text):
    with pytest.raises(SettingsInvalid) as caught:
        SigningKey.load({KEY_VARIABLE: text})
    assert not text or text not in str(caught.value)


def test_a_release_holds_model_card_scores_data_sheets_sums_and_signature(tmp_path, secret):
    folder = write_bundle(tmp_path, ANSWER, signed=False, training=training(smoke_sha256()), metrics=SCORES)
    report = tmp_path / "report.html"
    report.write_text("<!doctype html>")

    assert main(["release", str(folder), "--report", str(report)]) == 0

    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert names == [
        "SHA256SUMS",
        "card.json",
        "datasheets/smoke.md",
        "datasheets/smoke.toml",
        "evaluation.html",
        "evaluation.txt",
        "model.onnx",
        "signature.json",
    ]
    key = SigningKey.load({KEY_VARIABLE: secret}).id
    assert verify(folder, tmp_path / "keys").key == key
    assert key in BundleCard.model_validate_json((folder / "card.json").read_text()).signature
    assert "few test" in (folder / "evaluation.txt").read_text()
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder)
    assert checked.returncode == 0


def test_a_release_does_not_change(tmp_path, secret, capsys):
    folder = write_bundle(tmp_path, ANSWER, signed=False)
    assert main(["release", str(folder)]) == 0
    before = {path: path.read_bytes() for path in folder.iterdir()}

    assert main(["release", str(folder)]) == 2

    assert "give it a new version" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"training": training("0" * 64), "metrics": SCORES}, "no longer what"),
        ({"training": training("0" * 64)}, "has no scores on a test part"),
        ({"training": training(smoke_sha256()), "metrics": ONLY_VAL}, "has no scores on a test part"),
    ],
    ids=["another-data-sheet", "no-scores", "scored-where-it-chose"],
)
def test_a_bundle_without_true_papers_stays_as_it_was(tmp_path, secret, capsys, fields, reason):
    folder = write_bundle(tmp_path, ANSWER, signed=False, **fields)
    before = {path: path.read_bytes() for path in folder.iterdir()}

    assert main(["release", str(folder)]) > 0

    assert reason in capsys.readouterr().err
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys", folder.name]


def test_a_data_set_without_its_data_sheet_is_named_and_nothing_is_signed(
    tmp_path, secret, capsys, monkeypatch
):
    manifests = tmp_path / "datasets" / "manifests"
    manifests.mkdir(parents=True)
    shutil.copy(DataSettings.load({}).manifests / "smoke.toml", manifests)
    monkeypatch.setenv("WEGEWART_MANIFESTS", str(manifests))
    folder = write_bundle(tmp_path, ANSWER, signed=False, training=training(smoke_sha256()), metrics=SCORES)

    assert main(["release", str(folder)]) == 1

    assert "smoke.md is missing: wegewart-data datasheet smoke" in capsys.readouterr().err
    assert not (folder / "signature.json").exists()


def test_a_key_whose_public_half_is_not_there_signs_nothing(tmp_path, secret, capsys):
    folder = write_bundle(tmp_path, ANSWER, signed=False)

    assert main(["release", str(folder), "--keys", str(tmp_path / "none")]) == 2
    assert "commit the public half" in capsys.readouterr().err
    assert not (folder / "signature.json").exists()


def test_without_the_variable_nothing_is_signed(tmp_path):
    folder = write_bundle(tmp_path, ANSWER, signed=False)
    environment = {name: value for name, value in os.environ.items() if name != KEY_VARIABLE}
    command = [sys.executable, "-m", "wegewart_training", "release", str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)

    assert done.returncode == 2
    assert f"{KEY_VARIABLE} is not set" in done.stderr


def test_a_key_that_is_never_valid_is_refused(tmp_path):
    with pytest.raises(CalledWrongly, match="valid for some time"):
        write_public_key(SigningKey.generate(), tmp_path, timedelta(microseconds=1), "")


@pytest.mark.parametrize("days", ["0", "-1", "nan", "inf", "4000000", "a year"])
def test_a_validity_that_is_none_is_refused_and_leaves_no_key(tmp_path, capsys, days):
    with pytest.raises(SystemExit):
        main(["keygen", "--keys", str(tmp_path), "--valid-days", days])

    assert "is no validity: name days" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
