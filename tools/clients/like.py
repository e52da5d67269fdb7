"""Clients that cannot be had here, imitated: what their source says that they put on the wire, over plain http and TLS."""

import base64
import functools
import hashlib
import ssl
import urllib.parse

from wire import Connection, Signer, crc32, md5, sha256

#: CRC64NVME, bit by bit: the polynomial in the order of the reflected register.
CRC64NVME = 0x9A6C9329AC4BC9B5
TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@functools.cache
def crc64_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (CRC64NVME if value & 1 else 0)
        table.append(value)
    return table


@functools.cache
def crc64nvme(data):
    table, crc = crc64_table(), (1 << 64) - 1
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return base64.b64encode((crc ^ ((1 << 64) - 1)).to_bytes(8, "big")).decode()


def etag_of(*parts):
    """The ETag of an object, or of one that came in `parts`."""
    if len(parts) == 1:
        return f'"{hashlib.md5(parts[0]).hexdigest()}"'
    return f'"{hashlib.md5(b"".join(hashlib.md5(part).digest() for part in parts)).hexdigest()}-{len(parts)}"'


def chunked(data, size, trailer):
    """The coding `aws-chunked`, unsigned, in chunks of `size` bytes; `trailer` is a line or none."""
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    coded = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return coded + b"0\r\n" + (f"{trailer}\r\n".encode() if trailer else b"") + b"\r\n"


def refused(answer, status, code):
    """An exact refusal."""
    assert (answer.status, answer.code) == (status, code), f"{answer.status} {answer.code}, not {status} {code}"


class Imitation:
    """One way to the server, `url`, with a bucket of its own and the headers that the client adds to every request."""

    def __init__(self, place, url, bucket, agent):
        self.stage, self.bucket, self.agent = place, bucket, agent
        parts = urllib.parse.urlsplit(url)
        self.address = (parts.hostname, parts.port)
        self.is_tls = parts.scheme == "https"
        self.context = ssl.create_default_context(cafile=str(place.front.certificate)) if self.is_tls else None
        self.signer = Signer(parts.netloc, place.key)

    def ask(self, method, target, headers=(), body=b"", payload=None):
        """Sends one request; its answer, if it is not a success, is the caller's to judge."""
        payload = sha256(body) if payload is None else payload
        # What proxies may change is not signed by SDKs; nginx takes `expect` for itself.
        unsigned = [("content-length", str(len(body))), ("user-agent", self.agent)]
        unsigned += [header for header in headers if header[0] == "expect"]
        signed = [header for header in headers if header[0] != "expect"]
        head = self.signer.head(method, f"/{self.bucket}{target}", signed, payload, unsigned=unsigned)
        with Connection(self.address, self.context) as connection:
            connection.send(head + body)
            return connection.answer()

    def done(self, method, target, headers=(), body=b"", payload=None):
        """Sends one request, which must succeed."""
        answer = self.ask(method, target, headers, body, payload)
        assert answer.status in (200, 204), f"{method} {target}: {answer.status} {answer.body[:500]}"
        assert answer.code == "", f"{method} {target}: {answer.body[:500]}"
        return answer

    def is_missing(self, target):
        refused(self.ask("GET", target), 404, "NoSuchKey")


__all__ = ["TRAILER", "Imitation", "chunked", "crc32", "crc64nvme", "etag_of", "md5", "refused", "sha256"]
