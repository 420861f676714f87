"""Command line of the office: serve, bring the store up to date, devices, people, streets."""

import argparse
import getpass
import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from uuid import UUID

from wegewart.damage import shipped_taxonomy
from wegewart.errors import CalledWrongly, WegewartError
from wegewart_api.app.server import DEFAULT_TENANT, open_store, serve, setup_url_of
from wegewart_api.auth.login import NewAccount, close_account, create_account, set_password, utc_now
from wegewart_api.auth.principal import PEOPLE, Role
from wegewart_api.auth.repository import add_device_token, add_tenant, revoke_device_tokens, tenant_of
from wegewart_api.auth.tokens import new_device_token
from wegewart_api.database.engine import Database
from wegewart_api.database.migrate import migrate
from wegewart_api.database.tables import TOKEN_ROLES
from wegewart_api.flow import FlowRules, process_pass, refresh_seen_streets
from wegewart_api.intake.processing import ProcessPass, process_complete
from wegewart_api.settings import Settings
from wegewart_api.streets.readers import read_network
from wegewart_api.streets.repository import store_network

IDENTIFIER_MOST = 64


def run_command(argv: Sequence[str] | None = None) -> int:
    """Run one command and give its exit code: 0 done, 1 failed, 2 called wrongly."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    arguments = _parser().parse_args(argv)
    try:
        settings = Settings.load(
            arguments.config,
            data_dir=arguments.data_dir,
            database_url=arguments.database_url,
            host=getattr(arguments, "host", None),
            port=getattr(arguments, "port", None),
            public_url=getattr(arguments, "public_url", None),
        )
        return int(arguments.run(settings, arguments))
    except WegewartError as error:
        print(f"wegewart-api: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130


def _serve(settings: Settings, arguments: argparse.Namespace) -> int:
    return serve(settings, _flow(settings), arguments.ready_file)


def _migrate(settings: Settings, _arguments: argparse.Namespace) -> int:
    database = Database.open(settings.store_url, connections=2)
    try:
        print(migrate(database))
    finally:
        database.close()
    return 0


def _process(settings: Settings, _arguments: argparse.Namespace) -> int:
    database = open_store(settings)
    try:
        for key in process_complete(database, _flow(settings)):
            print(f"{key.drive_id} {key.bundle_sha256}")
    finally:
        database.close()
    return 0


def _create_token(settings: Settings, arguments: argparse.Namespace) -> int:
    device_id = _identifier(arguments.device_id)
    database = open_store(settings)
    try:
        token = new_device_token()
        tenant_id = _tenant(database, arguments.tenant)
        with database.writing() as connection:
            add_device_token(connection, tenant_id, device_id, token, utc_now(), Role(arguments.role))
    finally:
        database.close()
    print(token.text)
    print(
        f"token of {device_id}: it is shown this once, keep it where only {device_id} reads it",
        file=sys.stderr,
    )
    return 0


def _revoke_token(settings: Settings, arguments: argparse.Namespace) -> int:
    database = open_store(settings)
    try:
        tenant_id = _tenant(database, arguments.tenant)
        with database.writing() as connection:
            revoked = revoke_device_tokens(
                connection, tenant_id, arguments.device_id, utc_now(), arguments.token_id
            )
    finally:
        database.close()
    if revoked == 0:
        raise CalledWrongly(f"{arguments.device_id} has no such token that is still valid")
    print(f"{revoked} revoked")
    return 0


def _create_user(settings: Settings, arguments: argparse.Namespace) -> int:
    database = open_store(settings)
    try:
        tenant_id = _tenant(database, arguments.tenant)
        person = NewAccount(
            arguments.email, arguments.name, _password(), Role(arguments.role), arguments.language
        )
        account = create_account(database, tenant_id, person, utc_now())
    finally:
        database.close()
    print(f"{account.email} {account.role}")
    return 0


def _set_password(settings: Settings, arguments: argparse.Namespace) -> int:
    database = open_store(settings)
    try:
        set_password(database, arguments.email, _password())
    finally:
        database.close()
    print(f"{arguments.email}: password set, all logins ended")
    return 0


def _close_user(settings: Settings, arguments: argparse.Namespace) -> int:
    database = open_store(settings)
    try:
        close_account(database, arguments.email)
    finally:
        database.close()
    print(f"{arguments.email}: closed, all logins ended")
    return 0


def _create_tenant(settings: Settings, arguments: argparse.Namespace) -> int:
    key = _identifier(arguments.key)
    database = open_store(settings)
    try:
        with database.writing() as connection:
            if tenant_of(connection, key) is not None:
                raise CalledWrongly(f"there is a tenant {key} already")
            add_tenant(connection, key, arguments.name, utc_now())
        print(setup_url_of(database, _url_of(settings), key))
    finally:
        database.close()
    return 0


def _import_streets(settings: Settings, arguments: argparse.Namespace) -> int:
    database = open_store(settings)
    try:
        tenant_id = _tenant(database, arguments.tenant)
        network = read_network(arguments.file, lambda step: print(step, file=sys.stderr))
        with database.writing() as connection:  # not while the file is read: others write meanwhile
            store_network(connection, tenant_id, network)
        refresh_seen_streets(database)
    finally:
        database.close()
    counts = {
        "streets": len(network.streets),
        "addresses": len(network.addresses),
        "left_out": network.left_out,
    }
    print(json.dumps(counts))
    return 0


def _setup_link(settings: Settings, arguments: argparse.Namespace) -> int:
    database = open_store(settings)
    try:
        url = setup_url_of(database, _url_of(settings), arguments.tenant)
    finally:
        database.close()
    if url is None:
        raise CalledWrongly("this tenant has people already: `wegewart-api user create` adds more")
    print(url)
    return 0


def _flow(settings: Settings) -> ProcessPass:
    return partial(process_pass, rules=FlowRules(taxonomy=shipped_taxonomy(settings.taxonomy)))


def _tenant(database: Database, key: str) -> UUID:
    with database.reading() as connection:
        tenant_id = tenant_of(connection, key)
    if tenant_id is None:
        raise CalledWrongly(f"no tenant {key!r}: `wegewart-api tenant create` makes one")
    return tenant_id


def _identifier(text: str) -> str:
    fitting = 1 <= len(text) <= IDENTIFIER_MOST and all(
        sign.isascii() and (sign.isalnum() or sign in "_.-") for sign in text
    )
    if not fitting:
        raise CalledWrongly(f"{text!r}: use 1 to {IDENTIFIER_MOST} letters, digits, '_', '.' or '-'")
    return text


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("once more: ") != first:
        raise CalledWrongly("the two passwords differ")
    return first


def _url_of(settings: Settings) -> str:
    return settings.public_url or f"http://{settings.host}:{settings.port}"


def _parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False)
    everywhere.add_argument("--config", type=Path, help="TOML file of settings (docs/settings-api.md)")
    everywhere.add_argument("--data-dir", type=Path, help="folder of the embedded store and the evidence")
    everywhere.add_argument("--database-url", help="postgresql://… ; a password belongs in the environment")
    of_tenant = argparse.ArgumentParser(add_help=False)
    of_tenant.add_argument("--tenant", default=DEFAULT_TENANT, help="short name of the tenant")

    parser = argparse.ArgumentParser(prog="wegewart-api", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")

    verb = verbs.add_parser("serve", parents=[everywhere], help="serve API and dashboard")
    verb.add_argument("--host")
    verb.add_argument("--port", type=int, help="0 takes a free one")
    verb.add_argument("--public-url", help="address under which people reach it")
    verb.add_argument("--ready-file", type=Path, help="write {url, setup_url} there when it listens")
    verb.set_defaults(run=_serve)

    verb = verbs.add_parser("migrate", parents=[everywhere], help="bring the store's tables up to date")
    verb.set_defaults(run=_migrate)

    verb = verbs.add_parser("process", parents=[everywhere], help="process complete drives that wait")
    verb.set_defaults(run=_process)

    token = verbs.add_parser("token", help="tokens of devices").add_subparsers(required=True, metavar="VERB")
    verb = token.add_parser("create", parents=[everywhere, of_tenant], help="make one and print it once")
    verb.add_argument("device_id", help="name of the box, or of the system that reads")
    verb.add_argument(
        "--role",
        choices=TOKEN_ROLES,
        default="device",
        help="device: a box that sends (default); viewer: a system that only reads, such as a GIS",
    )
    verb.set_defaults(run=_create_token)
    verb = token.add_parser("revoke", parents=[everywhere, of_tenant], help="make a device's tokens invalid")
    verb.add_argument("device_id")
    verb.add_argument("--token-id", help="only this one: the part between the first two '_'")
    verb.set_defaults(run=_revoke_token)

    user = verbs.add_parser("user", help="people").add_subparsers(required=True, metavar="VERB")
    verb = user.add_parser(
        "create", parents=[everywhere, of_tenant], help="create an account; the password comes by stdin"
    )
    verb.add_argument("email")
    verb.add_argument("--name", required=True)
    verb.add_argument("--role", required=True, choices=[role.value for role in PEOPLE])
    verb.add_argument("--language", choices=["de", "en"], default="de")
    verb.set_defaults(run=_create_user)

    verb = user.add_parser("password", parents=[everywhere], help="set a new password; it comes by stdin")
    verb.add_argument("email")
    verb.set_defaults(run=_set_password)
    verb = user.add_parser("close", parents=[everywhere], help="close an account; what it did stays recorded")
    verb.add_argument("email")
    verb.set_defaults(run=_close_user)

    tenant = verbs.add_parser("tenant", help="tenants").add_subparsers(required=True, metavar="VERB")
    verb = tenant.add_parser("create", parents=[everywhere], help="create one and print its set-up link")
    verb.add_argument("key")
    verb.add_argument("name")
    verb.set_defaults(run=_create_tenant)

    streets = verbs.add_parser("streets", help="the street network").add_subparsers(
        required=True, metavar="VERB"
    )
    verb = streets.add_parser(
        "import", parents=[everywhere, of_tenant], help="read streets and addresses in place of earlier ones"
    )
    verb.add_argument("file", type=Path, help="OSM (.osm, .osm.gz, .osm.pbf) or GeoJSON")
    verb.set_defaults(run=_import_streets)

    verb = verbs.add_parser(
        "setup-link", parents=[everywhere, of_tenant], help="print a new one-time set-up link"
    )
    verb.set_defaults(run=_setup_link)
    return parser
