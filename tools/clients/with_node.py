"""The AWS SDK for JavaScript with lib-storage, over http and TLS (node/media.mjs), and what strangers see of its objects."""

import subprocess

import samples
import stage

HOME = stage.TARGET / "node"
NODE_MIN = 20


def node():
    """The Node.js that is pinned beside the SDK; on processors for which none is, the machine's own."""
    pinned = sorted(HOME.glob("node_modules/node-linux-*/bin/node"))
    program = pinned[0] if pinned else "node"
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    assert int(version.removeprefix("v").split(".")[0]) >= NODE_MIN, f"Node.js is {version}: the SDK needs {NODE_MIN}"
    return program, version


def strangers(place, bucket, data):
    disposition = "inline; filename=\"a b.png\"; filename*=UTF-8''%C3%A9.png"
    for name in ("modern", "peertube"):
        for kind in ("buffer", "stream"):
            place.seen(
                bucket, f"{name}/{kind}.png", data, content_type="image/png",
                cache_control="max-age=31536000, immutable", content_disposition=disposition,
            )  # fmt: skip
    place.seen(bucket, "acl/open.jpg", b"open", content_type="image/jpeg")
    place.seen(bucket, "links/open.jpg", b"open link")
    for key in ("acl/closed.jpg", "links/a +%é.jpg", "copies/parts.png"):
        place.unseen(bucket, key)
    place.unlisted(bucket)


def body(run, place):
    data = samples.of_size(17 * samples.MIB + 1234)
    file = place.home / "picture.png"
    file.write_bytes(data)
    if not run.run("AWS SDK for JavaScript: Node.js", lambda: node()[1]):
        return
    for way, url in (("http", place.plain), ("TLS", place.tls)):
        bucket = f"node-{way.lower()}"
        environment = place.client_environment(
            ENDPOINT=url,
            ACCESS_KEY=place.key[0],
            SECRET_KEY=place.key[1],
            BUCKET=bucket,
            FILE=file,
            WAY=way,
            NODE_HOME=HOME,
            NODE_EXTRA_CA_CERTS=place.front.certificate,
            NODE_NO_WARNINGS=1,
        )
        script = stage.ROOT / "tools" / "clients" / "node" / "media.mjs"
        what = f"AWS SDK for JavaScript over {way}"
        stage.foreign(run, place, f"{what}: ends properly", [node()[0], script], environment)
        run.run(f"{what}: strangers", strangers, place, bucket, data)


if __name__ == "__main__":
    stage.main("node", body)
