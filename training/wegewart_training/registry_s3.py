"""A registry in an S3 bucket. Credentials, region and endpoint come through boto3's own chain, never from us.

The index is written with If-Match or If-None-Match, so that of two who add at once one is told. A store that
takes no notice of these conditions would lose the other's entry silently; it is found out first and refused.
"""

import importlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from wegewart.errors import CalledWrongly, ServerRefused, ServerUnreachable, SettingsInvalid
from wegewart_training.registry import INDEX, Index, Read, index_from, index_text

PROBE = ".conditional-writes"
REFUSED = ("PreconditionFailed", "412")  # the condition does not hold
CONFLICT = ("ConditionalRequestConflict", "409")  # another request was in the way, nothing was decided: again
CONFLICTS = 8
PAUSE_S = 0.1  # before the second try, then twice as long each time: 26 s in all


@dataclass(frozen=True)
class S3Registry:
    """Releases below one prefix of a bucket."""

    client: Any
    bucket: str
    prefix: str

    @classmethod
    def at(cls, place: str) -> Self:
        """Registry at s3://BUCKET/PREFIX.

        Raises:
            CalledWrongly: If no bucket is named.
            SettingsInvalid: If boto3 is missing, or finds no region or endpoint.
        """
        bucket, _, prefix = place.removeprefix("s3://").partition("/")
        if not bucket:
            raise CalledWrongly(f"{place} names no bucket: write s3://BUCKET/PREFIX")
        try:
            boto3 = importlib.import_module("boto3")
        except ModuleNotFoundError as error:
            raise SettingsInvalid("boto3 is missing: install wegewart[s3]") from error
        with _explained(place):
            return cls(boto3.session.Session().client("s3"), bucket, prefix.strip("/"))

    def read(self) -> Read:
        """The index as it is now; empty where there is none yet."""
        with _explained(self._name(INDEX)):
            try:
                answer = self.client.get_object(Bucket=self.bucket, Key=self._key(INDEX))
            except self.client.exceptions.NoSuchKey:
                return Read(Index(), None)
            return Read(index_from(answer["Body"].read(), self._name(INDEX)), answer["ETag"])

    def write(self, index: Index, mark: str | None) -> bool:
        """Replace the index if it still has this ETag."""
        self._check_conditions_count()
        condition = {"IfNoneMatch": "*"} if mark is None else {"IfMatch": mark}
        return self._put(INDEX, index_text(index), condition)

    def put(self, folder: Path, place: str) -> None:
        """Copy a bundle's files; a place is named by its content, so what is there already is the same."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                name = f"{place}/{path.relative_to(folder).as_posix()}"
                self._put(name, path.read_bytes(), {"IfNoneMatch": "*"})

    def get(self, place: str, folder: Path) -> None:
        """Copy a bundle's files into an empty folder."""
        start = self._key(f"{place}/")
        with _explained(self._name(place)):
            pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=start)
            for entry in (entry for page in pages for entry in page.get("Contents", [])):
                path = folder / _inside(entry["Key"].removeprefix(start))
                path.parent.mkdir(parents=True, exist_ok=True)
                body = self.client.get_object(Bucket=self.bucket, Key=entry["Key"])["Body"]
                path.write_bytes(body.read())

    def _check_conditions_count(self) -> None:
        """Write a probe that must be refused the second time."""
        self._put(PROBE, b"", {})
        if self._put(PROBE, b"", {"IfNoneMatch": "*"}):
            raise ServerRefused(
                f"{self._name(PROBE)}: this store takes no notice of If-None-Match, so two who add at once "
                "would lose a release: use a store with conditional writes, or a folder"
            )

    def _put(self, name: str, content: bytes, condition: dict[str, str], conflicts: int = 0) -> bool:
        """Whether the object was written; False where the condition did not hold."""
        with _explained(self._name(name)):
            try:
                self.client.put_object(Bucket=self.bucket, Key=self._key(name), Body=content, **condition)
            except self.client.exceptions.ClientError as error:
                code = error.response.get("Error", {}).get("Code")
                if code in REFUSED:
                    return False
                if code not in CONFLICT or conflicts == CONFLICTS:
                    raise
            else:
                return True
        time.sleep(PAUSE_S * 2**conflicts)
        return self._put(name, content, condition, conflicts + 1)

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name

    def _name(self, name: str) -> str:
        return f"s3://{self.bucket}/{self._key(name)}"


def _inside(name: str) -> str:
    """The name, unless it leads out of the folder."""
    if name.startswith("/") or ".." in Path(name).parts:
        raise ServerRefused(f"the registry names a file {name!r} outside the bundle: it was tampered with")
    return name


@contextmanager
def _explained(place: str) -> Iterator[None]:
    """boto3's errors as ours: the store said no, did not answer, or boto3 was not told enough."""
    exceptions = importlib.import_module("botocore.exceptions")
    try:
        yield
    except exceptions.ClientError as error:
        raise ServerRefused(f"{place}: {error}") from error
    except (exceptions.NoCredentialsError, exceptions.NoRegionError, exceptions.ProfileNotFound) as error:
        raise SettingsInvalid(f"{place}: {error}; boto3 reads AWS_… variables and ~/.aws") from error
    except exceptions.BotoCoreError as error:
        raise ServerUnreachable(f"{place}: {error}") from error
