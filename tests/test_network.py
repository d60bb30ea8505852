"""The one rule for the way out, and what is trusted there; the connections themselves are in the journeys."""

import ssl
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bot.errors import SettingsFault
from bot.network import Outbound, trusting
from bot.settings import NetworkSettings
from tests.outside import PrivateAuthority

PROXY = "http://bank:s3cret%40@proxy.example.com:3128"


def rule(no_proxy: str = "", proxy: str = PROXY) -> Outbound:
    return Outbound.of(NetworkSettings.load({"HTTPS_PROXY": proxy, "NO_PROXY": no_proxy}))


def fault(**environ: str) -> str:
    with pytest.raises(SettingsFault) as found:
        NetworkSettings.load(environ)
    return str(found.value)


# By which proxy


@pytest.mark.parametrize(
    "url",
    ["https://slack.com/api/", "wss://wss-primary.slack.com/link/?ticket=1", "https://bucket.s3.amazonaws.com/x.zip"],
)
def test_every_connection_takes_the_proxy(url: str) -> None:
    assert rule().proxy_for(url) == PROXY
    assert rule().way_to(url) == "through the proxy proxy.example.com:3128"


@pytest.mark.parametrize("url", ["http://127.0.0.1:3000/", "http://localhost/", "http://[::1]:8/", "ws://127.0.0.9/"])
def test_this_machine_is_never_reached_by_a_proxy(url: str) -> None:
    assert rule().proxy_for(url) is None
    assert rule().way_to(url) == "directly"


@pytest.mark.parametrize("unset", [{}, {"HTTPS_PROXY": ""}, {"HTTPS_PROXY": "  "}])
def test_without_a_proxy_all_goes_directly(unset: dict[str, str]) -> None:
    outbound = Outbound.of(NetworkSettings.load({"HTTP_PROXY": PROXY, **unset}))
    assert outbound.proxy_for("https://slack.com/api/") is None


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("*", "https://slack.com/"),
        ("slack.com", "https://slack.com/"),
        ("slack.com", "https://files.slack.com/"),
        (".slack.com", "https://files.slack.com/"),
        ("*.slack.com", "wss://wss-primary.slack.com/link"),
        ("SLACK.com", "https://Files.Slack.COM/"),
        ("slack.com:443", "wss://slack.com/"),
        ("slack.com:8443", "https://slack.com:8443/"),
        ("localdomain, smile.example , x", "https://api.smile.example/v1"),
        ("10.0.0.0/8", "https://10.20.30.40/v1"),
        ("10.20.30.40", "https://10.20.30.40/v1"),
        ("2001:db8::/32", "https://[2001:db8::7]/"),
        ("2001:db8::7", "https://[2001:db8::7]/"),
        ("[2001:db8::7]:443", "https://[2001:db8::7]/"),
    ],
)
def test_no_proxy_covers(no_proxy: str, url: str) -> None:
    assert rule(no_proxy).proxy_for(url) is None


@pytest.mark.parametrize(
    ("no_proxy", "url"),
    [
        ("slack.com", "https://notslack.com/"),
        ("slack.com", "https://slack.com.example/"),
        ("files.slack.com", "https://slack.com/"),
        ("slack.com:8443", "https://slack.com/"),
        ("10.0.0.0/8", "https://11.0.0.1/"),
        ("10.0.0.0/99", "https://10.0.0.1/"),
        ("10.0.0.0/8", "https://ten.example/"),
        (" , .", "https://slack.com/"),
        ("0.1", "https://10.0.0.1.example/"),
    ],
)
def test_no_proxy_does_not_cover(no_proxy: str, url: str) -> None:
    assert rule(no_proxy).proxy_for(url) == PROXY


def test_both_are_read_in_lower_case_too_and_ours_wins() -> None:
    lower = NetworkSettings.load({"https_proxy": PROXY, "no_proxy": "slack.com"})
    assert lower == NetworkSettings.load({"HTTPS_PROXY": PROXY, "NO_PROXY": "slack.com"})
    both = NetworkSettings.load({"https_proxy": "http://old.example:1", "HTTPS_PROXY": PROXY})
    assert both.https_proxy == lower.https_proxy


def test_a_proxy_without_a_scheme_is_an_http_proxy() -> None:
    assert rule(proxy="proxy.example.com:3128").proxy_for("https://slack.com/") == "http://proxy.example.com:3128"


@pytest.mark.parametrize(
    "value",
    ["http://", "http://bank:s3#cret@proxy.example.com:3128", "http://proxy.example.com:port", "http://p/x?y=1"],
)
def test_what_is_no_proxys_address_is_refused_with_an_example_and_without_the_password(value: str) -> None:
    told = fault(HTTPS_PROXY=value)
    assert told.startswith("HTTPS_PROXY: must be the address of a proxy, as http://proxy.example.com:3128 or ")
    assert "s3" not in told


def test_a_socks_proxy_is_refused_by_its_name() -> None:
    assert "a SOCKS proxy is not supported" in fault(HTTPS_PROXY="socks5://bank:s3cret@proxy.example.com:1080")


def test_the_proxys_password_shows_in_no_repr() -> None:
    settings = NetworkSettings.load({"HTTPS_PROXY": PROXY})
    for shown in (repr(settings), settings.model_dump_json(), repr(Outbound.of(settings))):
        assert "s3cret" not in shown


# On whose certificates


def test_a_private_authority_is_trusted_beside_the_machines_own(tmp_path: Path) -> None:
    private = PrivateAuthority(tmp_path)
    with_it, without = trusting(private.ca_file), trusting(None)
    assert private.der in with_it.get_ca_certs(binary_form=True)
    assert private.der not in without.get_ca_certs(binary_form=True)
    for context in (with_it, without):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(with_it.get_ca_certs()) == len(without.get_ca_certs()) + 1


def test_a_machine_without_authorities_gets_the_list_of_httpx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "absent.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    listed = httpx.create_ssl_context(trust_env=False).get_ca_certs()
    assert listed
    assert trusting(None).get_ca_certs() == listed


def test_an_authority_in_der_form_is_told_how_to_become_pem(tmp_path: Path) -> None:
    private = PrivateAuthority(tmp_path, lasts=timedelta(hours=1))
    (tmp_path / "bank.der").write_bytes(private.der)
    with pytest.raises(SettingsFault, match=r"bank\.der holds no certificate in PEM form .* openssl x509 -inform der"):
        trusting(tmp_path / "bank.der")
