"""What several components' tests share: one PostgreSQL cluster and one browser for the whole run."""

import os
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from tests.browser_fixture import build_front_end, running_chromium
from tests.postgres_cluster import Cluster, ClusterMissing, running_cluster


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL cluster of the tests' own; without its programs CI fails, and others are told."""
    try:
        with running_cluster() as cluster:
            yield cluster
    except ClusterMissing as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, with the front end built for it."""
    build_front_end()
    with running_chromium() as browser:
        yield browser
