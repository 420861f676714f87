"""Evidence images in a folder, named by their hash: what is there is whole, or it is not there."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from wegewart_api.errors import Invalid, UnsupportedMedia


class EvidenceStore(Protocol):
    """Where evidence images lie."""

    def keep(self, tenant_id: UUID, sha256: str, image: bytes) -> None:
        """Keep an image for good; when this returns it survives a power cut."""

    def read(self, tenant_id: UUID, sha256: str) -> bytes | None:
        """An image's bytes, None if it is not there."""


@dataclass(frozen=True)
class EvidenceFolder:
    """Evidence in a folder: tenant / first two digits of the hash / hash."""

    root: Path

    def keep(self, tenant_id: UUID, sha256: str, image: bytes) -> None:
        """Write beside, flush, rename: a reader or a crash never meets half an image."""
        place = self._place(tenant_id, sha256)
        if place.is_file():
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=place.parent, prefix=".part-")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(image)
                file.flush()
                os.fsync(file.fileno())
            Path(beside).replace(place)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
        for folder in (place.parent, place.parent.parent, self.root):
            _flush_folder(folder)

    def read(self, tenant_id: UUID, sha256: str) -> bytes | None:
        """An image's bytes, None if it is not there."""
        try:
            return self._place(tenant_id, sha256).read_bytes()
        except FileNotFoundError:
            return None

    def _place(self, tenant_id: UUID, sha256: str) -> Path:
        return self.root / str(tenant_id) / sha256[:2] / sha256


def checked_media_type(image: bytes, announced: str | None, sha256: str) -> str:
    """Media type of an image whose bytes are what the sender says they are.

    Raises:
        UnsupportedMedia: If the bytes are neither JPEG nor WebP, or not what the header announces.
        Invalid: If their hash is another.
    """
    found = _media_type(image)
    said = (announced or "").partition(";")[0].strip().lower()
    if found is None or said not in ("", "application/octet-stream", found):
        raise UnsupportedMedia(
            f"evidence is image/jpeg or image/webp; this looks like {found or 'neither'}, announced as"
            f" {said or 'nothing'}"
        )
    actual = hashlib.sha256(image).hexdigest()
    if actual != sha256:
        raise Invalid("the bytes have another hash: send them again", sent_sha256=actual, expected=sha256)
    return found


def _media_type(image: bytes) -> str | None:
    if image[:3] == b"\xff\xd8\xff":
        return "image/jpeg"
    if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
        return "image/webp"
    return None


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
