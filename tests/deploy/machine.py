"""A scratch machine: this one's programs, with an /etc, /opt, /home and /var/lib of its own that go when the test ends.

A mount namespace, so that the commands of docs/install.md run as they are written and touch nothing outside. Only root
may make one; whoever works on it is not root.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

OPERATOR = "amaka"
"""Works on the machine: no root, but may use sudo."""
PATIENCE_SECONDS = 600
_NEEDED = ("unshare", "nsenter", "setpriv", "sudo", "useradd", "git", "make")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_MAKE = r"""
set -eu
root=$1
cp -a /etc "$root/etc"
mount --bind "$root/etc" /etc
echo allowed
for folder in /home /var/lib /var/backups /var/cache /usr/local/sbin; do
  mkdir -p "$root$folder" "$folder"
  mount --bind "$root$folder" "$folder"
done
# What lies in /opt stays to be seen; what is added to it stays here.
mkdir "$root/opt"
for each in /opt/*; do
  [ -d "$each" ] || continue
  mkdir "$root$each"
  mount --bind "$each" "$root$each"
done
mount --rbind "$root/opt" /opt
userdel kyc-bot 2>/dev/null || true
useradd --create-home --shell /bin/sh amaka
mkdir -p /etc/sudoers.d
echo 'amaka ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/amaka
chmod 0440 /etc/sudoers.d/amaka
echo ready
exec sleep 3600
"""


class Machine:
    """Runs commands as users of the scratch machine, with a current folder that `cd` moves."""

    def __init__(self, root: Path, pid: int) -> None:
        self.root = root
        self.pid = pid
        self.cwd = Path(f"/home/{OPERATOR}")

    def command(self, line: str, *, user: str = OPERATOR, environment: Mapping[str, str] | None = None) -> list[str]:
        """What to start for a line of shell; it inherits nothing of the test but where packages are fetched from."""
        fetching = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "SSL_"))}
        inside = {"PATH": _PATH, "HOME": "/root" if user == "root" else f"/home/{user}", "LANG": "C.UTF-8"}
        wanted = inside | (fetching if user == OPERATOR else {}) | dict(environment or {})
        return [
            *("nsenter", "--mount", f"--target={self.pid}", "--"),
            *("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"),
            # Whoever plays these in the background ignores INT, and with `nohup` HUP: a login shell does not.
            *("env", "-i", "--default-signal=HUP,INT", *(f"{name}={value}" for name, value in wanted.items())),
            *("sh", "-c", f"cd {shlex.quote(str(self.cwd))} && {line}"),
        ]

    def run(self, line: str, *, user: str = OPERATOR, typed: Sequence[str] = ()) -> str:
        """Run a line to its end, with these lines of input; gives what it printed, and fails where it failed."""
        if line.startswith("cd "):
            self.cwd /= line.removeprefix("cd ")
            return ""
        ended = subprocess.run(
            self.command(line, user=user),
            input="".join(f"{each}\n" for each in typed),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        assert ended.returncode == 0, f"{user}$ {line}\n{ended.stdout}"
        return ended.stdout

    def start(self, line: str, *, user: str = OPERATOR) -> subprocess.Popen[str]:
        """Start a line that does not end by itself."""
        return subprocess.Popen(self.command(line, user=user), stdout=subprocess.DEVNULL, text=True)

    def path(self, inside: str) -> Path:
        """Where a path of the machine lies outside."""
        return self.root / inside.lstrip("/")

    def user_of(self, inside: str) -> str:
        return self.run(f"stat -c %U {shlex.quote(inside)}", user="root").strip()

    def mode_of(self, inside: str) -> str:
        return f"0{self.path(inside).stat().st_mode & 0o7777:o}"

    def write_as_root(self, inside: str, text: str) -> None:
        """A private file of root's."""
        path = self.path(inside)
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")


@contextmanager
def scratch_machine() -> Iterator[Machine]:
    """Skips the test where there can be none."""
    missing = [program for program in _NEEDED if shutil.which(program, path=_PATH) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"a scratch machine needs {', '.join(missing) or 'root'}")
    root = Path(tempfile.mkdtemp(prefix="machine-"))
    root.chmod(0o755)
    holder = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", _MAKE, "sh", str(root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert holder.stdout is not None
        said = holder.stdout.readline()
        if said != "allowed\n":
            pytest.skip(f"root may mount nothing here: {said.strip()}")
        said = holder.stdout.readline()
        assert said == "ready\n", said
        yield Machine(root, holder.pid)
    finally:
        holder.kill()
        holder.communicate()
        shutil.rmtree(root)
