"""Look for known vulnerabilities of what is installed, and for secrets in what is committed.

    python tools/audit.py

Exit code 1 where something is found. Where the service of advisories cannot be reached, or this is
no checkout, that part says SKIPPED and why: silence would read as "nothing found".
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
BASELINE = ROOT / ".secrets.baseline"  # what was looked at and is no secret


def say(text: str) -> None:
    """One line."""
    sys.stdout.write(f"{text}\n")


def vulnerabilities() -> list[str]:
    """Advisories on installed packages; says so when none could be asked for."""
    words = [sys.executable, "-m", "pip_audit", "--skip-editable", "--progress-spinner", "off"]
    try:
        done = subprocess.run(
            [*words, "-f", "json"], capture_output=True, text=True, timeout=300, check=False
        )
        packages = json.loads(done.stdout)["dependencies"]
    except (subprocess.TimeoutExpired, json.JSONDecodeError, KeyError):
        say("SKIPPED: advisories were not looked up, the service cannot be reached.")
        return []
    asked = [one for one in packages if "vulns" in one]
    unknown = len(packages) - len(asked)
    if not asked:
        say(f"SKIPPED: no advisory service knows any of the {unknown} packages (offline?).")
    elif unknown:
        say(f"{unknown} of {len(packages)} packages are unknown to the advisory service.")
    return [
        f"{one['name']} {one['version']}: {found['id']}, fixed in "
        + (", ".join(found.get("fix_versions", ())) or "no version yet")
        for one in asked
        for found in one["vulns"]
    ]


def secrets() -> list[str]:
    """What looks like a secret in committed files and is not in the baseline."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        say("SKIPPED: this is no git checkout, so nothing was scanned for secrets.")
        return []
    names = [
        name
        for name in listed.stdout.split("\0")
        if (ROOT / name).is_file() and name != BASELINE.name
    ]
    with tempfile.TemporaryDirectory() as folder:  # the hook notes lines that moved in its file
        known = shutil.copy(BASELINE, folder)
        hook = [sys.executable, "-m", "detect_secrets.pre_commit_hook", "--baseline", str(known)]
        done = subprocess.run(
            [*hook, *names], cwd=ROOT, capture_output=True, text=True, check=False
        )
    moved = 3  # known ones at other lines
    return [] if done.returncode in (0, moved) else [done.stdout.strip() or done.stderr.strip()]


def main() -> int:
    """Run both."""
    found = vulnerabilities() + secrets()
    for one in found:
        say(one)
    if not found:
        say("audit: nothing found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
