"""The AWS SDK for Ruby as Mastodon calls it, over http and TLS (ruby/mastodon.rb), and what strangers see of its objects."""

import os

import samples
import stage
from samples import MIB

CACHE_CONTROL = "public, max-age=315576000, immutable"
STEM = "cache/media_attachments/files/111/222/333/444/555/666/original"


def strangers(place, bucket, video):
    place.seen(bucket, f"{STEM}/video.mp4", video, content_type="video/mp4", cache_control=CACHE_CONTROL)
    first = sorted(os.listdir(place.home / "pictures"))[0]
    data = (place.home / "pictures" / first).read_bytes()
    place.seen(bucket, f"{STEM}/first.jpg", data, content_type="image/gif", cache_control=CACHE_CONTROL)
    place.seen(bucket, "edges/0.mp4", b"", content_type="video/mp4")
    place.unseen(bucket, "backups/dumps/000/001/original/archive-20261122-0123456789abcdef0123456789abcdef.zip")
    place.unlisted(bucket)


def body(run, place):
    pictures = place.home / "pictures"
    pictures.mkdir()
    for suffix in (".gif", ".jpg", ".png", ".webp"):
        for number in (0, -1):
            source = samples.of_kind(suffix, number)
            (pictures / f"{suffix[1:]}{number}{suffix}").write_bytes(source.read_bytes())
    video = samples.of_size(17 * MIB + 4321)
    (place.home / "video.mp4").write_bytes(video)
    for way, url in (("http", place.plain), ("TLS", place.tls)):
        bucket = f"ruby-{way.lower()}"
        environment = place.client_environment(
            ENDPOINT=url,
            ACCESS_KEY=place.key[0],
            SECRET_KEY=place.key[1],
            BUCKET=bucket,
            FOLDER=pictures,
            FILE=place.home / "video.mp4",
            WAY=way,
            CA=place.front.certificate,
            LANG="C.UTF-8",
        )
        script = stage.ROOT / "tools" / "clients" / "ruby" / "mastodon.rb"
        what = f"AWS SDK for Ruby over {way}"
        # Debian's own Ruby, which has Debian's SDK; another in the path would not find it.
        stage.foreign(run, place, f"{what}: ends properly", ["/usr/bin/ruby", "-W0", script], environment)
        run.run(f"{what}: strangers", strangers, place, bucket, video)


if __name__ == "__main__":
    stage.main("ruby", body)
