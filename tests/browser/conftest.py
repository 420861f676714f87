"""One filled office for all tests of the pages in it."""

from collections.abc import Iterator

import pytest
from tests.api.dashboard_store import fill_office, open_office
from tests.api.office import Office
from tests.browser_fixture import served


@pytest.fixture(scope="session")
def filled_office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """An office with the committed streets, a dozen tickets and three drives."""
    office = open_office(tmp_path_factory.mktemp("office"))
    fill_office(office)
    return office


@pytest.fixture(scope="session")
def origin(filled_office: Office) -> Iterator[str]:
    """Where the filled office listens."""
    with served(filled_office.app) as origin:
        yield origin


@pytest.fixture(scope="session")
def empty_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where an office without streets, drives and tickets listens."""
    with served(open_office(tmp_path_factory.mktemp("empty")).app) as origin:
        yield origin
