"""The registry, in a folder and in a bucket behind a real S3 endpoint: releases whole, versions rising."""

import json
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import pytest
from tests.inference.tiny_models import end2end_answer, write_bundle

from wegewart.errors import BundleInvalid, BundleUntrusted, ServerRefused, ServerUnreachable, SettingsInvalid
from wegewart_training.__main__ import main
from wegewart_training.registry import Index, add, fetch, open_registry
from wegewart_training.registry_s3 import S3Registry

SEEN = end2end_answer((16, 20, 48, 44, 0.75, 3))
BUCKET = "releases"


@pytest.fixture(scope="module")
def endpoint():
    """URL of an S3 server of this test's own."""
    if find_spec("boto3") is None or find_spec("moto") is None:
        pytest.skip("boto3 or moto is not installed: install wegewart[s3,dev]")
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint, monkeypatch, tmp_path):
    """Place of an empty bucket; boto3 finds endpoint and credentials as it always does."""
    import boto3

    for name, text in {
        "AWS_ENDPOINT_URL_S3": endpoint,
        "AWS_ACCESS_KEY_ID": "a-test",
        "AWS_SECRET_ACCESS_KEY": "a-test",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, text)
    name = f"{BUCKET}-{abs(hash(tmp_path)):x}"[:60]
    boto3.client("s3").create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
    )
    return f"s3://{name}/models"


@pytest.fixture(params=["folder", "bucket"])
def place(request, tmp_path):
    return str(tmp_path / "registry") if request.param == "folder" else request.getfixturevalue("bucket")


def release(tmp_path, version="0.1.0", where="models"):
    return write_bundle(tmp_path / where, SEEN, version=version)


def add_by_command(place, folder):
    return main(["registry", "add", str(folder), "--registry", place])


@pytest.mark.parametrize(
    ("versions", "codes"),
    [
        (("0.1.0", "0.1.1"), (0, 0)),
        (("0.9.0", "0.10.0"), (0, 0)),
        (("0.2.0", "0.1.9"), (0, 2)),
        (("0.1.0", "0.1.0"), (0, 2)),
    ],
    ids=["higher", "ten-is-above-nine", "lower", "again"],
)
def test_versions_only_rise(place, tmp_path, capsys, versions, codes):
    folders = [release(tmp_path, version, str(number)) for number, version in enumerate(versions)]

    assert tuple(add_by_command(place, folder) for folder in folders) == codes

    index = open_registry(place).read().index
    assert [entry.version for entry in index.releases] == list(versions[: 2 - codes.count(2)])
    assert main(["registry", "list", "--registry", place]) == 0
    assert f"tiny-{versions[0]}-fp32" in capsys.readouterr().out


def test_what_comes_out_is_the_release_that_went_in_and_nothing_warns(place, tmp_path, caplog):
    folder = release(tmp_path)
    assert add_by_command(place, folder) == 0
    keys = ("--keys", str(folder.parent / "keys"))

    get = ["registry", "get", folder.name, "--registry", place, "--models", str(tmp_path / "vehicle"), *keys]

    assert main(get) == 0
    held = tmp_path / "vehicle" / folder.name
    assert {path.name: path.read_bytes() for path in held.iterdir()} == {
        path.name: path.read_bytes() for path in folder.iterdir()
    }
    assert [path.name for path in held.parent.iterdir()] == [folder.name]
    assert "unsigned" not in caplog.text
    assert main(get) == 2  # a release does not change


def test_a_release_that_nobody_known_signed_does_not_come_out(place, tmp_path, capsys):
    folder = release(tmp_path)
    assert add_by_command(place, folder) == 0

    get = ["registry", "get", folder.name, "--registry", place, "--models", str(tmp_path / "vehicle")]

    assert main(get) == 1
    assert "add it if you trust it" in capsys.readouterr().err
    assert list((tmp_path / "vehicle").iterdir()) == []


def test_an_unsigned_bundle_does_not_enter(place, tmp_path, capsys):
    folder = write_bundle(tmp_path / "models", SEEN, signed=False)

    assert add_by_command(place, folder) == 1
    assert "is not signed" in capsys.readouterr().err
    assert open_registry(place).read().mark is None


def test_an_unknown_release_is_named_with_those_that_there_are(place, tmp_path, capsys):
    add_by_command(place, release(tmp_path))
    get = ["registry", "get", "tiny-9.9.9-fp32", "--registry", place, "--models", str(tmp_path)]

    assert main(get) == 2
    assert "tiny-0.1.0-fp32" in capsys.readouterr().err


def test_of_two_who_read_the_same_index_one_is_told(place, tmp_path):
    registry = open_registry(place)
    add(registry, release(tmp_path), tmp_path / "models" / "keys")
    before = registry.read()

    later = Index(releases=(*before.index.releases, before.index.releases[0]))
    assert registry.write(later, before.mark)
    assert not registry.write(before.index, before.mark)
    assert not registry.write(before.index, None)
    assert registry.read().index == later


def test_many_who_add_at_once_all_enter(place, tmp_path):
    bundles = [write_bundle(tmp_path / str(n), SEEN, name=f"tiny-{n}") for n in range(6)]
    with ThreadPoolExecutor(6) as pool:
        entries = list(pool.map(lambda one: add(open_registry(place), one, one.parent / "keys"), bundles))

    found = {entry.id for entry in open_registry(place).read().index.releases}
    assert found == {entry.id for entry in entries} == {one.name for one in bundles}


def test_many_who_add_the_same_release_at_once_do_not_stumble_over_each_other(tmp_path):
    folder = release(tmp_path)
    for round_number in range(20):
        registry = open_registry(str(tmp_path / "registry" / str(round_number)))
        with ThreadPoolExecutor(6) as pool:
            list(pool.map(lambda _: registry.put(folder, "tiny/0"), range(6)))  # noqa: B023

        assert (registry.folder / "tiny/0/card.json").is_file()


class Twice:
    """A client whose first answer for the index is lost on the way, so that it asks again by itself."""

    def __init__(self, client):
        self.client = client

    def __getattr__(self, name):
        return getattr(self.client, name)

    def put_object(self, **words):
        if words["Key"].endswith("index.json"):
            self.client.put_object(**words)
        return self.client.put_object(**words)


def test_a_release_whose_entry_went_through_although_the_answer_was_lost_is_entered_once(bucket, tmp_path):
    registry = open_registry(bucket)
    twice = S3Registry(Twice(registry.client), registry.bucket, registry.prefix)

    entry = add(twice, release(tmp_path), tmp_path / "models" / "keys")

    assert registry.read().index.releases == (entry,)


class Conflicting:
    """A client that is told of a conflict on every first try, as S3 does while another request is at work."""

    def __init__(self, client):
        self.client, self.told = client, set()

    def __getattr__(self, name):
        return getattr(self.client, name)

    def put_object(self, **words):
        if words["Key"] not in self.told:
            self.told.add(words["Key"])
            error = {"Error": {"Code": "ConditionalRequestConflict", "Message": "try again"}}
            raise self.client.exceptions.ClientError(error, "PutObject")
        return self.client.put_object(**words)


def test_what_the_store_did_not_decide_is_tried_again_and_no_file_is_missing(bucket, tmp_path, monkeypatch):
    monkeypatch.setattr("wegewart_training.registry_s3.PAUSE_S", 0.0)
    registry, folder = open_registry(bucket), release(tmp_path)

    add(
        S3Registry(Conflicting(registry.client), registry.bucket, registry.prefix),
        folder,
        folder.parent / "keys",
    )

    held = fetch(registry, folder.name, tmp_path / "vehicle", folder.parent / "keys")
    assert {path.name for path in held.iterdir()} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("changed", [{"sha256": "0" * 64}, {"version": "9.9.9"}, {"name": "other"}], ids=str)
def test_files_that_are_not_what_the_index_says_do_not_come_out(place, tmp_path, changed):
    registry, folder = open_registry(place), release(tmp_path)
    entry = add(registry, folder, folder.parent / "keys")
    assert registry.write(Index(releases=(entry.model_copy(update=changed),)), registry.read().mark)

    with pytest.raises(BundleUntrusted, match=f"the index says {next(iter(changed))}"):
        fetch(registry, folder.name, tmp_path / "vehicle", folder.parent / "keys")

    assert list((tmp_path / "vehicle").iterdir()) == []


def test_a_broken_index_is_not_overwritten(tmp_path, capsys):
    registry = tmp_path / "registry"
    registry.mkdir()
    (registry / "index.json").write_text('{"releases": [')

    assert add_by_command(str(registry), release(tmp_path)) == BundleInvalid.exit_code
    assert "restore it" in capsys.readouterr().err
    assert (registry / "index.json").read_text() == '{"releases": ['


def test_the_index_of_a_folder_can_be_read_by_people(tmp_path):
    add_by_command(str(tmp_path / "registry"), release(tmp_path))

    (entry,) = json.loads((tmp_path / "registry" / "index.json").read_text())["releases"]
    assert (entry["id"], entry["version"]) == ("tiny-0.1.0-fp32", "0.1.0")
    assert (tmp_path / "registry" / entry["id"] / entry["sums_sha256"][:16] / "card.json").is_file()


def test_a_store_without_conditional_writes_is_refused(bucket, tmp_path):
    registry = open_registry(bucket)

    def drop_conditions(params, **_):
        for name in ("If-None-Match", "If-Match"):
            params["headers"].pop(name, None)

    registry.client.meta.events.register("before-call.s3.PutObject", drop_conditions)

    with pytest.raises(ServerRefused, match="takes no notice of If-None-Match"):
        add(registry, release(tmp_path), tmp_path / "models" / "keys")


def test_a_bucket_that_is_not_there_is_named(bucket):
    with pytest.raises(ServerRefused, match="NoSuchBucket"):
        open_registry("s3://no-such-bucket/x").write(Index(), None)


def test_a_store_that_does_not_answer_is_an_error_of_ours(bucket, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(ServerUnreachable, match="s3://"):
        open_registry(bucket).read()


def test_without_credentials_the_message_says_where_boto3_looks(bucket, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SettingsInvalid, match="AWS_… variables"):
        open_registry(bucket).read()
