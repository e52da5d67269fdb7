"""The AWS SDK for JavaScript with lib-storage, over http and TLS (node/media.mjs), and what strangers see of its objects."""

import subprocess

import samples
import stage

NODE_MIN = 20


def is_new_enough():
    try:
        version = subprocess.run(["node", "--version"], capture_output=True, text=True).stdout
    except OSError:
        return False
    return version.startswith("v") and int(version[1:].split(".")[0]) >= NODE_MIN


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
    for way, url in (("http", place.plain), ("TLS", place.tls)):
        bucket = f"node-{way.lower()}"
        environment = place.client_environment(
            ENDPOINT=url,
            ACCESS_KEY=place.key[0],
            SECRET_KEY=place.key[1],
            BUCKET=bucket,
            FILE=file,
            WAY=way,
            NODE_HOME=stage.TARGET / "node",
            NODE_EXTRA_CA_CERTS=place.front.certificate,
            NODE_NO_WARNINGS=1,
        )
        script = stage.ROOT / "tools" / "clients" / "node" / "media.mjs"
        what = f"AWS SDK for JavaScript over {way}"
        if not run.run(f"{what}: Node.js", need_node):
            continue
        stage.foreign(run, place, f"{what}: ends properly", ["node", script], environment)
        run.run(f"{what}: strangers", strangers, place, bucket, data)


def need_node():
    if not is_new_enough():
        raise stage.checks.Skip(f"there is no Node.js {NODE_MIN} or newer")


if __name__ == "__main__":
    stage.main("node", body)
