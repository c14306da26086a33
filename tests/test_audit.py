"""The audit finds a secret that is committed, and knows what was looked at before."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
HOOK = [sys.executable, "-m", "detect_secrets.pre_commit_hook", "--baseline", ".secrets.baseline"]


def found(path: Path) -> bool:
    done = subprocess.run([*HOOK, str(path)], cwd=ROOT, capture_output=True, check=False)
    return done.returncode != 0


def test_a_key_in_a_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("KEY = '" + "AKIA" + "IOSFODNN7EXAMPL2" + "'\n")
    assert found(file)
    file.write_text("KEY = 'none'\n")
    assert not found(file)


def test_what_was_looked_at_is_let_pass() -> None:
    assert not found(Path("tests/book/test_store.py"))
