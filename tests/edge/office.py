"""A small real HTTP server that keeps what the contract says, and misbehaves on command."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MAX_BODY_BYTES = 10_000_000


@dataclass
class Office:
    """What arrived, by id; `answers` are given instead of work: a status, or a status and a page."""

    token: str = "wgd_test_secret"
    answers: list[int | tuple[int, str]] = field(default_factory=list)
    encoding: str | None = None
    refuse_ids: dict[str, int] = field(default_factory=dict)
    foreign_drives: set[str] = field(default_factory=set)
    max_items: int = 200
    requests: list[tuple[str, str]] = field(default_factory=list)
    observations: dict[str, Any] = field(default_factory=dict)
    drives: dict[str, Any] = field(default_factory=dict)
    evidence: dict[str, bytes] = field(default_factory=dict)
    url: str = ""

    def content(self) -> str:
        """Everything that is stored, as one comparable text."""
        return json.dumps(
            [self.observations, self.drives, sorted(self.evidence)], sort_keys=True, separators=(",", ":")
        )

    def take(self, kind: str, messages: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        if len(messages) > self.max_items:
            return 413, {"title": "too many", "detail": f"{len(messages)} at once"}
        if {message["drive_id"] for message in messages} & self.foreign_drives:
            return 403, {"title": "forbidden", "detail": "recorded by another device", "reason": "device"}
        store = self.observations if kind == "observations" else self.drives
        results = [self._take_one(store, index, message) for index, message in enumerate(messages)]
        codes = {result.get("code") for result in results} - {None}
        status = 200 if not codes else 409 if 409 in codes else 422
        return status, {"title": "ok" if status == 200 else "some refused", "results": results}

    def _take_one(self, store: dict[str, Any], index: int, message: dict[str, Any]) -> dict[str, Any]:
        key = message.get("id") or f"{message['drive_id']}/{message['bundle']['sha256']}"
        if key in self.refuse_ids:
            return {
                "index": index,
                "id": key,
                "status": "refused",
                "code": self.refuse_ids[key],
                "detail": "not this one",
            }
        if key in store:
            if store[key] != message:
                return {
                    "index": index,
                    "id": key,
                    "status": "refused",
                    "code": 409,
                    "detail": "other content",
                }
            return {"index": index, "id": key, "status": "known"}
        store[key] = message
        return {"index": index, "id": key, "status": "stored"}

    def passes(self, drive_id: str) -> dict[str, Any] | None:
        found = [drive for drive in self.drives.values() if drive["drive_id"] == drive_id]
        if not found:
            return None
        return {
            "drive_id": drive_id,
            "passes": [
                {
                    "bundle": drive["bundle"],
                    "observations_stored": sum(
                        each["drive_id"] == drive_id for each in self.observations.values()
                    ),
                    "evidence_missing": [
                        each["evidence"]["sha256"]
                        for each in self.observations.values()
                        if each["evidence"] is not None and each["evidence"]["sha256"] not in self.evidence
                    ],
                }
                for drive in found
            ],
        }


class OfficeServer:
    """Serves an `Office` on a free port until closed."""

    def __init__(self, office: Office) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(office))
        office.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def _handler(office: Office) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Silence: the test reads `office.requests`."""

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            self._say(status, json.dumps(body).encode(), "application/json")

        def _say(self, status: int, content: bytes, media_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            if office.encoding is not None:
                self.send_header("Content-Encoding", office.encoding)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _begin(self) -> bytes | None:
            office.requests.append((self.command, self.path))
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if office.answers and (told := office.answers.pop(0)) != 200:
                if isinstance(told, tuple):
                    self._say(told[0], told[1].encode(), "text/html")
                else:
                    self._answer(told, {"title": "told to", "detail": f"scripted {told}"})
                return None
            if self.headers.get("Authorization") != f"Bearer {office.token}":
                self._answer(401, {"title": "unauthorized", "detail": "no such token"})
                return None
            return content

        def do_PUT(self) -> None:
            content = self._begin()
            if content is None:
                return
            sha256 = self.path.rsplit("/", 1)[1]
            if hashlib.sha256(content).hexdigest() != sha256:
                self._answer(422, {"detail": "hash differs"})
                return
            known = sha256 in office.evidence
            office.evidence[sha256] = content
            self._answer(200 if known else 201, {"sha256": sha256, "status": "known" if known else "stored"})

        def do_POST(self) -> None:
            content = self._begin()
            if content is None:
                return
            kind = self.path.rsplit("/", 1)[1]
            status, body = office.take(kind, json.loads(content)[kind])
            self._answer(status, body)

        def do_GET(self) -> None:
            if self._begin() is None:
                return
            found = office.passes(self.path.rsplit("/", 1)[1])
            self._answer(404 if found is None else 200, found or {"title": "unknown drive"})

    return Handler
