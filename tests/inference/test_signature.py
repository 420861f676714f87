"""A release is believed as a whole or not at all."""

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from wegewart.errors import BundleUntrusted
from wegewart_inference.signature import SIGNATURE_FILE, SUMS_FILE, key_id, verify
from wegewart_training.signing import SigningKey, sign, write_public_key

FILES = {
    "model.onnx": bytes(range(256)),
    "card.json": b'{"name": "tiny"}\n',
    "evaluation.txt": b"mAP50 0.5\n",
    "datasheets/road.toml": b'name = "road"\n',
}
KEY = SigningKey.generate()


@pytest.fixture
def keys(tmp_path):
    write_public_key(KEY, tmp_path / "keys", timedelta(days=1), "a test")
    return tmp_path / "keys"


@pytest.fixture
def folder(tmp_path, keys):
    folder = tmp_path / "tiny-0.1.0-fp32"
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    sign(folder, KEY, keys)
    return folder


def test_a_release_as_it_was_signed_is_believed(folder, keys):
    verified = verify(folder, keys)

    assert verified.key == KEY.id
    assert datetime.now(UTC) - verified.signed_at < timedelta(minutes=1)


@pytest.mark.parametrize("name", [*FILES, SUMS_FILE, SIGNATURE_FILE])
@pytest.mark.parametrize("bit", [0x01, 0x20, 0x80], ids=["lowest", "letter-case", "highest"])
def test_a_flipped_bit_in_any_byte_of_any_file_is_noticed(folder, keys, name, bit):
    content = (folder / name).read_bytes()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= bit
        (folder / name).write_bytes(changed)
        with pytest.raises(BundleUntrusted):
            verify(folder, keys)
    (folder / name).write_bytes(content)
    verify(folder, keys)


@pytest.mark.parametrize("name", [*FILES, SUMS_FILE, SIGNATURE_FILE])
def test_a_file_that_was_taken_out_is_noticed(folder, keys, name):
    (folder / name).unlink()

    with pytest.raises(BundleUntrusted):
        verify(folder, keys)


@pytest.mark.parametrize("name", ["more.onnx", ".hidden", "datasheets/more.toml"])
def test_a_file_that_was_added_is_noticed_and_named(folder, keys, name):
    (folder / name).write_bytes(b"")

    with pytest.raises(BundleUntrusted, match=name):
        verify(folder, keys)


def test_a_link_is_refused_even_if_it_leads_to_the_same_content(folder, keys, tmp_path):
    shutil.move(folder / "model.onnx", tmp_path / "elsewhere.onnx")
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")

    with pytest.raises(BundleUntrusted, match="is a link"):
        verify(folder, keys)


def test_sums_that_were_made_anew_after_a_change_do_not_help(folder, keys, tmp_path):
    stranger, theirs = SigningKey.generate(), tmp_path / "theirs"
    write_public_key(stranger, theirs, timedelta(days=1), "")
    (folder / SIGNATURE_FILE).unlink()
    sign(folder, stranger, theirs)

    with pytest.raises(BundleUntrusted, match="not in"):
        verify(folder, keys)


def test_a_signature_under_the_name_of_another_key_is_refused(folder, keys):
    stranger = SigningKey.generate()
    write_public_key(stranger, keys, timedelta(days=1), "known, but did not sign this")
    found = json.loads((folder / SIGNATURE_FILE).read_text())
    text = json.dumps({**found, "key": stranger.id}, indent=2) + "\n"
    (folder / SIGNATURE_FILE).write_text(text)

    with pytest.raises(BundleUntrusted, match="was not signed by the key"):
        verify(folder, keys)


def test_a_signature_does_not_move_to_another_time(folder, keys):
    found = json.loads((folder / SIGNATURE_FILE).read_text())
    key = next(keys.glob("*.toml"))
    earlier = datetime.now(UTC) - timedelta(days=3)
    key.write_text(
        key.read_text().replace(
            next(line for line in key.read_text().splitlines() if line.startswith("valid_from")),
            f"valid_from = {earlier:%Y-%m-%dT%H:%M:%SZ}",
        )
    )
    moved = {**found, "signed_at": f"{earlier + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"}
    (folder / SIGNATURE_FILE).write_text(json.dumps(moved, indent=2) + "\n")

    with pytest.raises(BundleUntrusted, match="was not signed by the key"):
        verify(folder, keys)


def test_a_revoked_key_is_believed_no_more_whatever_it_signed(folder, keys):
    key = next(keys.glob("*.toml"))
    revocation = '\n[revoked]\nat = 2026-01-01T00:00:00Z\nreason = "the laptop was stolen"\n'
    key.write_text(key.read_text() + revocation)

    with pytest.raises(BundleUntrusted, match="the laptop was stolen"):
        verify(folder, keys)


@pytest.mark.parametrize("days", [-2, 2], ids=["before", "after"])
def test_a_release_from_outside_the_keys_time_is_refused(folder, keys, days):
    for name in (SIGNATURE_FILE, SUMS_FILE):
        (folder / name).unlink()
    sign(folder, KEY, keys, datetime.now(UTC) + timedelta(days=days))

    with pytest.raises(BundleUntrusted, match="was not valid"):
        verify(folder, keys)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no toml", "is no public key"),
        ('id = "0000000000000000"\npublic_key = "' + "00" * 32 + '"\n', "is no public key"),
    ],
    ids=["no-toml", "wrong-id"],
)
def test_a_broken_file_among_the_keys_stops_everything(folder, keys, text, reason):
    (keys / "broken.toml").write_text(text)

    with pytest.raises(BundleUntrusted, match=reason):
        verify(folder, keys)


def test_a_copy_of_a_key_from_before_it_was_revoked_stops_everything(folder, keys):
    key = next(keys.glob("*.toml"))
    key.with_name(f"{key.stem}_old.toml").write_text(key.read_text())
    key.write_text(key.read_text() + '\n[revoked]\nat = 2026-01-01T00:00:00Z\nreason = "stolen"\n')

    with pytest.raises(BundleUntrusted, match=f"name it {key.stem}.toml, or remove the copy"):
        verify(folder, keys)


def test_a_name_that_passes_for_two_lines_of_the_sums_is_refused(folder, keys):
    sums = (folder / SUMS_FILE).read_text()
    (line,) = [line for line in sums.splitlines() if line.endswith("  evaluation.txt")]
    (folder / "evaluation.txt").unlink()
    sheet = folder / "datasheets/road.toml"
    sheet.rename(f"{sheet}\n{line}")

    with pytest.raises(BundleUntrusted, match="is no name for a file"):
        verify(folder, keys)


def test_the_sums_are_those_that_sha256sum_reads(folder):
    lines = (folder / SUMS_FILE).read_text().splitlines()

    assert [line[66:] for line in lines] == sorted(FILES)
    assert all(len(line.split("  ")[0]) == 64 for line in lines)


def test_a_keys_name_follows_from_the_key():
    assert key_id(bytes(32)) == "66687aadf862bd77"  # SHA-256 of 32 zero bytes


def test_the_public_keys_that_ship_are_in_order():
    from wegewart_inference.signature import read_keys

    keys = Path(__file__).resolve().parents[2] / "models" / "keys"
    assert set(read_keys(keys)) == {path.stem for path in keys.glob("*.toml")}
