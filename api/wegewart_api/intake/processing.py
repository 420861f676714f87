"""When a pass is complete, it is turned into defects: once, one pass of a tenant after the other.

Intake knows when; how is the callback's business (flow), which stands above intake. A pass that is complete
and not processed is found again at the next start and, while the server runs, every minute: neither a crash
nor a store that was away for a moment leaves a drive behind.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from wegewart_api.auth.login import utc_now
from wegewart_api.database.engine import Database
from wegewart_api.database.locks import wait_for_turn
from wegewart_api.intake import repository
from wegewart_api.intake.messages import PassKey

logger = logging.getLogger(__name__)

FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)  # a pass that fails always costs four attempts a day


@dataclass(frozen=True)
class CompletePass:
    """A pass that is closed and whole, and those of the same drive from which it has just taken over."""

    key: PassKey
    superseded: tuple[PassKey, ...] = field(default=())
    given_up: bool = False
    """The vehicle took it back: what it said of defects is to be taken back too."""


ProcessPass = Callable[[Connection, CompletePass], object]
"""Turns a complete pass into defects within the given transaction; calling it again changes nothing."""


def process_complete(
    database: Database,
    process: ProcessPass,
    touched: Iterable[PassKey] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> list[PassKey]:
    """Process passes that are complete and give those that were.

    A pass whose processing fails is logged and stays for the next time; it holds up no other.

    Args:
        touched: Only look at these; None looks at all, as at the start.
    """
    if touched is None:
        with database.reading() as connection:
            touched = repository.passes_to_process(connection)
    done = []
    for key in touched:
        try:
            if _process(database, process, key, clock()):
                done.append(key)
        except Exception:  # the outermost edge of the work: what was sent is stored, and is tried again
            logger.exception("drive %s could not be processed; it is tried again", key.drive_id)
    return done


@dataclass
class WaitingPasses:
    """Tries again what could not be processed, with pauses that double, so that no broken pass takes over.

    What failed is remembered in this process alone: after a restart each pass gets a fresh attempt.
    """

    database: Database
    process: ProcessPass
    clock: Callable[[], datetime] = utc_now
    _pauses: dict[PassKey, tuple[timedelta, datetime]] = field(default_factory=dict)

    def process_due(self) -> list[PassKey]:
        """Process the passes that wait and whose pause is over; gives those that were."""
        try:
            with self.database.reading() as connection:
                waiting = repository.passes_to_process(connection)
        except Exception:  # the store may be away for a moment: the next minute asks again
            logger.exception("nobody knows which drives wait; asked again in a minute")
            return []
        self._pauses = {key: pause for key, pause in self._pauses.items() if key in waiting}
        due = [key for key in waiting if key not in self._pauses or self._pauses[key][1] <= self.clock()]
        done = process_complete(self.database, self.process, due, self.clock)
        for key in set(due) - set(done):
            pause = min(2 * self._pauses[key][0], LONGEST_PAUSE) if key in self._pauses else FIRST_PAUSE
            self._pauses[key] = (pause, self.clock() + pause)
        return done


def _process(database: Database, process: ProcessPass, key: PassKey, now: datetime) -> bool:
    with database.reading() as connection:  # most batches complete nothing: then nobody waits for a lock
        if not (repository.is_complete(connection, key) or repository.is_given_up(connection, key)):
            return False
    with database.writing() as connection:
        wait_for_turn(connection, f"defects of {key.tenant_id}")
        repository.lock_passes_of_drive(connection, key)
        if repository.is_given_up(connection, key):
            process(connection, CompletePass(key, given_up=True))
        elif repository.is_complete(connection, key):
            superseded = repository.supersede_others(connection, key, now)
            process(connection, CompletePass(key, tuple(superseded)))
        else:
            return False
        repository.mark_processed(connection, key, now)
    logger.info("drive %s processed", key.drive_id)
    return True
