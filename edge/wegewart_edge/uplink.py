"""From the outbox to the server: pictures first, then observations, then the closed drive.

Each request ends in one of three ways: confirmed, later (it stays queued), or set aside with the reason.
Repeating is harmless, because ids are derived and the server stores each once.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from wegewart.errors import ServerRefused, ServerUnreachable
from wegewart_edge.outbox import Outbox, Queued
from wegewart_edge.settings import ServerSettings

logger = logging.getLogger(__name__)

LATER_BELOW_500 = frozenset({408, 425, 429})  # from 500 on it is always the server that cannot, not we
FOREIGN_DEVICE = "device"  # extension `reason` of the 403 problem
CONFIRMED = frozenset({"stored", "known"})
PATHS = {"observation": "observations", "drive": "drives"}


@dataclass(slots=True)
class Delivery:
    """What one delivery did, in messages (observations and drives) and pictures."""

    stored: int = 0
    known: int = 0
    set_aside: int = 0
    pictures_stored: int = 0
    pictures_known: int = 0
    pictures_set_aside: int = 0
    stopped: str | None = None
    """Why the rest stays queued; None when the queue was emptied."""
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Patience:
    """How to wait between tries; tests pass their own clock."""

    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random


class Uplink:
    """Sends what the outbox holds to one server."""

    def __init__(
        self, outbox: Outbox, settings: ServerSettings, token: str | None, patience: Patience | None = None
    ) -> None:
        """Take the server's address from the settings.

        Raises:
            ServerUnreachable: If the settings name no server.
        """
        if settings.url is None:
            raise ServerUnreachable("no server is named: give --server URL, or server.url in vehicle.toml")
        self._outbox = outbox
        self._settings = settings
        self._patience = patience or Patience()
        self._client = httpx.Client(
            base_url=f"{settings.url.rstrip('/')}/api/v1/",
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=settings.timeout_s,
        )

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def deliver(self) -> Delivery:
        """Send all that waits; what cannot be sent now stays queued and the delivery says why."""
        delivery = Delivery()
        try:
            self._send_pictures(delivery)
            self._send_messages("observation", delivery)
            self._send_messages("drive", delivery)
        except (ServerUnreachable, ServerRefused) as error:
            logger.warning("delivery stopped: %s", error)
            delivery.stopped = str(error)
        return delivery

    def stored_of(self, drive_id: UUID, bundle_sha256: str) -> dict[str, Any] | None:
        """What the server says it has of one pass, or None where it does not know the drive.

        Raises:
            ServerUnreachable: If it does not answer.
            ServerRefused: If it refuses the token or is no Wegewart server.
        """
        answer = self._ask("GET", f"drives/{drive_id}", not_found_is_an_answer=True)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        passes = (_object(answer) or {}).get("passes")
        if not answer.is_success or not isinstance(passes, list) or not all(map(_is_pass, passes)):
            raise self._stranger()
        return next((each for each in passes if _sha256_of(each["bundle"]) == bundle_sha256), None)

    def _send_pictures(self, delivery: Delivery) -> None:
        while (picture := self._outbox.next_picture()) is not None:
            answer = self._ask("PUT", f"evidence/{picture.sha256}", picture.content, picture.media_type)
            if answer.is_success:
                status = self._confirmation_of(answer, picture.sha256)
                self._outbox.confirm_picture(picture.sha256)
                if status == "stored":
                    delivery.pictures_stored += 1
                else:
                    delivery.pictures_known += 1
                continue
            reason = _refusal(answer)
            self._outbox.set_aside("evidence", picture.sha256, reason)
            delivery.pictures_set_aside += 1
            delivery.reasons.append(f"evidence {picture.sha256[:12]}…: {reason}")

    def _confirmation_of(self, answer: httpx.Response, sha256: str) -> str:
        """What the server did with a picture; any other answer, such as a hotspot's page, confirms nothing.

        Raises:
            ServerRefused: If the answer does not name this picture and what became of it.
        """
        said = _object(answer) or {}
        status = said.get("status")
        if said.get("sha256") == sha256 and isinstance(status, str) and status in CONFIRMED:
            return status
        raise self._stranger()

    def _stranger(self) -> ServerRefused:
        return ServerRefused(
            f"{self._settings.url} answers, but not as Wegewart: check the address, and whether a hotspot "
            "asks to log in first; everything stays queued"
        )

    def _send_messages(self, kind: str, delivery: Delivery) -> None:
        batch = self._settings.batch
        while waiting := self._next_batch(kind, batch):
            answer = self._ask(
                "POST",
                PATHS[kind],
                f'{{"{PATHS[kind]}":[{",".join(message.body for message in waiting)}]}}',
            )
            results = _results(answer, len(waiting))
            if results is None and answer.is_success:
                raise self._stranger()
            if results is not None:
                self._sort(kind, waiting, results, delivery)
            elif _is_of_another_device(answer):
                self._drive_refused(waiting[0].drive_id, _refusal(answer), delivery)
            elif len(waiting) > 1:
                batch = len(waiting) // 2  # too large, or one of them spoils the batch: narrow it down
            else:
                self._refused(kind, waiting[0], _refusal(answer), delivery)
                batch = self._settings.batch

    def _next_batch(self, kind: str, limit: int) -> list[Queued]:
        """The oldest waiting drive's messages: a drive that is refused as a whole holds up no other."""
        oldest = self._outbox.pending(kind, 1)
        return self._outbox.pending(kind, limit, oldest[0].drive_id) if oldest else []

    def _sort(
        self, kind: str, waiting: list[Queued], results: list[dict[str, Any]], delivery: Delivery
    ) -> None:
        confirmed: list[str] = []
        for message, result in zip(waiting, results, strict=True):
            if result.get("status") in ("stored", "known"):
                confirmed.append(message.key)
                if result["status"] == "stored":
                    delivery.stored += 1
                else:
                    delivery.known += 1
            else:
                reason = (
                    f"{result.get('code', '')} {result.get('detail', 'refused without a reason')}".strip()
                )
                self._refused(kind, message, reason, delivery)
        self._outbox.confirm(kind, confirmed)

    def _refused(self, kind: str, message: Queued, reason: str, delivery: Delivery) -> None:
        logger.warning("%s refused: %s (%s)", kind, message.key, reason)
        self._outbox.set_aside(kind, message.key, reason)
        delivery.set_aside += 1
        delivery.reasons.append(f"{kind} {message.key}: {reason}")

    def _drive_refused(self, drive_id: UUID, reason: str, delivery: Delivery) -> None:
        logger.warning("drive refused: %s (%s)", drive_id, reason)
        delivery.set_aside += self._outbox.set_aside_drive(drive_id, reason)
        delivery.reasons.append(f"drive {drive_id}: {reason}")

    def _ask(
        self,
        method: str,
        path: str,
        content: bytes | str | None = None,
        media_type: str = "application/json",
        *,
        not_found_is_an_answer: bool = False,
    ) -> httpx.Response:
        """Answer of the server, tried again with growing, jittered pauses while it cannot answer.

        Raises:
            ServerUnreachable: If it still cannot after the last try.
            ServerRefused: If the token is refused, or this is no Wegewart server.
        """
        problem = ""
        for attempt in range(self._settings.attempts):
            if attempt:
                self._patience.sleep(self._pause_s(attempt))
            try:
                answer = self._client.request(
                    method, path, content=content, headers={"Content-Type": media_type} if content else {}
                )
            except httpx.RequestError as error:  # not reached, cut off, or an answer that does not unpack
                problem = f"{type(error).__name__}: {error}"
                continue
            if not _is_later(answer.status_code):
                _check_welcome(answer, self._settings.url, not_found_is_an_answer)
                return answer
            problem = _refusal(answer)
        raise ServerUnreachable(
            f"{self._settings.url} did not take it in {self._settings.attempts} tries ({problem}): "
            "everything stays queued, run the same command again later"
        )

    def _pause_s(self, attempt: int) -> float:
        longest_s = min(self._settings.backoff_s * 2.0 ** (attempt - 1), self._settings.backoff_max_s)
        return longest_s * (0.5 + self._patience.jitter() / 2)


def _is_later(code: int) -> bool:
    return code >= httpx.codes.INTERNAL_SERVER_ERROR or code in LATER_BELOW_500


def _is_of_another_device(answer: httpx.Response) -> bool:
    """Whether the server refuses a drive because another device recorded it than the token's."""
    said = _object(answer) or {}
    return answer.status_code == httpx.codes.FORBIDDEN and said.get("reason") == FOREIGN_DEVICE


def _check_welcome(answer: httpx.Response, url: str | None, not_found_is_an_answer: bool) -> None:
    code = answer.status_code
    if _is_of_another_device(answer):
        return  # about this drive alone: the token is welcome
    if code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        raise ServerRefused(
            f"{url} refuses this device ({_refusal(answer)}): check the token and the drive's device_id; "
            "everything stays queued"
        )
    if (code == httpx.codes.NOT_FOUND and not not_found_is_an_answer) or answer.is_redirect:
        raise ServerRefused(
            f"{url} is no Wegewart server (HTTP {code}): check the address; everything stays queued"
        )


def _results(answer: httpx.Response, expected: int) -> list[dict[str, Any]] | None:
    """Result per message, in the order sent; None where the answer has none."""
    results = (_object(answer) or {}).get("results")
    if not isinstance(results, list) or not all(map(_is_result, results)):
        return None
    ordered = sorted(results, key=lambda result: int(result["index"]))
    return ordered if [result["index"] for result in ordered] == list(range(expected)) else None


def _is_result(result: object) -> bool:
    return (
        isinstance(result, dict)
        and type(result.get("index")) is int
        and result.get("status") in ("stored", "known", "refused")
    )


def _is_pass(each: object) -> bool:
    return (
        isinstance(each, dict)
        and _sha256_of(each.get("bundle")) is not None
        and type(each.get("observations_stored")) is int
    )


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    """The answer's JSON object; None where it holds none."""
    try:
        said = answer.json()
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _refusal(answer: httpx.Response) -> str:
    """What a problem answer says, in one line."""
    problem = _object(answer)
    said = answer.text[:200] if problem is None else problem.get("detail") or problem.get("title") or ""
    return f"HTTP {answer.status_code} {said}".strip()


def _sha256_of(bundle: object) -> str | None:
    """Hash of a bundle reference, whether the server writes it as an object or as the bare hash."""
    if isinstance(bundle, dict):
        sha256 = bundle.get("sha256")
        return sha256 if isinstance(sha256, str) else None
    return bundle if isinstance(bundle, str) else None
