"""Running offices on both stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.flow.running_office import RunningOffice, environment_for, import_streets, running_office
from tests.postgres_cluster import Cluster


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def environment(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """Environment of an office with streets in its store and nothing else; `FOLDER` names its folder."""
    folder = tmp_path_factory.mktemp(f"office-{request.param}")
    if request.param == "sqlite":
        environment = environment_for(folder, None)
        import_streets(environment)
        yield environment
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    name = cluster.create()
    environment = environment_for(folder, cluster.url(name))
    import_streets(environment)
    yield environment
    cluster.drop(name)


@pytest.fixture(scope="module")
def office(environment: dict[str, str]) -> Iterator[RunningOffice]:
    """An office that serves over this store."""
    with running_office(Path(environment["WEGEWART_DATA_DIR"]).parent, environment) as office:
        yield office
