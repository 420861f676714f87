"""Runs wegewart-train in a process that may not use the network, and writes down who tried.

Called as a script: guarded.py LOG INTERRUPT -- ARGUMENTS. Whatever opens a connection, resolves a name or
starts a program that is not known to be harmless is noted in LOG; network calls fail on top. With
INTERRUPT = 1 the process gets Ctrl-C when the second epoch is about to be written down.
"""

import signal
import socket
import sys
from pathlib import Path
from typing import Any

NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "urllib.Request")
HARMLESS = ("git", "ldconfig", "fc-list")  # the commit of the code, shared libraries, installed fonts


class Guard:
    """An audit hook: Python tells it of every socket, program and file."""

    def __init__(self, log: Path, interrupt: bool) -> None:
        self.log = log.open("a", encoding="utf-8")
        self.interrupt = interrupt
        self.result_rows = 0

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in NETWORK and not _stays_here(arguments):
            self.note(f"{event} {arguments!r}")
            raise OSError(f"a test blocked {event}")
        if event == "subprocess.Popen" and Path(str(arguments[0])).name not in HARMLESS:
            self.note(f"{event} {arguments[:2]!r}")
        if event == "open" and str(arguments[0]).endswith("results.csv") and arguments[1] == "a":
            self.result_rows += 1
            if self.interrupt and self.result_rows == 2:
                signal.raise_signal(signal.SIGINT)

    def note(self, line: str) -> None:
        self.log.write(line + "\n")
        self.log.flush()


def _stays_here(arguments: tuple[Any, ...]) -> bool:
    """Whether a socket connects to a path: that is how torch's loader processes hand batches over."""
    return (
        len(arguments) == 2
        and isinstance(arguments[0], socket.socket)
        and isinstance(arguments[1], str | bytes)
    )


def main() -> int:
    log, interrupt, _, *arguments = sys.argv[1:]
    # Started from a shell's background the process would have inherited a Ctrl-C that does nothing.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.addaudithook(Guard(Path(log), interrupt == "1"))
    from wegewart_training.__main__ import main as wegewart_train

    return wegewart_train(arguments)


if __name__ == "__main__":
    sys.exit(main())
