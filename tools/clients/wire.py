"""Requests written byte by byte: a signer that can be told to lie, and a connection that shows all that comes back."""

import base64
import datetime
import hashlib
import hmac
import re
import socket
import zlib

REGION = "us-east-1"
ANSWER_SECONDS_MAX = 30


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def md5(data):
    return base64.b64encode(hashlib.md5(data).digest()).decode()


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


class Signer:
    """Signs with a key; what it signs need not be true."""

    def __init__(self, host, key):
        self.host = host
        self.access_key, self.secret_key = key

    def now(self, **offset):
        time = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**offset)
        return time.strftime("%Y%m%dT%H%M%SZ")

    def signing_key(self, date):
        key = ("AWS4" + self.secret_key).encode()
        for step in (date[:8], REGION, "s3", "aws4_request"):
            key = mac(key, step)
        return key

    def signature(self, date, scope, canonical):
        text = f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{sha256(canonical.encode())}"
        return mac(self.signing_key(date), text).hex()

    def head(self, method, target, headers=(), payload="UNSIGNED-PAYLOAD", date=None, unsigned=()):
        """The head of a request; `unsigned` headers are added when the rest was signed."""
        date = date or self.now()
        scope = f"{date[:8]}/{REGION}/s3/aws4_request"
        path, _, query = target.partition("?")
        signed = {name.lower(): value for name, value in headers}
        signed |= {"host": self.host, "x-amz-date": date, "x-amz-content-sha256": payload}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        canonical = f"{method}\n{path}\n{sorted_query(query)}\n{lines}\n{names}\n{payload}"
        signature = self.signature(date, scope, canonical)
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return raw_head(method, target, [*signed.items(), *unsigned])

    def request(self, method, target, body=b"", headers=(), payload=None, **options):
        """A whole request with its length and, unless told otherwise, its true hash."""
        payload = sha256(body) if payload is None else payload
        headers = [*headers, ("content-length", str(len(body)))]
        return self.head(method, target, headers, payload, **options) + body

    def link(self, method, target, seconds=300, date=None):
        """A target that carries its signature in the query."""
        date = date or self.now()
        scope = f"{date[:8]}/{REGION}/s3/aws4_request"
        query = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{self.access_key}/{scope}".replace("/", "%2F"),
            "X-Amz-Date": date,
            "X-Amz-Expires": str(seconds),
            "X-Amz-SignedHeaders": "host",
        }
        text = "&".join(f"{name}={value}" for name, value in query.items())
        canonical = f"{method}\n{target}\n{text}\nhost:{self.host}\n\nhost\nUNSIGNED-PAYLOAD"
        return f"{target}?{text}&X-Amz-Signature={self.signature(date, scope, canonical)}"


def sorted_query(query):
    pairs = (pair if "=" in pair else pair + "=" for pair in query.split("&") if pair)
    return "&".join(sorted(pairs))


def raw_head(method, target, headers):
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


class Answer:
    """What came back: `status` is 0 if the connection ended without an answer."""

    def __init__(self, head=b"", body=b""):
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if head else 0
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.body = body
        code = re.search(rb"<Code>(\w+)</Code>", body)
        self.code = code[1].decode() if code else ""

    def closes(self):
        return self.status == 0 or self.headers.get("connection", "").lower() == "close"


class Connection:
    """A connection to the server under test; `tls` is the context for one through its front."""

    def __init__(self, address, tls=None):
        self.socket = socket.create_connection(address, timeout=ANSWER_SECONDS_MAX)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        self.pending = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data, last=False):
        """Sends; the server may have closed by then. `last` says that nothing more will come."""
        try:
            self.socket.sendall(data)
            if last:
                self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def more(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.pending += data
        return data

    def answer(self):
        """The next final answer."""
        while True:
            while b"\r\n\r\n" not in self.pending:
                if not self.more():
                    assert not self.pending, f"half an answer: {self.pending!r}"
                    return Answer()
            head, _, self.pending = self.pending.partition(b"\r\n\r\n")
            answer = Answer(head)
            if answer.status != 100:
                return Answer(head, self.body(int(answer.headers.get("content-length", 0))))

    def body(self, length):
        while len(self.pending) < length:
            assert self.more(), "an answer ends early"
        body, self.pending = self.pending[:length], self.pending[length:]
        return body

    def rest(self):
        """All that still comes until the connection ends, which it must."""
        while self.more():
            pass
        return self.pending
