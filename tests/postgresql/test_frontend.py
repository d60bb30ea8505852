"""What a client says, byte by byte, and which of it commits what was written."""

import struct

import pytest

from tests.postgresql.frontend import Frontend


def message(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return kind + struct.pack("!i", len(body) + 4) + body


def text(words: str) -> bytes:
    return words.encode() + b"\0"


INTRODUCTION = message(b"", struct.pack("!i", 196608), text("user"), text("kyc"), b"\0")
TLS = message(b"", struct.pack("!i", 80877103))
SYNC = message(b"S")


def parsed(name: str, statement: str) -> bytes:
    return message(b"P", text(name), text(statement), struct.pack("!h", 0))


def bound(name: str) -> bytes:
    return message(b"B", text(""), text(name), struct.pack("!hhh", 0, 0, 0))


@pytest.mark.parametrize("size", [1, 7, 4096])
@pytest.mark.parametrize(
    ("said", "commits"),
    [
        ([message(b"Q", text("INSERT INTO kept VALUES (1)")), message(b"Q", text("commit"))], 1),
        ([message(b"Q", text("SELECT 1")), message(b"Q", text("COMMIT"))], 0),
        ([parsed("", "UPDATE kept SET n = 1"), bound(""), SYNC, parsed("", "COMMIT /* writer */"), bound(""), SYNC], 1),
        ([parsed("w", "SELECT 1 FOR UPDATE"), parsed("c", "COMMIT"), SYNC, *[bound("w"), bound("c"), SYNC] * 3], 3),
        ([message(b"Q", text("DELETE FROM kept")), message(b"Q", text("ROLLBACK")), message(b"Q", text("COMMIT"))], 0),
        (
            [
                message(b"Q", text("DELETE FROM kept")),
                message(b"Q", text("ROLLBACK TO s")),
                message(b"Q", text("COMMIT")),
            ],
            1,
        ),
    ],
)
def test_commits_of_what_was_written_are_found_however_the_bytes_arrive(
    said: list[bytes], commits: int, size: int
) -> None:
    frontend, whole = Frontend(), TLS + INTRODUCTION + b"".join(said)
    found = [one for at in range(0, len(whole), size) for one in frontend.messages(whole[at : at + size])]
    assert b"".join(message for message, _commits in found) == whole
    assert sum(commits for _message, commits in found) == commits
    assert frontend.parameters == {"user": "kyc"}
