"""The address of a PostgreSQL server: what libpq makes of it, what is refused, and that a password is never told."""

import string
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from bot.domain.database_address import OPTIONS, DatabaseAddress, Host, is_address, parse

CA = "sslrootcert=/etc/kyc-bot/postgresql-ca.pem"
FAR = f"postgresql://kyc@db.example.com/kyc?{CA}"


def refused(text: str) -> str:
    with pytest.raises(ValueError) as found:  # noqa: PT011 - its words are what is looked at
        parse(text)
    return str(found.value)


# What is taken


@pytest.mark.parametrize(
    ("text", "hosts", "user"),
    [
        ("postgresql://localhost/kyc", [("localhost", 5432)], None),
        ("postgres://kyc@127.0.0.1:5433/kyc", [("127.0.0.1", 5433)], "kyc"),
        ("postgresql://kyc@[::1]:5433/kyc", [("::1", 5433)], "kyc"),
        ("postgresql://kyc@%2Fvar%2Frun%2Fpostgresql/kyc", [("/var/run/postgresql", 5432)], "kyc"),
        ("postgresql:///kyc?host=/var/run/postgresql&port=5433&user=kyc", [("/var/run/postgresql", 5433)], "kyc"),
        ("postgresql:///kyc?host=127.0.0.1,localhost&port=5433", [("127.0.0.1", 5433), ("localhost", 5433)], None),
        ("postgresql://127.0.0.1,localhost/kyc?port=1,2", [("127.0.0.1", 1), ("localhost", 2)], None),
        (
            f"postgresql://kyc%40bank@db1.example.com,db2.example.com:5433/kyc?{CA}",
            [("db1.example.com", 5432), ("db2.example.com", 5433)],
            "kyc@bank",
        ),
    ],
)
def test_an_address_means_to_us_what_it_means_to_libpq(
    text: str, hosts: list[tuple[str, int]], user: str | None
) -> None:
    address = parse(text)
    assert [(host.name, host.port) for host in address.hosts] == hosts
    assert (address.user, address.name) == (user, "kyc")
    meant = {name: str(value) for name, value in conninfo_to_dict(text).items()}
    ours = address.conninfo
    for name in ("host", "dbname", "user", "sslrootcert"):
        assert ours.get(name) == meant.get(name), name
    # libpq fills in the port of a host without one by itself.
    assert ours["port"].split(",") == [str(port) for _name, port in hosts]


WORDS = st.text(string.ascii_letters + string.digits + "-_äß€%@:/?#&=+ ", min_size=1, max_size=20).map(
    lambda text: text.strip() or "x"
)


@given(
    user=st.none() | WORDS,
    name=WORDS,
    hosts=st.lists(
        st.tuples(st.sampled_from(["db.example.com", "10.0.0.1", "::1", "2001:db8::1"]), st.integers(1, 65535)),
        min_size=1,
        max_size=3,
    ),
)
def test_what_is_written_out_again_is_the_same_address(
    user: str | None, name: str, hosts: list[tuple[str, int]]
) -> None:
    address = DatabaseAddress(
        hosts=tuple(Host(*host) for host in hosts), name=name, user=user, options={"sslrootcert": "/a b,c:d.pem"}
    )
    assert parse(str(address)) == address
    meant = conninfo_to_dict(str(address))
    assert (meant["dbname"], meant.get("user")) == (name, user)


def test_a_socket_is_written_out_as_an_option() -> None:
    text = "postgresql://kyc@/kyc?host=/var/run/postgresql&port=5433"
    assert str(parse(text)) == text
    assert parse(str(parse("postgresql://%2Frun%2Fpg/kyc"))) == parse("postgresql://%2Frun%2Fpg/kyc")


@pytest.mark.parametrize("text", ["postgresql://h/kyc", "POSTGRES://h/kyc", " postgresql:kyc", "postgres:/kyc"])
def test_what_looks_like_an_address_is_never_taken_for_a_file(text: str) -> None:
    assert is_address(text)


@pytest.mark.parametrize("text", ["kyc.db", "/var/lib/postgresql/kyc.db", "postgresql.db", "./postgres"])
def test_a_file_is_no_address(text: str) -> None:
    assert not is_address(text)


# How it is connected to


def test_a_server_beyond_this_machine_has_to_prove_itself() -> None:
    ours = parse(FAR).conninfo
    assert (ours["sslmode"], ours["sslrootcert"]) == ("verify-full", "/etc/kyc-bot/postgresql-ca.pem")
    assert (ours["gssencmode"], ours["target_session_attrs"]) == ("disable", "read-write")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "[::1]", "%2Frun%2Fpostgresql"])
def test_nobody_stands_between_on_this_machine(host: str) -> None:
    address = parse(f"postgresql://{host}/kyc")
    assert address.is_here
    assert address.conninfo["sslmode"] == "prefer"
    assert parse(f"postgresql://{host}/kyc?sslmode=disable").conninfo["sslmode"] == "disable"


def test_the_way_in_is_handed_over_and_never_shown() -> None:
    address = DatabaseAddress(
        hosts=(Host("localhost"),), name="kyc", user="kyc", password="very-secret-6", password_file="/etc/pgpass"
    )
    assert (address.conninfo["password"], address.conninfo["passfile"]) == ("very-secret-6", "/etc/pgpass")
    assert "very-secret-6" not in f"{address} {address!r} {address.hosts!r}"


# What is refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("postgresql://kyc@db.example.com/", "must name a database behind its hosts"),
        ("postgresql://kyc@db.example.com", "must name a database behind its hosts"),
        ("postgresql://localhost/kyc/more", "must name a database behind its hosts"),
        ("postgresql:///kyc", "must name a host, or the folder of the server's socket"),
        ("postgresql://localhost,/kyc", "must name a host, or the folder of the server's socket"),
        ("postgresql:kyc", "must begin with postgresql://"),
        ("POSTGRESQL://localhost/kyc", "must begin with postgresql://, in small letters"),
        ("postgresql://localhost:x/kyc", "has a port that is no number"),
        ("postgresql://localhost:65536/kyc", "has a port that is no number"),
        ("postgresql://::1/kyc", "has a host that cannot be read; an IPv6 address stands in brackets"),
        ("postgresql://a/b@localhost/kyc", "cannot be read: special characters of a name are percent-encoded"),
        ("postgresql://localhost/ky%zz", "cannot be read: a % is followed by two hexadecimal digits"),
        ("postgresql://localhost/kyc%00", "cannot be read: a % is followed by two hexadecimal digits"),
        ("postgresql://localhost/kyc?host=127.0.0.1", "names its hosts twice"),
        ("postgresql://localhost:1/kyc?port=2", "names its ports twice"),
        ("postgresql://a@localhost/kyc?user=b", "names its user twice"),
        ("postgresql://localhost,127.0.0.1/kyc?port=1,2,3", "must have one port for all hosts, or one for each"),
        ("postgresql://far%2Fhost/kyc", "has a host that is neither a name"),
        ("postgresql://localhost/kyc?sslmode=on", "must have as sslmode one of disable, "),
        ("postgresql://localhost/kyc?sslmode=disable&sslmode=prefer", "has sslmode twice"),
        ("postgresql://localhost/kyc?sslmode=", "has sslmode without a value"),
        ("postgresql://localhost/kyc?application_name=x", "has an option (number 1) that the bot does not take"),
        ("postgresql://localhost/kyc?sslmode=disable&sevice=x", "has an option (number 2) that the bot does not take"),
        ("postgresql://localhost/kyc?connect_timeout=0", "must have as connect_timeout a number of seconds"),
        ("postgresql://localhost/kyc?target_session_attrs=any", "must have target_session_attrs=read-write, or none"),
        (
            "postgresql://localhost/kyc?options=-csearch_path%3Dkyc%20-csynchronous_commit%3Doff",
            "may set by options a schema alone",
        ),
        ("postgresql://db.example.com/kyc", "must say whom to trust for the server's certificate"),
        ("postgresql://localhost,db.example.com/kyc", "must say whom to trust for the server's certificate"),
        *((f"{FAR}&sslmode={mode}", "must have sslmode=verify-full, or none, for a host") for mode in
          ("disable", "allow", "prefer", "require", "verify-ca")),
        ("postgresql://localhost/kyc?sslpassword=x", "must not hold sslpassword, which is a secret"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_in_words(text: str, words: str) -> None:
    assert refused(text).startswith(words)


def test_a_schema_may_be_chosen() -> None:
    assert parse("postgresql://localhost/kyc?options=-csearch_path%3Dkyc").options == {"options": "-csearch_path=kyc"}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_that_is_taken_is_libpqs(option: str) -> None:
    conninfo_to_dict(**{option: "1"})


PLACES = (
    "postgresql://kyc:{}@db.example.com/kyc",
    "postgresql://{}:{}@localhost/kyc",
    "postgresql://kyc:x{}@[::1]/kyc",
    "postgresql://kyc@localhost/kyc?password={}",
    "postgresql://kyc@localhost/kyc?sslpassword={}",
    "postgresql://kyc@localhost/kyc?passwort={}",
    "postgresql://kyc@localhost/kyc?{}",
    "postgresql://kyc@localhost/kyc?{}=x",
    "postgres:kyc:{}@localhost/kyc",
    "postgresql:/kyc:{}@localhost/kyc",
)


@pytest.mark.parametrize("place", PLACES)
@given(password=st.text("QXZ/@?#&=%: ,[]", min_size=1, max_size=16))
def test_no_part_of_a_password_that_was_put_into_it_is_told(place: str, password: str) -> None:
    """Whichever of its signs ends a part of the address before its time."""
    for written in (password, quote(password, safe="")):
        # Letters that no sentence has.
        assert set(refused(place.replace("{}", f"Q{written}Z"))) & set("QXZ") == set()


def test_a_password_is_told_where_it_belongs() -> None:
    assert refused("postgresql://kyc:very-secret@localhost/kyc") == (
        "must not hold a password: take it out, and put it into KYC_DATABASE_PASSWORD or the file of "
        "KYC_DATABASE_PASSWORD_FILE, or into a password file that PGPASSFILE names"
    )
    assert refused("postgresql://localhost/kyc?password=x").startswith("must not hold a password: take it out")
