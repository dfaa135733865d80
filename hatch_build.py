"""Builds the program of the page that `apc report` writes: for wheels and sdists (hatchling's hook), and for `make`.

It is TypeScript, bundled by Node's npm (apc/inspector/web), and not under version control.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent
WEB = ROOT / "apc" / "inspector" / "web"
BUNDLE = ROOT / "apc" / "inspector" / "bundle"
PARTS = ("inspector.js", "inspector.css", "licences.txt")
INSTALLED = WEB / "node_modules" / ".package-lock.json"
"""What npm leaves behind when it has installed everything."""


class BundleHook(BuildHookInterface):
    """Builds the bundle where it is missing or out of date; an editable install leaves that to `make`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Part of a build; goes on without the bundle where npm cannot make it."""
        if version != "editable":
            problem = build_bundle()
            if problem:
                self.app.display_warning(problem)


def build_bundle() -> str:
    """Build the bundle if anything of it is missing or older than its sources. Returns why that was not possible, in
    one line, or nothing. Raises subprocess.CalledProcessError where the sources do not compile."""
    if not WEB.is_dir() or _is_current():
        return ""
    npm = shutil.which("npm")
    if npm is None:
        return "npm is missing: `apc report` needs Node.js 20 or newer to be built (then: make bundle)"
    lock = WEB / "package-lock.json"
    if not INSTALLED.exists() or INSTALLED.stat().st_mtime < lock.stat().st_mtime:
        if subprocess.run([npm, "ci", "--silent", "--no-audit", "--no-fund"], cwd=WEB).returncode:
            return "npm ci failed, is the registry reachable? `apc report` is not built (again: make bundle)"
    subprocess.run([npm, "run", "--silent", "build"], cwd=WEB, check=True)
    return ""


def _is_current() -> bool:
    """Whether every part of the bundle is there and none older than a source."""
    parts = [BUNDLE / name for name in PARTS]
    if not all(part.is_file() for part in parts):
        return False
    sources = [*(path for path in (WEB / "src").rglob("*") if path.is_file()), *WEB.glob("*.*")]
    newest = max(path.stat().st_mtime for path in sources)
    return newest <= min(part.stat().st_mtime for part in parts)


if __name__ == "__main__":
    try:
        print(build_bundle() or "the page's program is built", file=sys.stderr)
    except subprocess.CalledProcessError as failure:
        sys.exit(failure.returncode)
