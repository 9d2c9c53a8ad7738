"""Looks up known vulnerabilities of what is installed for an interpreter, and ends with
1 if there are any.

    AUDIT/bin/python .ci/audit.py SITE/bin/python

Where the advisory service does not answer, or knows none of the packages (a mirror may
serve packages only), it says so loudly and ends with 0: a build must not depend on
somebody else's service.
"""

from __future__ import annotations

import json
import subprocess
import sys

FOLDER = "import sysconfig; print(sysconfig.get_path('purelib'))"
COMMAND = ("-m", "pip_audit", "--format", "json", "--progress-spinner", "off")


def main(interpreter: str) -> int:
    folder = _output(interpreter, "-c", FOLDER).stdout.strip()
    done = _output(sys.executable, *COMMAND, "--path", folder)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        return _unchecked(f"pip-audit failed:\n{done.stderr.strip()[-800:]}")
    known = [package for package in packages if "vulns" in package]
    for package in known:
        for found in package["vulns"]:
            mended = ", ".join(found["fix_versions"]) or "no version yet"
            print(f"{package['name']} {package['version']}: {found['id']}, {mended}")
    if not known:
        return _unchecked(f"The service knows none of {len(packages)} packages.")
    print(f"{len(known)} of {len(packages)} packages were checked.")
    return int(any(package["vulns"] for package in known))


def _output(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True)


def _unchecked(why: str) -> int:
    line = "!" * 72
    print(f"{line}\nNOT CHECKED for known vulnerabilities. {why}\n{line}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
