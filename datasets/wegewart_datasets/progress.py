"""Progress on stderr: a bar that moves on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")
BAR_WIDTH = 30
TERMINAL_EVERY_S = 0.1
LOG_EVERY_S = 30.0


def with_progress(
    things: Iterable[T],
    title: str,
    total: int | None = None,
    stream: TextIO | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[T]:
    """The same things; meanwhile how many there were, of how many, and how fast."""
    out = sys.stderr if stream is None else stream
    every_s = TERMINAL_EVERY_S if out.isatty() else LOG_EVERY_S
    started = last = clock()
    count = 0
    for count, thing in enumerate(things, start=1):
        yield thing
        now = clock()
        if now - last >= every_s:
            last = now
            _show(out, title, count, total, now - started)
    if out.isatty() or last != started:
        _show(out, title, count, total, clock() - started)
        out.write("\n" if out.isatty() else "")


def _show(out: TextIO, title: str, count: int, total: int | None, elapsed_s: float) -> None:
    rate = count / elapsed_s if elapsed_s > 0 else 0.0
    if total:
        filled = min(BAR_WIDTH, count * BAR_WIDTH // total)
        bar = f"[{'#' * filled}{'.' * (BAR_WIDTH - filled)}] {count}/{total}"
    else:
        bar = str(count)
    line = f"{title} {bar}  {rate:.0f}/s"
    out.write(f"\r{line}" if out.isatty() else f"{line}\n")
    out.flush()
