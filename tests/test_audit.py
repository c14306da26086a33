"""The audit finds a secret that is committed, and knows what was looked at before."""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def found(path: Path, folder: Path) -> bool:
    known = shutil.copy(ROOT / ".secrets.baseline", folder / "known")
    hook = [sys.executable, "-m", "detect_secrets.pre_commit_hook", "--baseline", str(known)]
    done = subprocess.run([*hook, str(path)], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode in (0, 1, 3)  # 3: what is known stands at another line
    return done.returncode == 1


def test_a_key_in_a_file_is_found(tmp_path: Path) -> None:
    file = tmp_path / "settings.py"
    file.write_text("KEY = '" + "AKIA" + "IOSFODNN7EXAMPL2" + "'\n")
    assert found(file, tmp_path)
    file.write_text("KEY = 'none'\n")
    assert not found(file, tmp_path)


def test_what_was_looked_at_is_let_pass(tmp_path: Path) -> None:
    assert not found(Path("tests/book/test_store.py"), tmp_path)
    assert not found(Path("tests/access/test_oidc.py"), tmp_path)
