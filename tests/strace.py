"""Whether strace may watch a process here: with it the kernel kills at a commit, and says what files are written."""

import shutil
import subprocess


def why_not() -> str | None:
    """Why it cannot be used here, if it cannot."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "strace may not trace here"
