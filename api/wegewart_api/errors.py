"""What the API answers when something is wrong: one class per answer, as problem details (RFC 9457)."""

from typing import ClassVar

from wegewart.errors import WegewartError


class StoreInvalid(WegewartError):
    """The store cannot be opened or brought to this version's tables."""


class Problem(WegewartError):
    """An answer that is no success; raised anywhere below a route, written by the app."""

    status: ClassVar[int] = 500
    kind: ClassVar[str] = "internal"
    title: ClassVar[str] = "Internal error"

    def __init__(self, detail: str, headers: dict[str, str] | None = None, **extensions: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.headers = headers or {}
        self.extensions = extensions


class BadRequest(Problem):
    """The body or a parameter cannot be read at all."""

    status, kind, title = 400, "unreadable", "The request cannot be read"


class NotAuthenticated(Problem):
    """No token, no login, or one that is not valid any more."""

    status, kind, title = 401, "not-authenticated", "Not logged in"


class NotAllowed(Problem):
    """Known who asks, but this is not theirs to do."""

    status, kind, title = 403, "not-allowed", "Not allowed"


class NotFound(Problem):
    """There is no such thing in this tenant."""

    status, kind, title = 404, "not-found", "Not found"


class Conflict(Problem):
    """What is asked contradicts what is stored."""

    status, kind, title = 409, "conflict", "Conflicts with what is stored"


class TooLarge(Problem):
    """The body is larger, or the batch longer, than the server takes."""

    status, kind, title = 413, "too-large", "Too large"


class UnsupportedMedia(Problem):
    """Not an image of a kind that evidence may be."""

    status, kind, title = 415, "unsupported-media", "Unsupported media type"


class Invalid(Problem):
    """Readable, but against the rules of the message."""

    status, kind, title = 422, "invalid", "Against the rules of the message"


class TooManyRequests(Problem):
    """Asked too often; the header Retry-After says when to come back."""

    status, kind, title = 429, "too-many-requests", "Too many requests"


class StoreUnavailable(Problem):
    """The store does not answer; nothing was changed, try again later."""

    status, kind, title = 503, "store-unavailable", "The store does not answer"
