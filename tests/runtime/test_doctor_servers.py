"""`kyc-bot check` before PostgreSQL: who takes changes, what may be lost, and what the bot's user may do there."""

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from bot.domain.database_address import DatabaseAddress, parse
from bot.runtime.doctor import servers
from bot.runtime.doctor.findings import DoctorTimeouts, Finding
from bot.sandbox.demo import free_port
from storage.engine.postgresql.examine import Server, Unreached
from storage.engine.postgresql.troubles import Trouble
from tests.patience import GIVE_UP_SECONDS
from tests.postgresql import Cluster, cluster
from tests.postgresql.cluster import GUARDED, PASSWORD, ROLE

PATIENT = DoctorTimeouts(call=GIVE_UP_SECONDS, connect=GIVE_UP_SECONDS, part=GIVE_UP_SECONDS, probe=GIVE_UP_SECONDS)
ADDRESS = parse("postgresql://kyc@127.0.0.1,localhost/kyc")
SOUND = Server(
    host=ADDRESS.hosts[0],
    version=150014,
    encoding="UTF8",
    is_standby=False,
    is_read_only=False,
    fsync=True,
    full_page_writes=True,
    synchronous_commit="on",
    synchronous_standby_names="ANY 1 (a, b)",
    user="kyc",
    schema="public",
    may_create=True,
    is_superuser=False,
    tls="TLSv1.3",
    followers=1,
    slots=1,
    waited_for=1,
    unseen=0,
    ahead=timedelta(seconds=1),
)
FOLLOWER = replace(SOUND, host=ADDRESS.hosts[1], is_standby=True, is_read_only=True, synchronous_standby_names="")


def lines(*answers: Server | Unreached, address: DatabaseAddress = ADDRESS) -> list[str]:
    return [finding.line() for finding in servers.about(address, answers)]


def line(subject: str, **changed: Any) -> str:
    """What is said of one thing where the server is not as it should be."""
    (said,) = [each for each in lines(replace(SOUND, **changed), FOLLOWER) if each[6:].startswith(f"{subject}: ")][-1:]
    return said


# What is said of which server


def test_a_primary_and_a_standby_that_commits_wait_for_are_well() -> None:
    assert lines(SOUND, FOLLOWER) == [
        (
            "ok    database servers: 127.0.0.1 (PostgreSQL 15.14, TLSv1.3) takes changes; "
            "localhost (PostgreSQL 15.14, TLSv1.3) is a standby"
        ),
        "ok    rights in the database: kyc may make tables in the schema public",
        "ok    failover of the database: commits wait for a standby (ANY 1 (a, b))",
        "ok    clock against the database: 1 s apart",
    ]


SERVERS, RIGHTS, FAILOVER = "database servers", "rights in the database", "failover of the database"
CLOCK = "clock against the database"
LOST = "the last checks, with what was paid for and told of them, is lost without a trace"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"synchronous_standby_names": " "}, f"commits wait for no standby: if one takes over, {LOST}. In Patroni set"),
        ({"synchronous_commit": "local"}, "synchronous_commit is local for this user, so commits wait for no standby"),
        ({"waited_for": 0}, "commits wait for a standby (ANY 1 (a, b)), and none of these follows: nothing can be"),
    ],
)
def test_a_replicated_server_is_called_safe_only_if_commits_wait_for_a_standby(
    changed: dict[str, Any], said: str
) -> None:
    assert line(FAILOVER, **changed).startswith(f"FAIL  failover of the database: {said}")


@pytest.mark.parametrize("mode", ["on", "remote_apply", "remote_write"])
def test_a_commit_that_a_standby_has_is_enough(mode: str) -> None:
    assert line(FAILOVER, synchronous_commit=mode).startswith("ok ")


def test_who_may_not_see_the_standbys_hears_how_to_see_them() -> None:
    said = line(FAILOVER, waited_for=0, unseen=1)
    assert said.startswith("ok ")
    assert said.endswith("GRANT pg_monitor TO kyc would show whether one follows")


def test_one_server_alone_is_worth_a_note_and_behind_a_proxy_it_is_known_by_its_followers() -> None:
    one = parse("postgresql://kyc@127.0.0.1/kyc")
    alone = replace(SOUND, followers=0, slots=0, waited_for=0, synchronous_standby_names="")
    assert "note  failover of the database: one server alone: " in "\n".join(lines(alone, address=one))
    for seen in ({"followers": 1}, {"slots": 1}):
        proxied = replace(alone, **seen)  # type: ignore[arg-type]
        assert "FAIL  failover of the database: commits wait for no standby" in "\n".join(lines(proxied, address=one))


@pytest.mark.parametrize(
    ("subject", "changed", "said"),
    [
        (SERVERS, {"version": 130022}, "FAIL  {}: PostgreSQL 13.22 is too old. The bot needs 14"),
        (SERVERS, {"encoding": "SQL_ASCII"}, "FAIL  {}: the database has the encoding SQL_ASCII"),
        (SERVERS, {"fsync": False}, "FAIL  {}: fsync is off: a crash may damage the database"),
        (SERVERS, {"full_page_writes": False}, "FAIL  {}: full_page_writes is off: a crash may damage"),
        (SERVERS, {"synchronous_commit": "off"}, f"FAIL  {{}}: synchronous_commit is off: with a crash {LOST}"),
        (SERVERS, {"has_pooler": True}, "note  {}: a pooler stands before it, and leaves sessions"),
        (
            SERVERS,
            {"has_pooler": True, "shares_sessions": True},
            "FAIL  {}: a pooler gives each transaction another session. Set its pool_mode to session",
        ),
        (RIGHTS, {"schema": None}, "FAIL  {}: no schema of kyc's search_path exists. CREATE SCHEMA"),
        (RIGHTS, {"may_create": False}, "FAIL  {}: kyc may make no tables in the schema public. GRANT"),
        (
            RIGHTS,
            {"foreign_table": ("verifications", "postgres")},
            "FAIL  {}: the table verifications belongs to postgres: kyc could not bring it up to date",
        ),
        (RIGHTS, {"is_superuser": True}, "note  {}: kyc is a superuser, which the bot does not need"),
        (CLOCK, {"ahead": timedelta(seconds=90)}, "note  {}: the server's is 90 s ahead of this"),
        (CLOCK, {"ahead": timedelta(seconds=-200)}, "FAIL  {}: the server's is 200 s behind this"),
    ],
)  # fmt: skip
def test_what_would_do_harm_is_told_with_its_remedy(subject: str, changed: dict[str, Any], said: str) -> None:
    assert line(subject, **changed).startswith(said.format(subject))


def test_a_server_that_is_away_is_told_beside_the_one_that_works() -> None:
    away = Unreached(host=ADDRESS.hosts[1], trouble=Trouble.NOBODY)
    assert lines(SOUND, away)[0] == (
        "note  database servers: 127.0.0.1 (PostgreSQL 15.14, TLSv1.3) takes changes; localhost: no server listens "
        "there. Is it up, and does it listen there (listen_addresses, port)?"
    )


def test_no_server_that_takes_changes_is_a_failure() -> None:
    (said,) = lines(FOLLOWER, replace(FOLLOWER, is_standby=False))
    assert said.startswith("FAIL  database servers: none takes changes. localhost")
    assert "is a standby. localhost (PostgreSQL 15.14, TLSv1.3) is set to be read only. Name the primary" in said
    assert said.endswith("See KYC_DATABASE (postgresql://kyc@127.0.0.1,localhost/kyc).")


def test_two_servers_that_take_changes_are_two_databases() -> None:
    said = lines(SOUND, replace(SOUND, host=ADDRESS.hosts[1]))
    assert said[0].startswith("FAIL  database servers: 127.0.0.1 and localhost all take changes, so there are several")


@pytest.mark.parametrize("trouble", Trouble)
def test_every_way_not_to_get_in_has_its_remedy(trouble: Trouble) -> None:
    away = [Unreached(host=host, trouble=trouble, said="it said\n\tthis") for host in ADDRESS.hosts]
    (said,) = lines(*away)
    assert f"127.0.0.1: {trouble}. localhost: {trouble}. " in said
    assert "It was said: it said this. See KYC_DATABASE" in said


@pytest.mark.parametrize("mode", [0o640, 0o604, None])
def test_a_password_file_that_libpq_passes_over_is_told(tmp_path: Path, mode: int | None) -> None:
    path = tmp_path / "pgpass"
    if mode is not None:
        path.write_text("*:*:*:kyc:very-secret")
        path.chmod(mode)
    address = replace(parse("postgresql://kyc@127.0.0.1:1/kyc"), password_file=str(path))
    said = [each.line() for each in asyncio.run(servers.probe(address, PATIENT, lambda: datetime.now(UTC)))[0]]
    assert said[0].startswith("FAIL  password file (PGPASSFILE): ")
    assert "very-secret" not in "".join(said)


# With real servers


class Replicated(NamedTuple):
    primary: Cluster
    standby: Cluster
    address: str
    """Of one database on both."""


@pytest.fixture
def replicated() -> Iterator[Replicated]:
    with cluster() as primary:
        database = primary.database()
        standby = primary.standby()
        yield Replicated(primary, standby, primary.address(database, standby))


def check(text: str, *, password: str | None = None, file: Path | None = None) -> list[Finding]:
    address = replace(parse(text), password=password, password_file=str(file) if file else None)
    found, is_there = asyncio.run(servers.probe(address, PATIENT, lambda: datetime.now(UTC)))
    assert is_there == ("none takes changes" not in told(found, SERVERS))
    return found


def told(findings: list[Finding], subject: str) -> str:
    return "\n".join(each.line() for each in findings if each.subject == subject)


@pytest.mark.postgresql
def test_real_servers_are_told_apart_and_failover_is_judged(replicated: Replicated) -> None:
    primary, standby, text = replicated
    found = check(text)
    assert [each.line() for each in found if not each.ok] == []
    assert f"127.0.0.1:{primary.port} (PostgreSQL " in told(found, SERVERS)
    assert f"127.0.0.1:{standby.port} (PostgreSQL " in told(found, SERVERS)
    assert "GRANT pg_monitor TO kyc" in told(found, FAILOVER)
    primary.sql(f"GRANT pg_monitor TO {ROLE}")
    assert told(check(text), FAILOVER) == ("ok    failover of the database: commits wait for a standby (standby1)")
    primary.sql(f"ALTER ROLE {ROLE} SET synchronous_commit = local")
    assert "synchronous_commit is local for this user" in told(check(text), FAILOVER)
    primary.sql(f"ALTER ROLE {ROLE} RESET synchronous_commit")
    standby.stop()
    found = check(text)
    assert f"127.0.0.1:{standby.port}: no server listens there" in told(found, SERVERS)
    assert told(found, FAILOVER).startswith("FAIL  failover of the database: commits wait for a standby")
    # As Patroni does where it is not strict: rather than stand still, it waits for nobody.
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = ''")
    primary.sql("SELECT pg_reload_conf()")
    assert "FAIL  failover of the database: commits wait for no standby" in told(
        check(text), "failover of the database"
    )


@pytest.mark.postgresql
def test_two_primaries_are_found(replicated: Replicated) -> None:
    primary, standby, text = replicated
    standby.promote()
    found = check(text)
    assert "all take changes, so there are several databases" in told(found, SERVERS)
    primary.kill()
    assert f"127.0.0.1:{standby.port} (PostgreSQL" in told(check(text), SERVERS)


@pytest.mark.postgresql
def test_settings_of_a_real_server_that_lose_data_are_found() -> None:
    with cluster({"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}) as server:
        said = told(check(server.address(server.database())), SERVERS)
    for name in ("fsync is off", "full_page_writes is off", "synchronous_commit is off"):
        assert f"FAIL  database servers: {name}" in said


def test_what_the_bots_user_may_not_do_is_found(postgresql: Cluster) -> None:
    database = postgresql.database()
    text = postgresql.address(database)
    assert told(check(text), RIGHTS).startswith("ok ")
    postgresql.sql("CREATE TABLE meta (name TEXT)", database=database)
    assert "the table meta belongs to postgres" in told(check(text), RIGHTS)
    postgresql.sql("DROP SCHEMA public CASCADE", database=database)
    assert "no schema of kyc's search_path exists" in told(check(text), RIGHTS)
    postgresql.sql("CREATE SCHEMA kyc", database=database)
    assert "kyc may make no tables in the schema kyc" not in told(check(text), RIGHTS)
    postgresql.sql(f"GRANT USAGE ON SCHEMA kyc TO {ROLE}", database=database)
    assert "FAIL  rights in the database: kyc may make no tables in the schema kyc" in told(
        check(text), "rights in the database"
    )
    postgresql.drop(database)


def test_a_database_of_another_encoding_is_found(postgresql: Cluster) -> None:
    postgresql.sql(f"CREATE DATABASE latin OWNER {ROLE} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    assert "the database has the encoding LATIN1" in told(check(postgresql.address("latin")), SERVERS)
    postgresql.drop("latin")


def test_who_is_not_let_in_hears_why_and_never_a_password(postgresql: Cluster, tmp_path: Path) -> None:
    database = postgresql.database()
    guarded = postgresql.address(database).replace(f"//{ROLE}@", f"//{GUARDED}@")
    kept = tmp_path / "pgpass"
    kept.touch(mode=0o600)
    kept.write_text(f"127.0.0.1:*:{database}:{GUARDED}:{PASSWORD}\n", encoding="utf-8")
    for found in (check(guarded, password=PASSWORD), check(guarded, file=kept)):
        assert told(found, SERVERS).startswith("ok ")
        assert PASSWORD not in "".join(each.line() for each in found)
    for found in (check(guarded), check(guarded, password="very-secret"), check(guarded, file=tmp_path / "none")):
        assert "the server does not take this password. Compare KYC_DATABASE_PASSWORD" in told(
            found, "database servers"
        )
        assert "very-secret" not in "".join(each.line() for each in found)
    stranger = postgresql.address(database).replace(f"//{ROLE}@", "//stranger@")
    assert "the server does not let this user in" in told(check(stranger), SERVERS)
    nowhere = postgresql.address("nowhere")
    assert "there is no database of this name on the server. CREATE DATABASE" in told(
        check(nowhere), "database servers"
    )
    postgresql.drop(database)


@pytest.mark.postgresql
def test_a_server_that_has_stopped_answering_is_given_up(replicated: Replicated) -> None:
    primary, _standby, text = replicated
    primary.freeze()
    try:
        quick = replace(PATIENT, connect=1.0, part=2.0)
        found, is_there = asyncio.run(servers.probe(parse(text), quick, lambda: datetime.now(UTC)))
        assert not is_there
    finally:
        primary.thaw()
    assert f"127.0.0.1:{primary.port}: the server does not answer" in told(found, SERVERS)


@pytest.fixture
def authority(tmp_path: Path) -> Callable[[Cluster, str], Path]:
    """Gives a server a certificate for that host, and says whose it is."""

    def certify(server: Cluster, host: str) -> Path:
        ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        ours = certificate("the company", ca_key, "the company", ca_key)
        theirs = certificate(host, key, "the company", ca_key)
        files = {
            "server.crt": theirs.public_bytes(serialization.Encoding.PEM),
            "server.key": key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        }
        owner = server.data.stat()
        for name, content in files.items():
            (server.data / name).touch(mode=0o600)
            (server.data / name).write_bytes(content)
            os.chown(server.data / name, owner.st_uid, owner.st_gid)
        server.sql("ALTER SYSTEM SET ssl = on")
        server.restart()
        (tmp_path / "ca.pem").write_bytes(ours.public_bytes(serialization.Encoding.PEM))
        return tmp_path / "ca.pem"

    return certify


def certificate(
    subject: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=subject == issuer, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(subject.replace(" ", "-"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )


@pytest.mark.postgresql
def test_a_server_that_proves_itself_is_told_from_one_that_does_not(
    authority: Callable[[Cluster, str], Path], tmp_path: Path
) -> None:
    with cluster() as server:
        database = server.database()

        def ask(**options: str) -> str:
            wanted = "&".join(f"{name}={value}" for name, value in options.items())
            text = server.address(database).replace("127.0.0.1", "localhost")
            return told(check(f"{text}?{wanted}"), SERVERS)

        assert "no proven TLS connection to the server comes about" in ask(
            sslmode="verify-full", sslrootcert=str(authority(server, "elsewhere.example"))
        )
        trusted = authority(server, "localhost")
        assert ", TLSv1.3) takes changes" in ask(sslmode="verify-full", sslrootcert=str(trusted))
        absent = ask(sslmode="verify-full", sslrootcert=str(tmp_path / "absent.pem"))
        assert "It was said: connection failed: " in absent
        assert "absent.pem" in absent
        assert ", without TLS) takes changes" in ask(sslmode="disable")


@contextmanager
def pooler(server: Cluster, mode: str) -> Iterator[int]:
    """pgBouncer before a server, on this port."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing = "pgbouncer is not installed: apt-get install pgbouncer"
        if os.environ.get("NEEDS_POSTGRESQL"):
            pytest.fail(missing)
        pytest.skip(missing)
    port, owner = free_port(), server.data.stat()
    conf = server.data.parent / "pgbouncer.ini"
    conf.write_text(
        f"[databases]\n* = host=127.0.0.1 port={server.port} user={ROLE}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n",
        encoding="utf-8",
    )
    conf.chmod(0o644)  # whatever the umask
    is_root = os.geteuid() == 0
    process = subprocess.Popen(
        [program, "-q", str(conf)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        user=owner.st_uid if is_root else None,
        group=owner.st_gid if is_root else None,
        extra_groups=[] if is_root else None,
    )
    try:
        patience = time.monotonic() + GIVE_UP_SECONDS
        while not _listens(port):
            assert process.poll() is None
            assert time.monotonic() < patience
            time.sleep(0.02)
        yield port
    finally:
        process.terminate()
        process.wait(GIVE_UP_SECONDS)


def _listens(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("session", "note  database servers: a pooler stands before it, and leaves sessions as they are."),
        ("transaction", "FAIL  database servers: a pooler gives each transaction another session."),
        ("statement", "FAIL  database servers: none takes changes."),
    ],
)
def test_a_pooler_must_leave_sessions_as_they_are(postgresql: Cluster, mode: str, said: str) -> None:
    database = postgresql.database()
    with pooler(postgresql, mode) as port:
        found = check(f"postgresql://{ROLE}@127.0.0.1:{port}/{database}")
    assert said in told(found, "database servers")
    postgresql.drop(database)
