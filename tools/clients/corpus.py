"""Makes the corpus: at least a thousand real pictures and some videos, 5 KB to 20 MB, in TARGET/corpus.

Packaged wallpapers as they are, crops and scales of them encoded anew by Pillow and ImageMagick, and videos by ffmpeg.
All choices come from a fixed seed, so with the same versions of these programs the same files come out. Made once; a
corpus that is complete is left alone.
"""

import concurrent.futures
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import subprocess

import numpy
from PIL import Image, ImageEnhance

import checks
from server import TARGET

CORPUS = TARGET / "corpus"
WALLPAPERS = [pathlib.Path("/usr/share/wallpapers"), pathlib.Path("/usr/share/backgrounds")]
#: Changes when the recipe does, so that an older corpus is made anew.
RECIPE = 1
VARIANTS = 900
SIZE_MIN, SIZE_MAX = 5_000, 20 << 20
Image.MAX_IMAGE_PIXELS = None


def packaged():
    """The packaged pictures, each content once, sorted by path."""
    seen, found = set(), []
    for root in WALLPAPERS:
        for path in sorted(root.rglob("*")):
            kind = path.suffix.lower()
            if kind not in {".jpg", ".jpeg", ".png", ".webp"} or path.is_symlink():
                continue
            if not SIZE_MIN <= path.stat().st_size <= SIZE_MAX:
                continue
            digest = hashlib.sha256(path.read_bytes()).digest()
            if digest not in seen:
                seen.add(digest)
                found.append(path)
    return found


def copy_packaged(paths):
    for number, path in enumerate(paths):
        shutil.copyfile(path, CORPUS / f"packaged-{number:03d}{path.suffix.lower()}")


def encode(picture, kind, quality):
    out = io.BytesIO()
    match kind:
        case "jpg":
            picture.save(out, "JPEG", quality=quality)
        case "png":
            picture.save(out, "PNG", compress_level=2)
        case "webp":
            picture.save(out, "WEBP", quality=quality, method=1)
        case "gif":
            frames = [picture.rotate(angle).quantize(64) for angle in (0, 2, 4, 6)]
            frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=120)
    return out.getvalue()


def variants(source, numbers):
    """Crops of one wallpaper, each in a size and a format of its own."""
    with Image.open(source) as opened:
        whole = opened.convert("RGB")
    whole.thumbnail((2600, 2600))
    for number in numbers:
        dice = random.Random(f"variant {number}")
        kind = dice.choices(["jpg", "png", "webp", "gif"], [55, 20, 20, 5])[0]
        edge = int(dice.triangular(160, 420 if kind == "gif" else 1900, 700))
        width = min(edge, whole.width)
        height = min(int(width * dice.uniform(0.5, 1.2)), whole.height)
        left, top = dice.randint(0, whole.width - width), dice.randint(0, whole.height - height)
        picture = whole.crop((left, top, left + width, top + height))
        if dice.random() < 0.5:
            picture = with_grain(picture, number)
        else:
            # A little brighter or darker each: two crops of the whole are two pictures.
            picture = ImageEnhance.Brightness(picture).enhance(0.8 + number / (2 * VARIANTS))
        data = encode(picture, kind, dice.randint(70, 95))
        while len(data) < SIZE_MIN:
            data = encode(with_grain(whole.crop((left, top, left + width, top + height)), number), "png", 0)
            kind = "png"
        (CORPUS / f"variant-{number:04d}.{kind}").write_bytes(data)


def with_grain(picture, seed):
    """The grain of a sensor: what makes photographs larger than drawings."""
    pixels = numpy.asarray(picture, dtype=numpy.int16)
    grain = numpy.random.default_rng(seed).normal(0, 6, pixels.shape[:2] + (1,))
    return Image.fromarray(numpy.clip(pixels + grain, 0, 255).astype(numpy.uint8))


def large(number):
    """A picture of many megabytes."""
    dice = numpy.random.default_rng(1000 + number)
    edge = (1500, 2000, 2500)[number % 3]
    coarse = Image.fromarray(dice.integers(0, 255, (40, 40, 3), dtype=numpy.uint8))
    picture = with_grain(coarse.resize((edge, edge), Image.Resampling.BICUBIC), number)
    (CORPUS / f"large-{number:02d}.png").write_bytes(encode(picture, "png", 0))


def with_imagemagick(number, source):
    """What ImageMagick makes of a wallpaper."""
    effect = [["-paint", "3"], ["-modulate", "80,140"], ["-negate"], ["-flop", "-sepia-tone", "70%"]][number % 4]
    kind = ("jpg", "png")[number % 2]
    # The stand-in of some systems does less than Debian's program: ask for that one.
    command = ["/usr/bin/convert", str(source), "-resize", "500x500", *effect, "-strip"]
    subprocess.run([*command, str(CORPUS / f"magick-{number:02d}.{kind}")], check=True)


def video(number, kind):
    """A few seconds of moving picture and sound."""
    dice = random.Random(f"video {number}")
    size = dice.choice(["640x360", "854x480", "1280x720"])
    picture = dice.choice([f"testsrc2=size={size}:rate=25", f"mandelbrot=size={size}:rate=25"])
    seconds = str(dice.randint(3, 6))
    if kind == "mp4":
        codec = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "30", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    else:
        codec = ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-b:v", "4M", "-c:a", "libvorbis"]
    command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", picture]
    command += ["-f", "lavfi", "-i", f"sine=frequency={200 + 40 * number}"]
    command += ["-vf", f"noise=alls={dice.randint(4, 24)}:allf=t:all_seed={number}", "-t", seconds]
    command += [*codec, "-threads", "1", "-fflags", "+bitexact", "-flags", "+bitexact"]
    subprocess.run([*command, str(CORPUS / f"video-{number:02d}.{kind}")], check=True)


def make():
    shutil.rmtree(CORPUS, ignore_errors=True)
    CORPUS.mkdir(parents=True)
    sources = packaged()
    if not sources:
        raise AssertionError("no packaged wallpapers: run `cargo xtask install`")
    with concurrent.futures.ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(copy_packaged, sources)]
        jobs += [pool.submit(video, number, ("mp4", "webm")[number % 2]) for number in range(12)]
        jobs += [pool.submit(large, number) for number in range(9)]
        # The largest wallpapers decode slowly and add nothing to a crop.
        modest = [source for source in sources if source.stat().st_size < 3 << 20]
        for number in range(40):
            jobs.append(pool.submit(with_imagemagick, number, modest[number * len(modest) // 40]))
        parts = min(60, len(modest))
        for part in range(parts):
            numbers = range(part, VARIANTS, parts)
            jobs.append(pool.submit(variants, modest[part * len(modest) // parts], numbers))
        for job in jobs:
            job.result()


def is_complete():
    try:
        return json.loads((TARGET / "corpus.json").read_text())["recipe"] == RECIPE and len(files()) >= 1000
    except (OSError, ValueError, KeyError):
        return False


def files():
    """The files of the corpus, sorted."""
    return sorted(CORPUS.iterdir())


def digests(paths):
    """The SHA-256 of each file, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def ensure():
    """Makes the corpus if it is not there; returns its files."""
    if not is_complete():
        make()
        (TARGET / "corpus.json").write_text(json.dumps({"recipe": RECIPE}))
    return files()


def check():
    paths = ensure()
    videos = sum(path.suffix in {".mp4", ".webm"} for path in paths)
    pictures = len(paths) - videos
    sizes = [path.stat().st_size for path in paths]
    assert pictures >= 1000 and videos >= 10, f"{pictures} pictures, {videos} videos"
    assert min(sizes) >= SIZE_MIN // 2 and max(sizes) > 8 << 20, f"{min(sizes)} to {max(sizes)} bytes"
    assert len(set(digests(paths).values())) == len(paths), "two files of the corpus are equal"
    return (
        f"{pictures} pictures, {videos} videos, {checks.mib(sum(sizes))}, "
        f"{min(sizes)} to {max(sizes)} bytes, in {CORPUS}"
    )


if __name__ == "__main__":
    all_checks = checks.Checks()
    all_checks.run("corpus", check)
    all_checks.close()
