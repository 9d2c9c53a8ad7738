"""Writes the bill of materials (CycloneDX, JSON) of the site: the packages of an
environment with requirements.txt, and the browser files in static/vendor.

    AUDIT/bin/python .ci/sbom.py SITE/bin/python > sbom.cdx.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

VERSIONS = Path(__file__).resolve().parents[1] / "static" / "vendor" / "VERSIONS.json"
COMMAND = ("-m", "cyclonedx_py", "environment", "--of", "JSON")


def main(interpreter: str) -> None:
    command = [sys.executable, *COMMAND, interpreter]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    bom = json.loads(done.stdout)
    bom["components"] += vendored()
    json.dump(bom, sys.stdout, indent=1)


def vendored() -> list[dict[str, Any]]:
    return [
        {
            "type": "library",
            "name": package["name"],
            "version": package["version"],
            "purl": f"pkg:npm/{package['name']}@{package['version']}",
            "licenses": [{"license": {"id": package["licence"]}}],
            "hashes": [
                {"alg": "SHA-256", "content": file["sha256"]}
                for file in package["files"]
            ],
        }
        for package in json.loads(VERSIONS.read_text())["packages"]
    ]


if __name__ == "__main__":
    main(sys.argv[1])
