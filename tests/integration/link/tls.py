"""Certificates for one run, made by the `openssl` program."""

import ssl
import subprocess
from pathlib import Path


class Certificates:
    """A certificate for 127.0.0.1 that is its own authority, for the server and for us."""

    def __init__(self, folder: Path) -> None:
        self.cert, self.key = folder / "cert.pem", folder / "key.pem"
        self.ca = self.cert
        words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1"
        subprocess.run(
            ["openssl", *words.split(), "-keyout", str(self.key), "-out", str(self.cert)],
            check=True,
            capture_output=True,
        )

    def server_context(self, *, asks: bool = False) -> ssl.SSLContext:
        """For a server; `asks` for the certificate of its clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if asks:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context
