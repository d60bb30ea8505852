"""Hosts that others name: one reading for every parser, and which of them are public."""

from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.hosts import Destination, covers, is_entry, is_public, read_url

PRIVATE = {
    "this machine": ["127.0.0.1", "127.8.9.1", "::1", "0.0.0.0", "::"],  # noqa: S104 - never bound
    "a private network": ["10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fec0::1"],
    "link-local": ["169.254.169.254", "fe80::1", "fe80::1%eth0", "fe80::1%2"],
    "mapped": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "::a00:1"],
    "translated": ["64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1", "2001::1"],
    "nobody's": ["224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "2001:db8::1", "198.18.0.1"],
    "no address": ["", "127.1", "0x7f000001", "0177.0.0.1", "2130706433", "localhost", "1.2.3.4%e", "2606:4700::1%1"],
}  # fmt: skip
PUBLIC = ["8.8.8.8", "52.218.0.1", "2606:4700::1", "64:ff9b::808:808", "2002:808:808::1", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("kind", PRIVATE)
def test_what_is_not_of_the_internet_is_refused(kind: str) -> None:
    assert [address for address in PRIVATE[kind] if is_public(address)] == []


def test_public_addresses_are_taken_also_behind_nat64_and_6to4() -> None:
    assert [address for address in PUBLIC if not is_public(address)] == []


UNREADABLE = [
    "https://127.1/x", "https://0x7f000001/", "https://0x7f.1/", "https://017700000001/", "https://2130706433/",
    "https://0177.0.0.1/", "https://127.0.0.01/", "https://127.0.0.1./", "https://files.slack.com./", "https://1.2.3/",
    "https://127.0.0.1%2f@files.slack.com/", "https://files.slack.com@evil.example/", "https://a:b@files.slack.com/",
    "https://files.slack.com\\@evil.example/", "https://evil.example\\.files.slack.com/", "https://files.slack.com%00/",
    "https://127。0。0。1/", "https://１２７.0.0.1/", "https://files。slack。com/", "https://fıles.slack.com/",
    "https://[fe80::1%25eth0]/", "https://[::1", "https://::1/", "https://[127.0.0.1]/", "https://[::ffff:127.0.0.1/",
    "https://files.slack.com:0/", "https://files.slack.com:65536/", "https://files.slack.com:x/", "https://a..b/",
    "https://files.slack.com:443:80/", "https://.slack.com/", "https://-a.example/", "https:///x", "https://",
    "//files.slack.com/", "files.slack.com/", "ftp://files.slack.com/", "file:///etc/passwd", "javascript://a.b/",
    "https://files.slack.com/\n", "https://fi\tles.slack.com/", " https://files.slack.com/", "https:/files.slack.com/",
    "https://files.slack.com/a b", "https://files.slack.com\x00/", "HTTPS ://files.slack.com", "",
]  # fmt: skip


@pytest.mark.parametrize("url", UNREADABLE)
def test_an_address_that_could_be_read_in_two_ways_is_none(url: str) -> None:
    assert read_url(url) is None


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("https://Files.Slack.com/a?b=c%2F#d", "files.slack.com", 443),
        ("https://files.slack.com", "files.slack.com", 443),
        ("https://files.slack.com:8443?x", "files.slack.com", 8443),
        ("wss://wss-primary.slack.com/link/?ticket=1", "wss-primary.slack.com", 443),
        ("https://my_bucket.s3.amazonaws.com/x.zip", "my_bucket.s3.amazonaws.com", 443),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443),
        ("http://127.0.0.1:3000/", "127.0.0.1", 3000),
        ("https://[2606:4700:0::1]:8443/", "2606:4700::1", 8443),
    ],
)
def test_a_plain_address_is_read(url: str, host: str, port: int) -> None:
    found = read_url(url)
    assert found is not None
    assert (found.host, found.port) == (host, port)


_PIECES = st.sampled_from(
    ["files.slack.com", "127.0.0.1", "evil.example", "@", ":", "/", "\\", "#", "?", "%", "[", "]", "::1", ".", "443",
     "0x7f", "。", "\t", " ", "%2e", "xn--", "1", "a"]
)  # fmt: skip


@given(st.lists(_PIECES, max_size=8).map("".join))
def test_what_is_read_is_read_alike_by_everybody_who_connects(text: str) -> None:
    """httpx connects for files and uploads, aiohttp (by yarl) for Slack's API; the proxy is chosen by urllib."""
    url = f"https://{text}"
    found = read_url(url)
    if found is None:
        return
    others = {urlsplit(url).hostname, httpx.URL(url).raw_host.decode().strip("[]"), yarl.URL(url).raw_host}
    ports = {urlsplit(url).port or 443, httpx.URL(url).port or 443, yarl.URL(url).port}
    assert {Destination("https", str(other), found.port).host for other in others} == {found.host}
    assert ports == {found.port}


@pytest.mark.parametrize(
    ("host", "may_be"),
    [
        ("files.slack.com", True),
        ("8.8.8.8", True),
        ("[2606:4700::1]", True),
        ("10.0.0.1", False),
        ("[::ffff:10.0.0.1]", False),
        ("localhost", False),
        ("anything.localhost", False),
        ("metadata", False),
        ("metadata.google.internal", False),
        ("printer.local", False),
        ("router.home.arpa", False),
    ],
)
def test_a_name_of_the_own_network_is_not_public(host: str, may_be: bool) -> None:
    found = read_url(f"https://{host}/")
    assert found is not None
    assert found.may_be_public is may_be


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("files.slack.com", "https://files.slack.com/x"),
        ("Files.Slack.com", "https://files.slack.COM/x"),
        ("*.amazonaws.com", "https://bucket.s3.us-west-2.amazonaws.com/x"),
        ("files.slack.com:8443", "https://files.slack.com:8443/x"),
        ("127.0.0.1:3000", "http://127.0.0.1:3000/x"),
        ("[2606:4700::1]", "https://[2606:4700:0::1]/x"),
    ],
)
def test_a_list_covers(entry: str, url: str) -> None:
    found = read_url(url)
    assert is_entry(entry)
    assert found is not None
    assert covers(["other.example", entry], found)


@pytest.mark.parametrize(
    ("entry", "url"),
    [
        ("files.slack.com", "https://files.slack.com.evil.example/x"),
        ("files.slack.com", "https://evilfiles.slack.com/x"),
        ("files.slack.com", "https://a.files.slack.com/x"),
        ("files.slack.com", "https://files.slack.com:8443/x"),
        ("files.slack.com", "http://files.slack.com/x"),
        ("*.slack.com", "https://slack.com/x"),
        ("*.slack.com", "https://evilslack.com/x"),
        ("127.0.0.1", "http://127.0.0.1:3000/x"),
    ],
)
def test_a_list_does_not_cover(entry: str, url: str) -> None:
    found = read_url(url)
    assert found is not None
    assert not covers([entry], found)


@pytest.mark.parametrize(
    "entry",
    ["*", "*.com", "*.127.0.0.1", "https://files.slack.com", "files.slack.com/", "a.*.com", "127.1", "a b", "a:0",
     "a:b", "x@y.com", "a..b", "files.slack.com.", "*.*.com", "fiłes.slack.com"],
)  # fmt: skip
def test_what_is_no_host_is_no_entry(entry: str) -> None:
    assert not is_entry(entry)
