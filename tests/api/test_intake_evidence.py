"""Evidence images: kept whole under their hash, shown to their own tenant only."""

import hashlib
import os
from pathlib import Path
from uuid import uuid4

import pytest
from tests.api.office import DEFAULT, Office, problem
from tests.api.sent import OTHER_BUNDLE, observation, track

from wegewart_api.auth.principal import Role
from wegewart_api.intake.evidence_store import EvidenceFolder

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 40 + b"\xff\xd9"
WEBP = b"RIFF\x24\x00\x00\x00WEBPVP8 " + bytes(400)


def name(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


def put(office: Office, image: bytes, sha256: str | None = None, media_type: str = "image/jpeg") -> object:
    return office.device().put(
        f"/api/v1/evidence/{sha256 or name(image)}", content=image, headers={"Content-Type": media_type}
    )


@pytest.mark.parametrize(("image", "media_type"), [(JPEG, "image/jpeg"), (WEBP, "image/webp")])
def test_an_image_is_stored_once_and_comes_back_byte_for_byte(
    image: bytes, media_type: str, office: Office
) -> None:
    assert put(office, image, media_type=media_type).status_code == 201
    assert put(office, image, media_type=media_type).status_code == 200
    shown = office.person().get(f"/api/v1/evidence/{name(image)}")
    assert shown.content == image
    assert shown.headers["content-type"] == media_type


def test_an_image_is_shown_so_that_no_browser_runs_or_shares_it(office: Office) -> None:
    put(office, JPEG)
    headers = office.person().get(f"/api/v1/evidence/{name(JPEG)}").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"].startswith("private")
    assert headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "content-encoding" not in headers


def test_bytes_of_another_hash_are_refused_and_leave_nothing(office: Office) -> None:
    refused = problem(put(office, JPEG, sha256="0" * 64), 422)
    assert refused["sent_sha256"] == name(JPEG)
    assert list(office.settings.evidence_dir.rglob("*")) == []


@pytest.mark.parametrize(
    ("image", "media_type"),
    [
        (b"<svg onload=alert(1)>", "image/jpeg"),
        (JPEG, "image/webp"),
        (b"", "image/jpeg"),
        (JPEG, "text/html"),
    ],
    ids=["script", "other type", "empty", "page"],
)
def test_what_is_no_image_of_its_type_is_refused(image: bytes, media_type: str, office: Office) -> None:
    problem(put(office, image, media_type=media_type), 415)


def test_an_image_above_the_limit_is_refused(office: Office) -> None:
    office.app.state.settings = office.settings.model_copy(update={"evidence_limit_bytes": 10_000})
    problem(put(office, JPEG), 413)
    assert put(office, JPEG[:9_000]).status_code == 201


@pytest.mark.parametrize("sha256", ["..%2F..%2Fetc", "XYZ", "A" * 64, "0" * 63])
def test_a_name_that_is_no_hash_is_refused(sha256: str, office: Office) -> None:
    answer = office.device().put(f"/api/v1/evidence/{sha256}", content=JPEG)
    assert answer.status_code in (404, 422)


def test_people_and_strangers_cannot_store_images(office: Office) -> None:
    problem(office.person(Role.ADMIN).put(f"/api/v1/evidence/{name(JPEG)}", content=JPEG), 403)
    problem(office.anybody().put(f"/api/v1/evidence/{name(JPEG)}", content=JPEG), 401)
    problem(office.anybody().get(f"/api/v1/evidence/{name(JPEG)}"), 401)


def test_another_tenant_sees_no_image_even_with_its_hash(office: Office) -> None:
    put(office, JPEG)
    problem(office.person(Role.ADMIN, tenant="other").get(f"/api/v1/evidence/{name(JPEG)}"), 404)
    problem(office.device(tenant="other").get(f"/api/v1/evidence/{name(JPEG)}"), 404)


def test_an_image_counts_as_missing_until_it_arrives(office: Office) -> None:
    box = office.device()
    image = {"sha256": name(JPEG), "left_px": 0, "top_px": 0, "width_px": 640, "height_px": 300}
    image |= {"mask_bundle": OTHER_BUNDLE}
    sent = observation(1, evidence=image, no_evidence_reason=None)
    box.post("/api/v1/observations", json={"observations": [sent]})
    box.post("/api/v1/drives", json={"drives": [track(made=1)]})
    address = f"/api/v1/drives/{sent['drive_id']}"
    assert box.get(address).json()["passes"][0]["evidence_missing"] == [name(JPEG)]
    put(office, JPEG)
    assert box.get(address).json()["passes"][0]["evidence_missing"] == []


def test_an_image_whose_file_is_gone_is_told_as_missing_and_logged(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    put(office, JPEG)
    (office.settings.evidence_dir / str(office.tenant(DEFAULT)) / name(JPEG)[:2] / name(JPEG)).unlink()
    problem(office.person().get(f"/api/v1/evidence/{name(JPEG)}"), 404)
    assert "backup" in caplog.text


def test_a_folder_that_cannot_be_written_leaves_no_half_image(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    tenant_id = uuid4()
    (tmp_path / str(tenant_id)).mkdir()
    (tmp_path / str(tenant_id) / name(JPEG)[:2]).write_bytes(b"a file where the folder should be")
    with pytest.raises(OSError, match="exists"):
        folder.keep(tenant_id, name(JPEG), JPEG)
    assert folder.read(tenant_id, name(WEBP)) is None
    assert [path.name for path in tmp_path.rglob(".part-*")] == []


def test_keeping_an_image_again_does_not_touch_it(tmp_path: Path) -> None:
    folder = EvidenceFolder(tmp_path)
    tenant_id = uuid4()
    folder.keep(tenant_id, name(JPEG), JPEG)
    place = tmp_path / str(tenant_id) / name(JPEG)[:2] / name(JPEG)
    os.utime(place, (1, 1))
    folder.keep(tenant_id, name(JPEG), JPEG)
    assert place.stat().st_mtime == 1
    assert folder.read(tenant_id, name(JPEG)) == JPEG
