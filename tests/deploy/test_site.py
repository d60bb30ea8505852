"""deploy/site: two instances, PostgreSQL with a standby, and a proxy. Compose is read; the servers' scripts are run."""

import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
import yaml
from cryptography import x509
from psycopg.conninfo import make_conninfo

from bot import settings_file
from bot.domain.database_address import parse
from bot.sandbox.demo import free_port
from bot.settings import Settings
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import require
from tests.postgresql.cluster import programs

ROOT = Path(__file__).parents[2]
SITE = ROOT / "deploy/site"
COMPOSE: dict[str, Any] = yaml.safe_load((SITE / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
BOTS = sorted(name for name in SERVICES if name.startswith("bot-"))
SERVERS = sorted(name for name in SERVICES if name.startswith("db"))


def test_there_are_two_of_each_and_all_that_is_named_is_there() -> None:
    assert (BOTS, SERVERS) == (["bot-a", "bot-b"], ["db1", "db2"])
    for service in SERVICES.values():
        assert set(service.get("depends_on", ())) <= SERVICES.keys()
        secrets = {each if isinstance(each, str) else each["source"] for each in service.get("secrets", ())}
        assert secrets <= COMPOSE["secrets"].keys()
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            if source.startswith("./"):
                assert (SITE / source).is_file()
            elif ":" in volume:
                assert source in COMPOSE["volumes"]
    assert SERVICES["bot-a"] == SERVICES["bot-b"]


def test_the_settings_of_the_bots_are_settings_and_fit_what_stands_beside_them() -> None:
    given = SERVICES["bot-a"]["environment"]
    known = {str(field.alias) for field in Settings.model_fields.values()}
    assert {name.removesuffix("_FILE") for name in given} <= known | {settings_file.VARIABLE}
    address = parse(given["KYC_DATABASE"])
    assert [host.name for host in address.hosts] == SERVERS
    assert address.conninfo["sslmode"] == "verify-full"
    named = {value.removeprefix("/run/secrets/") for value in [address.options["sslrootcert"], *given.values()]}
    assert {"settings", "authority", "password"} == named & COMPOSE["secrets"].keys()
    assert set(SERVICES["bot-a"]["secrets"]) == {"settings", "authority", "password"}
    assert given["KYC_TRUSTED_PROXIES"] == SERVICES["proxy"]["networks"]["site"]["ipv4_address"]


def test_what_a_bot_is_built_of_is_there_and_has_psycopg() -> None:
    build = SERVICES["bot-a"]["build"]
    container = (SITE / build["context"] / build["dockerfile"]).resolve()
    assert container == ROOT / "deploy/Containerfile"
    text = container.read_text(encoding="utf-8")
    for name, lock in build["args"].items():
        assert f"ARG {name}=" in text
        assert "psycopg-binary==" in (ROOT / lock).read_text(encoding="utf-8")
        assert lock in text


def test_the_proxy_leads_to_both_bots_and_is_else_the_one_of_a_single_machine() -> None:
    text = (SITE / "Caddyfile").read_text(encoding="utf-8")
    (upstreams,) = re.findall(r"reverse_proxy (.+) \{", text)
    assert upstreams.split() == [f"{name}:{Settings.model_fields['port'].default}" for name in BOTS]
    assert re.findall(r"health_uri (\S+)", text) == ["/healthz"]
    alone = (ROOT / "deploy/Caddyfile").read_text(encoding="utf-8")
    kept = re.sub(r" bot-a:3000 bot-b:3000 \{\n(\t{3}.*\n)+\t\t\}", " 127.0.0.1:3000", text)
    assert kept.splitlines()[1:] == alone.splitlines()[1:]


def test_a_commit_waits_for_the_standby_that_follows() -> None:
    first, second = (SERVICES[name]["environment"] for name in SERVERS)
    assert first["STANDBY"] == second["STANDBY"] == "db2"
    assert second["PRIMARY"] == "db1"
    for service, script in zip(SERVERS, ("primary.sh", "standby.sh"), strict=True):
        assert SERVICES[service]["command"] == [f"/site/{script}"]
        assert (SITE / script).stat().st_mode & 0o111


# The scripts, on the servers of this machine


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    subprocess.run([SITE / "secrets.sh", tmp_path / "secrets"], check=True, capture_output=True)
    return tmp_path / "secrets"


@pytest.mark.slow
def test_the_certificates_name_their_server_and_nobody_can_make_more(secrets: Path) -> None:
    names = {str(file.relative_to(secrets)) for file in secrets.rglob("*") if file.is_file()}
    told = {each["file"].removeprefix("./secrets/") for each in COMPOSE["secrets"].values()}
    assert names == told - {"bots/settings"}
    assert {(secrets / name).stat().st_mode & 0o777 for name in names} == {0o600}
    servers = secrets / "servers"
    authority = x509.load_pem_x509_certificate((servers / "authority").read_bytes())
    for server in SERVERS:
        certificate = x509.load_pem_x509_certificate((servers / f"{server}.pem").read_bytes())
        certificate.verify_directly_issued_by(authority)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert alternative.get_values_for_type(x509.DNSName) == [server]
    assert len({(servers / name).read_text() for name in ("password", "replication")}) == 2
    for shared in ("password", "authority"):
        assert (servers / shared).read_bytes() == (secrets / "bots" / shared).read_bytes()


@pytest.mark.postgresql
@pytest.mark.slow
def test_the_servers_come_up_prove_themselves_and_the_standby_can_take_over(secrets: Path) -> None:
    require()
    with playground(secrets) as place:
        ways = {name: place.way(name) for name in SERVERS}
        with place.server("db1", "primary.sh") as first, place.server("db2", "standby.sh") as second:
            asked = "SELECT application_name, sync_state FROM pg_stat_replication"
            place.wait_for(lambda: place.answer(ways["db1"], asked) == [("db2", "sync")])
            assert place.answer(ways["db1"], "SHOW ssl") == [("on",)]
            place.answer(ways["db1"], "CREATE TABLE kept (n INTEGER)")
            assert place.answer(ways["db2"], "SELECT pg_is_in_recovery()") == [(True,)]
            with pytest.raises(psycopg.OperationalError):
                place.answer(ways["db1"] | {"sslmode": "disable"}, "SELECT 1")
            with pytest.raises(psycopg.OperationalError):
                place.answer(ways["db1"] | {"host": "db2"}, "SELECT 1")
            first.kill()
            first.wait()
            place.run("pg_ctl", "promote", "-D", str(place.data("db2")))
            both = ways["db1"] | {"host": "db1,db2", "hostaddr": "127.0.0.1,127.0.0.1"}
            both |= {"port": f"{ways['db1']['port']},{ways['db2']['port']}", "target_session_attrs": "read-write"}
            place.wait_for(lambda: place.answer(both, "SELECT count(*) FROM kept") == [(0,)])
            assert place.answer(both, "INSERT INTO kept VALUES (1) RETURNING n") == [(1,)]
            assert second.poll() is None


class Playground:
    """A folder of an ordinary user's, where the scripts find what they find in a container."""

    def __init__(self, folder: Path, secrets: Path, user: pwd.struct_passwd | None) -> None:
        self.folder, self.secrets, self.user = folder, secrets, user
        self.ports = {name: free_port() for name in SERVERS}

    def data(self, name: str) -> Path:
        return self.folder / f"{name}-data"

    def way(self, name: str) -> dict[str, str]:
        """How a bot reaches a server: by its name in the certificate, whichever address that has here."""
        return {
            "host": name,
            "hostaddr": "127.0.0.1",
            "port": str(self.ports[name]),
            "dbname": "kyc",
            "user": "kyc",
            "password": (self.secrets / "bots/password").read_text(),
            "sslmode": "verify-full",
            "sslrootcert": str(self.secrets / "bots/authority"),
        }

    def answer(self, way: Mapping[str, str], sql: LiteralString) -> list[tuple[Any, ...]]:
        with psycopg.connect(make_conninfo(**way), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def server(self, name: str, script: str) -> Iterator[subprocess.Popen[bytes]]:
        folder = self.folder / f"{name}-secrets"
        folder.mkdir()
        for each in SERVICES[name]["secrets"]:
            source, target = (each, each) if isinstance(each, str) else (each["source"], each["target"])
            shutil.copy(self.secrets / COMPOSE["secrets"][source]["file"].removeprefix("./secrets/"), folder / target)
        self.own(folder, *folder.iterdir())
        environment = {
            "PATH": f"{programs()}:{os.environ['PATH']}",
            "PGDATA": str(self.data(name)),
            "SECRETS": str(folder),
            "STANDBY": "db2",
            "PRIMARY": "db1 hostaddr=127.0.0.1",
            "PRIMARY_PORT": str(self.ports["db1"]),
        }
        here = ("-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={self.folder}")
        log = (self.folder / f"{name}.log").open("wb")
        process = subprocess.Popen(
            [SITE / script, "-p", str(self.ports[name]), *here],
            env=environment,
            cwd=self.folder,
            start_new_session=True,
            stdout=log,
            stderr=subprocess.STDOUT,
            **self.as_user,
        )
        try:
            self.wait_for(lambda: (self.data(name) / "postmaster.pid").exists() or process.poll() is not None)
            yield process
        finally:
            process.kill()
            process.wait(GIVE_UP_SECONDS)
            log.close()

    @property
    def as_user(self) -> dict[str, Any]:
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []} if self.user else {}

    def run(self, program: str, *arguments: str) -> None:
        subprocess.run([f"{programs()}/{program}", *arguments], check=True, cwd=self.folder, **self.as_user)

    def own(self, *paths: Path) -> None:
        for path in paths:
            if self.user:
                os.chown(path, self.user.pw_uid, self.user.pw_gid)

    def wait_for(self, condition: Any) -> None:
        until = time.monotonic() + GIVE_UP_SECONDS
        while True:
            try:
                if condition():
                    return
            except psycopg.OperationalError:
                pass
            logs = "\n".join(log.read_text(errors="replace")[-1500:] for log in self.folder.glob("*.log"))
            assert time.monotonic() < until, logs
            time.sleep(0.1)


@contextmanager
def playground(secrets: Path) -> Iterator[Playground]:
    user = None
    if os.geteuid() == 0:
        names = {each.pw_name: each for each in pwd.getpwall()}
        user = names.get("postgres") or names["nobody"]
    with tempfile.TemporaryDirectory(prefix="kyc-site-", ignore_cleanup_errors=True) as name:
        place = Playground(Path(name), secrets, user)
        place.own(Path(name))
        yield place
