"""The hostile list: what strangers and broken clients send, and which refusal each of them gets.

A case is a name, the bytes, and the refusals that are right: a status with its code, or 0 for a connection that ends.
`half` says that the client sends no more after these bytes, and so leaves its request half.
"""

import collections

from wire import Signer, crc32, md5, raw_head, sha256

Case = collections.namedtuple("Case", "name data expected half", defaults=(False,))

KEY = "/media/hostile"
BODY = b"every byte of this counts"
CODED = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
CLOSED = (0, "")


def only(status, code):
    return {(status, code)}


def cases(signer, upload):
    """All cases. `upload` is the id of an upload to `KEY` that waits to be completed."""
    groups = [
        signatures(signer),
        clocks(signer),
        links(signer),
        bodies(signer),
        chunks(signer),
        xml(signer, upload),
        heads(signer),
        keys(signer),
        resources(signer),
        lengths(signer),
        lines(signer),
    ]
    return [case for group in groups for case in group]


def signatures(signer):
    put = signer.request("PUT", KEY, BODY)
    stranger = Signer(signer.host, ("AKIASTRANGER", signer.secret_key))
    forger = Signer(signer.host, (signer.access_key, "another secret"))
    acl = [("x-amz-acl", "public-read")]
    mismatch = only(403, "SignatureDoesNotMatch")
    yield Case("another key's secret", forger.request("PUT", KEY, BODY), mismatch)
    yield Case("an unknown access key", stranger.request("PUT", KEY, BODY), only(403, "InvalidAccessKeyId"))
    yield Case("a request signed for another key", put.replace(b"/media/hostile", b"/media/hostilf", 1), mismatch)
    yield Case("a request signed for another method", put.replace(b"PUT", b"POST", 1), mismatch)
    yield Case("a request signed for another bucket", put.replace(b"/media/", b"/medib/", 1), mismatch)
    yield Case("an unsigned x-amz header", signer.request("PUT", KEY, BODY, unsigned=acl), only(403, "AccessDenied"))
    yield Case("no signature", raw_head("PUT", KEY, [("Host", signer.host), ("Content-Length", "0")]), only(403, "AccessDenied"))
    for name, value, expected in [
        ("SigV2", "AWS AK:c2ln", only(400, "InvalidRequest")),
        ("nonsense for a signature", "AWS4-HMAC-SHA256 nonsense", {(400, "AuthorizationHeaderMalformed")}),
        ("an unknown scheme", "Bearer x", only(400, "InvalidArgument")),
    ]:
        headers = [("Host", signer.host), ("Content-Length", "0"), ("Authorization", value)]
        yield Case(name, raw_head("PUT", KEY, headers), expected)
    removed = signer.request("PUT", KEY, BODY, headers=[("x-amz-meta-a", "b")]).replace(b"x-amz-meta-a: b\r\n", b"")
    yield Case("a signed header that was removed", removed, mismatch)


def clocks(signer):
    skewed = only(403, "RequestTimeTooSkewed")
    for minutes in (-16, 16):
        yield Case(f"a clock {minutes} minutes off", signer.request("PUT", KEY, BODY, date=signer.now(minutes=minutes)), skewed)
    yield Case("a clock a year off", signer.request("PUT", KEY, BODY, date=signer.now(days=-365)), skewed)


def links(signer):
    def use(method, link, body=BODY, headers=()):
        return raw_head(method, link, [("Host", signer.host), ("Content-Length", len(body)), *headers]) + body

    link = signer.link("PUT", KEY)
    mismatch, denied = only(403, "SignatureDoesNotMatch"), only(403, "AccessDenied")
    yield Case("a link for another method", use("DELETE", link, b""), mismatch)
    yield Case("a link for reading, used to write", use("PUT", signer.link("GET", KEY)), mismatch)
    yield Case("a link for another key", use("PUT", link.replace("hostile", "hostilf", 1)), mismatch)
    yield Case("a link after its end", use("PUT", signer.link("PUT", KEY, 60, signer.now(minutes=-2))), denied)
    yield Case("a link from the future", use("PUT", signer.link("PUT", KEY, 60, signer.now(minutes=20))), denied)
    yield Case("a link made to last longer", use("PUT", link.replace("Expires=300", "Expires=900")), mismatch)
    bad = only(400, "AuthorizationQueryParametersError")
    yield Case("a link for more than a week", use("PUT", signer.link("PUT", KEY, 604801)), bad)
    yield Case("a link with an x-amz header more", use("PUT", link, headers=[("x-amz-acl", "public-read")]), denied)
    yield Case("a link and a header", use("PUT", link, headers=[("Authorization", "AWS4-HMAC-SHA256 x")]), only(400, "InvalidArgument"))


def bodies(signer):
    def put(body=BODY, **options):
        return signer.request("PUT", KEY, body, **options)

    tampered = put()[:-1] + b"!"
    yield Case("a tampered body", tampered, only(400, "XAmzContentSHA256Mismatch"))
    bad = only(400, "BadDigest")
    yield Case("another Content-MD5", put(headers=[("content-md5", md5(b"other"))]), bad)
    yield Case("no MD5 for a Content-MD5", put(headers=[("content-md5", "AAAA")]), only(400, "InvalidDigest"))
    yield Case("another CRC32", put(headers=[("x-amz-checksum-crc32", crc32(b"other"))]), bad)
    yield Case("no CRC32 for a CRC32", put(headers=[("x-amz-checksum-crc32", "AAAA")]), only(400, "InvalidRequest"))
    short = {(400, "IncompleteBody"), CLOSED}
    yield Case("a body that ends early", put()[:-5], short, half=True)
    large = signer.request("PUT", KEY, bytes(300_000), payload="UNSIGNED-PAYLOAD")
    yield Case("a large body that ends early", large[:-1], short, half=True)


def chunks(signer):
    def coded(body, payload=CODED, length=len(BODY), trailer="x-amz-checksum-crc32"):
        headers = [("content-encoding", "aws-chunked"), ("x-amz-decoded-content-length", str(length))]
        headers += [("x-amz-trailer", trailer)] if trailer else []
        return signer.request("PUT", KEY, body, headers, payload)

    data = f"{len(BODY):x}\r\n".encode() + BODY + b"\r\n"
    crc = f"x-amz-checksum-crc32:{crc32(BODY)}\r\n\r\n".encode()
    malformed, incomplete = only(400, "InvalidRequest"), only(400, "IncompleteBody")
    trailer = only(400, "MalformedTrailerError")
    yield Case("a chunk without a size", coded(b"x\r\n" + data), malformed)
    yield Case("a negative chunk", coded(b"-1\r\n" + data), malformed)
    yield Case("a chunk of 4 GiB", coded(b"ffffffff\r\n" + data), malformed)
    yield Case("a chunk beyond all numbers", coded(b"fffffffffffffffff\r\n" + data), malformed)
    yield Case("a chunk longer than its size", coded(data.replace(b"every", b"everyone") + b"0\r\n" + crc), malformed)
    yield Case("no last chunk", coded(data), incomplete)
    yield Case("no trailer", coded(data + b"0\r\n\r\n"), trailer)
    yield Case("another trailer", coded(data + b"0\r\n" + crc.replace(b"crc32", b"crc32c")), trailer)
    yield Case("a trailer that was not announced", coded(data + b"0\r\nx-amz-checksum-sha1:x\r\n" + crc), trailer)
    yield Case("a trailer that differs", coded(data + b"0\r\n" + crc.replace(crc32(BODY).encode(), b"AAAAAA==")), only(400, "BadDigest"))
    yield Case("more than was announced", coded(data + b"0\r\n" + crc, length=5), incomplete)
    yield Case("less than was announced", coded(data + b"0\r\n" + crc, length=500), incomplete)
    forged = data.replace(b"\r\n", b";chunk-signature=" + b"0" * 64 + b"\r\n", 1)
    yield Case("a chunk with another signature", coded(forged, SIGNED_CHUNKS, trailer=None), only(403, "SignatureDoesNotMatch"))


def xml(signer, upload):
    target = f"{KEY}?uploadId={upload}"
    good = b"<CompleteMultipartUpload><Part><ETag>x</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"

    def complete(body, **options):
        return signer.request("POST", target, body, **options)

    malformed = only(400, "MalformedXML")
    for name, body in [
        ("broken XML", good.replace(b"</Part>", b"")),
        ("no XML", b"{}"),
        ("an unknown root element", b"<Other/>"),
        ("two root elements", good + good),
        ("text behind the root element", good + b"junk"),
        ("CDATA", good.replace(b">1<", b"><![CDATA[1]]><")),
        ("a comment", good.replace(b">1<", b"><!-- -->1<")),
        ("a document type", b"<!DOCTYPE a [<!ENTITY a 'b'>]>" + good),
        ("an unknown entity", good.replace(b">x<", b">&x;<")),
        ("100,000 nested elements", b"<a>" * 100_000),
        ("an element of 1 MiB", b"<" + b"a" * (1 << 20) + b"/>"),
        ("XML in bad UTF-8", good.replace(b">x<", b">\xff<")),
        ("XML with a NUL", good.replace(b">x<", b">\0<")),
        ("a number with junk", good.replace(b">1<", b">1x<")),
    ]:
        yield Case(name, complete(body), malformed)
    yield Case("3 MiB of XML", complete(b" " * (3 << 20)), only(400, "MaxMessageLengthExceeded"))
    yield Case("XML with another MD5", complete(good, headers=[("content-md5", md5(b"other"))]), only(400, "BadDigest"))
    yield Case("XML with another hash", complete(good, payload=sha256(b"other")), only(400, "XAmzContentSHA256Mismatch"))
    yield Case("XML in the aws-chunked coding", complete(good, payload=CODED, headers=[("x-amz-trailer", "x-amz-checksum-crc32"), ("x-amz-decoded-content-length", "5")]), only(501, "NotImplemented"))


def heads(signer):
    def get(headers=(), target="/media/hostile"):
        return raw_head("GET", target, [("Host", signer.host), *headers])

    large = {(400, "RequestHeaderSectionTooLarge"), (400, ""), (431, ""), CLOSED}
    yield Case("a header of 20 KiB", get([("X", "y" * 20_000)]), large)
    yield Case("a header of 100 KiB", get([("X", "y" * 100_000)]), large)
    yield Case("200 headers", get([(f"X-{n}", "y") for n in range(200)]), large)
    yield Case("a target of 9,000 bytes", get(target="/media/" + "k" * 9000), only(400, "InvalidURI"))
    yield Case("two hosts", get([("Host", "other")]), only(400, "InvalidRequest"))
    yield Case("no host", raw_head("GET", KEY, []), only(400, "InvalidRequest"))
    metadata = [("x-amz-meta-a", "v" * 2100)]
    yield Case("metadata of 2,100 bytes", signer.request("PUT", KEY, BODY, metadata), only(400, "MetadataTooLarge"))


def keys(signer):
    def put(key):
        return signer.request("PUT", f"/media/{key}", BODY)

    invalid = only(400, "InvalidURI")
    for name, key in [
        ("a percent sign alone", "hostile%"),
        ("half an escape", "hostile%4"),
        ("an escape of no digits", "hostile%zz"),
        ("bad UTF-8", "hostile%ff"),
        ("an overlong escape", "hostile%c0%af"),
        ("a key that climbs out", "../hostile"),
        ("a key that climbs out in escapes", "%2e%2e/hostile"),
        ("a key that climbs out later", "a/../../hostile"),
    ]:
        yield Case(name, put(key), invalid)
    yield Case("a key with a NUL", put("hostile%00"), {(400, "InvalidURI"), (400, "InvalidArgument")})
    yield Case("a key of 1,025 bytes", put("k" * 1025), only(400, "KeyTooLongError"))
    yield Case("a bucket that cannot be", signer.request("PUT", "/No_Bucket/hostile", BODY), only(400, "InvalidBucketName"))
    yield Case("a bucket that is not there", signer.request("PUT", "/nowhere/hostile", BODY), only(404, "NoSuchBucket"))


def resources(signer):
    missing = only(501, "NotImplemented")
    for method, target in [
        ("PUT", f"{KEY}?unheard-of"),
        ("DELETE", "/media?unheard-of"),
        ("DELETE", "/media/witness?unheard-of"),
        ("PUT", f"{KEY}?torrent"),
        ("PUT", "/media?policy"),
        ("GET", "/media?replication"),
        ("POST", f"{KEY}?restore"),
        ("PUT", f"{KEY}?uploadId=x"),
    ]:
        yield Case(f"{method} {target}", signer.request(method, target, b"<a/>" if method != "GET" else b""), missing)
    for header in ("x-amz-server-side-encryption-customer-algorithm", "x-amz-object-lock-mode"):
        yield Case(header, signer.request("PUT", KEY, BODY, [(header, "x")]), {(501, "NotImplemented"), (400, "InvalidArgument"), (400, "InvalidRequest")})
    form = [("Host", signer.host), ("Content-Type", "multipart/form-data; boundary=x"), ("Content-Length", 4_000_000_000)]
    yield Case("a form", raw_head("POST", "/media", form) + b"--x\r\n", missing)


def lengths(signer):
    def put(value, body=BODY):
        return signer.head("PUT", KEY, [("content-length", value)]) + body

    refused = {(400, ""), (400, "InvalidRequest"), CLOSED}
    for value in ("-1", "+5", "0x5", "5 5", "5, 5", "99999999999999999999", ""):
        yield Case(f"the length {value!r}", put(value), refused)
    yield Case("a length of 6 GiB", put(6 << 30, b""), only(400, "EntityTooLarge"))
    yield Case("the largest length", put((1 << 63) - 1, b""), only(400, "EntityTooLarge"))
    yield Case("no length", signer.head("PUT", KEY), only(411, "MissingContentLength"))
    for name, headers in [
        ("two lengths", [("Content-Length", "0"), ("Content-Length", "0")]),
        ("a length and chunks", [("Content-Length", "0"), ("Transfer-Encoding", "chunked")]),
        ("chunks and a length", [("Transfer-Encoding", "chunked"), ("Content-Length", "0")]),
        ("another coding", [("Transfer-Encoding", "gzip, chunked")]),
        ("chunks twice", [("Transfer-Encoding", "chunked, chunked")]),
    ]:
        hidden = signer.request("PUT", KEY, BODY)
        yield Case(name, raw_head("GET", KEY, [("Host", signer.host), *headers]) + b"0\r\n\r\n" + hidden, refused)
    chunked = signer.head("PUT", KEY, [("transfer-encoding", "chunked")])
    cut = {(400, "IncompleteBody"), (400, ""), CLOSED}
    yield Case("HTTP chunks that end early", chunked + b"5\r\nevery\r\n", cut, half=True)
    yield Case("a malformed HTTP chunk", chunked + b"xyz\r\nevery\r\n0\r\n\r\n", cut)


def lines(signer):
    hidden = signer.request("PUT", KEY, BODY)
    refused = {(400, ""), (400, "InvalidRequest"), (400, "InvalidURI"), (405, "MethodNotAllowed"), CLOSED}
    for name, line in [
        ("bare line feeds", "GET /media/hostile HTTP/1.1\nHost: x\n\n"),
        ("a folded header", "GET /media/hostile HTTP/1.1\r\nHost: x\r\nX: y\r\n z\r\n\r\n"),
        ("a blank before a colon", "GET /media/hostile HTTP/1.1\r\nHost : x\r\n\r\n"),
        ("a control in the target", "GET /media/\x01 HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("HTTP/0.9", "GET /media/hostile\r\n"),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("CONNECT", "CONNECT elsewhere:80 HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("TRACE", "TRACE /media/hostile HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("an unknown method", "STEAL /media/hostile HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("an absolute target", "GET http://elsewhere/media/hostile HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("a star", "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    ]:
        yield Case(name, line.encode("latin-1") + hidden, refused)
