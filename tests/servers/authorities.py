"""An authority of the tests, and certificates from it; by OpenSSL's own program."""

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.servers.processes import missing

NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"


class Pair(NamedTuple):
    """A certificate and its key."""

    cert: str
    key: str


class Authority:
    """Signs certificates, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        if shutil.which("openssl") is None:
            missing("openssl")
        self._folder = folder
        self._name = name
        self._number = 0
        self.ca = str(folder / f"{name}.pem")
        self._key = str(folder / f"{name}.key")
        _openssl(
            f"req -x509 {NEW_KEY} -days 2 -subj /CN={name} -keyout {self._key} -out {self.ca} "
            f"-addext keyUsage=critical,keyCertSign"
        )

    def pair(self, subject: str) -> Pair:
        """A new certificate for a subject, good for 127.0.0.1 and localhost."""
        self._number += 1
        stem = str(self._folder / f"{self._name}-{self._number}")
        Path(f"{stem}.ext").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl(f"req {NEW_KEY} -subj /CN={subject} -keyout {stem}.key -out {stem}.csr")
        _openssl(
            f"x509 -req -in {stem}.csr -CA {self.ca} -CAkey {self._key} -days 2 -CAcreateserial "
            f"-extfile {stem}.ext -out {stem}.pem"
        )
        return Pair(f"{stem}.pem", f"{stem}.key")


def _openssl(line: str) -> None:
    subprocess.run(["openssl", *line.split()], check=True, capture_output=True)
