"""A TLS front: nginx with the site that docs/nginx.conf recommends, and a certificate of its own.

The site is taken as it stands; only the addresses and the certificate's paths are replaced, and each of these must be
found in it, so that a change of the file which the tests would miss fails them.
"""

import os
import socket
import subprocess
import time

from server import ROOT, free_ports

SITE = ROOT / "docs" / "nginx.conf"
#: Around the site: what Debian's own nginx.conf has there, with every path inside the scratch folder.
MAIN = """
{user}
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/error.log;
worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    include {dir}/site.conf;
}}
"""


class Front:
    """A running nginx in front of `port`. Clients trust it by the file `certificate`."""

    def __init__(self, folder, port):
        self.folder = folder
        self.upstream = port
        self.certificate = folder / "certificate.pem"
        self.port = free_ports(1)[0]
        self.url = f"https://localhost:{self.port}"
        self.process = None

    def start(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.make_certificate()
        (self.folder / "site.conf").write_text(self.site())
        user = "user root;" if os.getuid() == 0 else ""
        (self.folder / "nginx.conf").write_text(MAIN.format(dir=self.folder, user=user))
        nginx = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
        command = [nginx, "-p", self.folder, "-e", self.folder / "error.log", "-c", self.folder / "nginx.conf"]
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL)
        for _ in range(1000):
            if self.process.poll() is not None:
                raise AssertionError(f"nginx ended with {self.process.returncode}: {self.errors()}")
            with socket.socket() as attempt:
                if attempt.connect_ex(("127.0.0.1", self.port)) == 0:
                    return self
            time.sleep(0.01)
        raise AssertionError(f"nginx does not listen: {self.errors()}")

    def make_certificate(self):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", "/CN=localhost", "-keyout", self.folder / "key.pem"]
        command += ["-addext", "subjectAltName=DNS:localhost,DNS:media.test,DNS:*.media.test,IP:127.0.0.1", "-out", self.certificate]
        subprocess.run(list(map(str, command)), check=True, capture_output=True)

    def site(self):
        text = SITE.read_text()
        replaced = {
            "server 127.0.0.1:8900;": f"server 127.0.0.1:{self.upstream};",
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "listen [::]:443 ssl;": "",
            "/etc/letsencrypt/live/s3.example.org/fullchain.pem": str(self.certificate),
            "/etc/letsencrypt/live/s3.example.org/privkey.pem": str(self.folder / "key.pem"),
        }
        for old, new in replaced.items():
            assert text.count(old) == 1, f"{SITE} does not have `{old}` once"
            text = text.replace(old, new)
        return text

    def errors(self):
        log = self.folder / "error.log"
        return log.read_text()[-2000:] if log.exists() else ""

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)
