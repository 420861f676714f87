"""How far a drive is, for people at a terminal and for logs."""

import io

import pytest

from wegewart_edge.__main__ import progress_to


class Terminal(io.StringIO):
    def isatty(self):
        return True


def said(stream, total):
    progress = progress_to(stream)
    for done in range(1, total + 1):
        progress(done, total)
    return stream.getvalue()


@pytest.mark.parametrize(("total", "lines"), [(1, 1), (3, 3), (10, 10), (18, 10), (4321, 10)])
def test_log_gets_about_ten_lines_however_long_the_drive_is(total, lines):
    log = said(io.StringIO(), total)
    assert "\r" not in log
    assert len(log.splitlines()) == lines
    assert log.endswith(f"Bild {total} von {total} · frame {total} of {total}\n")


def test_terminal_shows_one_line_that_is_written_over():
    shown = said(Terminal(), 25)
    assert shown.count("\r") == 25
    assert shown.count("\n") == 1
    assert shown.endswith("frame 25 of 25\n")
