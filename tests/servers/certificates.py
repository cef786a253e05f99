"""Certificates for the tests' servers, of authorities of the tests' own."""

import shutil
import subprocess
from pathlib import Path

from tests.servers.processes import Certificate, missing


def make_certificate(folder: Path) -> Certificate:
    """A certificate for `localhost` in a new folder, of an authority made for it."""
    folder.mkdir()
    files = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    authority_key = folder / "ca.key"
    _make(files.authority, authority_key, "authority")
    signed = ["-CA", files.authority, "-CAkey", authority_key]
    extended = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=CA:FALSE"]
    _make(files.certificate, files.key, "server", *signed, *extended)
    return files


def _make(certificate: Path, key: Path, name: str, *options: str | Path) -> None:
    program = shutil.which("openssl") or missing("OpenSSL")
    request = [program, "req", "-x509", "-days", "2", "-subj", f"/CN={name}"]
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-out", certificate, "-keyout", key]
    subprocess.run([*request, *new_key, *files, *options], check=True, capture_output=True)
