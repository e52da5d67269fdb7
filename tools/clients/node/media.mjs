// The AWS SDK for JavaScript as Misskey and PeerTube use it: uploads of buffers and streams by parts of 8 MiB, whose result
// must name the bucket, ranges, ACLs, copies, links, listings. The SDK checks the checksums of what it gets, if the server
// sends any: a wrong one for an object of several parts fails the GET.
//
// Takes from the environment: ENDPOINT, ACCESS_KEY, SECRET_KEY, BUCKET, FILE (a picture of more than 16 MiB), and NODE_HOME,
// where the packages are. Leaves in the bucket what `with_node.py` then looks at as a stranger.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { createReadStream, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { Readable } from "node:stream";
import { close, run } from "./checks.mjs";

const require = createRequire(`${process.env.NODE_HOME}/package.json`);
const S3 = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const { ENDPOINT: endpoint, BUCKET: Bucket, FILE: file, WAY: way } = process.env;
const MIB = 1 << 20;
const CACHE = "max-age=31536000, immutable";
const big = readFileSync(file);

function client(more = {}) {
  return new S3.S3Client({
    endpoint,
    region: "us-east-1",
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: { accessKeyId: process.env.ACCESS_KEY, secretAccessKey: process.env.SECRET_KEY },
    ...more,
  });
}

const modern = client();
const peertube = client({ requestChecksumCalculation: "WHEN_REQUIRED", responseChecksumValidation: "WHEN_REQUIRED" });

const md5 = (data) => createHash("md5").update(data).digest("hex");

function multipartETag(data, part) {
  const digests = [];
  for (let at = 0; at < data.length; at += part) {
    digests.push(createHash("md5").update(data.subarray(at, at + part)).digest());
  }
  return `"${md5(Buffer.concat(digests))}-${digests.length}"`;
}

async function body(s3, Key, more = {}) {
  const answer = await s3.send(new S3.GetObjectCommand({ Bucket, Key, ...more }));
  return { answer, data: Buffer.from(await answer.Body.transformToByteArray()) };
}

async function same(s3, Key, data) {
  const got = await body(s3, Key);
  assert.ok(got.data.equals(data), `${Key} came back differently (${got.data.length} bytes of ${data.length})`);
  return got.answer;
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return [error.name, error.$metadata?.httpStatusCode];
  }
  throw new Error("it was not refused");
}

async function misskey(s3, name) {
  const upload = (Key, Body) =>
    new Upload({
      client: s3,
      params: {
        Bucket, Key, Body, ContentType: "image/png", CacheControl: CACHE, ACL: "public-read",
        ContentDisposition: "inline; filename=\"a b.png\"; filename*=UTF-8''%C3%A9.png",
      },
      partSize: 8 * MIB,
      queueSize: 4,
    }).done();
  const stores = { buffer: () => big, stream: () => createReadStream(file) };
  for (const [kind, make] of Object.entries(stores)) {
    const key = `${name}/${kind}.png`;
    const result = await upload(key, make());
    assert.ok("Bucket" in result, "Upload Result Aborted");
    assert.equal(result.Bucket, Bucket);
    assert.equal(result.Key, key);
    assert.ok(result.Location, "no Location");
    assert.equal(result.ETag, multipartETag(big, 8 * MIB));
    const answer = await same(s3, key, big);
    assert.equal(answer.CacheControl, CACHE);
    assert.equal(answer.ContentEncoding, undefined);
    const small = await upload(`${name}/small-${kind}.png`, kind === "buffer" ? big.subarray(0, 1000) : Readable.from([big.subarray(0, 1000)]));
    assert.equal(small.Bucket, Bucket);
    await same(s3, `${name}/small-${kind}.png`, big.subarray(0, 1000));
  }
  return `${big.length} bytes, ${Math.ceil(big.length / (8 * MIB))} parts`;
}

/** A stream that yields pieces as a file or a socket would. */
function streamOf(data) {
  const pieces = [];
  for (let at = 0; at < data.length; at += 64 * 1024) pieces.push(data.subarray(at, at + 64 * 1024));
  return Readable.from(pieces);
}

async function sizes(s3, name) {
  for (const size of [0, 1, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1]) {
    const data = big.subarray(0, size);
    for (const [kind, Body] of [["buffer", data], ["stream", streamOf(data)]]) {
      const Key = `${name}/sizes/${kind}-${size}`;
      // A stream's length has to be said; lib-storage is for those whose length is unknown.
      const put = await s3.send(new S3.PutObjectCommand({ Bucket, Key, Body, ContentLength: kind === "stream" ? size : undefined }));
      assert.equal(put.ETag, `"${md5(data)}"`);
      await same(s3, Key, data);
    }
  }
}

async function hardKeys() {
  const keys = [
    "with space.jpg", "plus+.jpg", "100%25 %.jpg", "ünï/日本語 😀.jpg", "quote'\"`.jpg", "amp&lt<gt>.jpg", "a;b:c=d?e#f.jpg",
    "(paren)!star*~.jpg", "double//slash.jpg",
  ];
  for (const key of keys) {
    await modern.send(new S3.PutObjectCommand({ Bucket, Key: `keys/${key}`, Body: key }));
    const got = await body(modern, `keys/${key}`);
    assert.equal(got.data.toString(), key);
  }
  const found = await modern.send(new S3.ListObjectsV2Command({ Bucket, Prefix: "keys/" }));
  const sorted = keys.map((key) => `keys/${key}`).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  assert.deepEqual(found.Contents.map((item) => item.Key), sorted);
  const Delete = { Objects: sorted.map((Key) => ({ Key })) };
  const gone = await modern.send(new S3.DeleteObjectsCommand({ Bucket, Delete }));
  assert.equal(gone.Deleted.length, keys.length);
  return `${keys.length} keys`;
}

async function ranges() {
  const Key = "modern/buffer.png";
  for (const [Range, first, end] of [["bytes=0-0", 0, 1], ["bytes=8388600-8388620", 8388600, 8388621], ["bytes=-9", big.length - 9, big.length]]) {
    const { answer, data } = await body(modern, Key, { Range });
    assert.equal(answer.$metadata.httpStatusCode, 206);
    assert.equal(answer.ContentRange, `bytes ${first}-${end - 1}/${big.length}`);
    assert.ok(data.equals(big.subarray(first, end)), Range);
  }
  const { answer, data } = await body(modern, Key, { PartNumber: 2 });
  assert.equal(answer.PartsCount, Math.ceil(big.length / (8 * MIB)));
  assert.ok(data.equals(big.subarray(8 * MIB, 16 * MIB)));
  const head = await modern.send(new S3.HeadObjectCommand({ Bucket, Key }));
  assert.equal(head.ContentLength, big.length);
}

/** Each algorithm that the SDK can compute, of objects and of objects in parts; the SDK checks them on the way back. */
async function checksums() {
  const kinds = [];
  for (const ChecksumAlgorithm of ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]) {
    const field = `Checksum${ChecksumAlgorithm}`;
    const Key = `checksums/${ChecksumAlgorithm}`;
    const put = await modern.send(new S3.PutObjectCommand({ Bucket, Key, Body: big.subarray(0, 77_777), ChecksumAlgorithm }));
    const { answer, data } = await body(modern, Key, { ChecksumMode: "ENABLED" });
    assert.equal(answer[field], put[field]);
    assert.ok(answer[field], `no ${field}`);
    assert.equal(data.length, 77_777);
    await new Upload({ client: modern, params: { Bucket, Key: `${Key}-parts`, Body: big, ChecksumAlgorithm }, partSize: 8 * MIB }).done();
    const parts = await same(modern, `${Key}-parts`, big);
    kinds.push(`${ChecksumAlgorithm} ${parts.ChecksumType ?? "not kept"}`);
  }
  return kinds.join(", ");
}

async function acls() {
  await peertube.send(new S3.PutObjectCommand({ Bucket, Key: "acl/closed.jpg", Body: "closed", ACL: "public-read" }));
  await peertube.send(new S3.PutObjectAclCommand({ Bucket, Key: "acl/closed.jpg", ACL: "private" }));
  await peertube.send(new S3.PutObjectCommand({ Bucket, Key: "acl/open.jpg", Body: "open", ContentType: "image/jpeg" }));
  await peertube.send(new S3.PutObjectAclCommand({ Bucket, Key: "acl/open.jpg", ACL: "public-read" }));
  const granted = await peertube.send(new S3.GetObjectAclCommand({ Bucket, Key: "acl/open.jpg" }));
  assert.equal(granted.Grants.length, 2);
}

async function copies() {
  const source = `/${Bucket}/${encodeURIComponent("modern/buffer.png")}`;
  await peertube.send(new S3.CopyObjectCommand({
    Bucket, Key: "copies/whole é.png", CopySource: source, MetadataDirective: "REPLACE", ContentType: "image/x", Metadata: { a: "b" },
  }));
  const whole = await same(modern, "copies/whole é.png", big);
  assert.equal(whole.ContentType, "image/x");
  assert.deepEqual(whole.Metadata, { a: "b" });
  const at = { Bucket, Key: "copies/parts.png" };
  const { UploadId } = await peertube.send(new S3.CreateMultipartUploadCommand(at));
  const Parts = [];
  for (let first = 0, PartNumber = 1; first < big.length; first += 6 * MIB, PartNumber += 1) {
    const last = Math.min(first + 6 * MIB, big.length) - 1;
    const { CopyPartResult } = await peertube.send(new S3.UploadPartCopyCommand({
      ...at, UploadId, PartNumber, CopySource: source, CopySourceRange: `bytes=${first}-${last}`,
    }));
    Parts.push({ PartNumber, ETag: CopyPartResult.ETag });
  }
  const done = await peertube.send(new S3.CompleteMultipartUploadCommand({ ...at, UploadId, MultipartUpload: { Parts } }));
  assert.equal(done.Bucket, Bucket);
  await same(modern, at.Key, big);
}

async function links() {
  const Key = "links/a +%é.jpg";
  const put = await getSignedUrl(modern, new S3.PutObjectCommand({ Bucket, Key, ContentType: "image/jpeg" }), { expiresIn: 600 });
  const stored = await fetch(put, { method: "PUT", body: "by link", headers: { "Content-Type": "image/jpeg" } });
  assert.equal(stored.status, 200, await stored.text());
  const acl = await getSignedUrl(modern, new S3.PutObjectCommand({ Bucket, Key: "links/open.jpg", ACL: "public-read" }), { expiresIn: 600 });
  const open = await fetch(acl, { method: "PUT", body: "open link" });
  assert.equal(open.status, 200, await open.text());
  const get = new S3.GetObjectCommand({ Bucket, Key, ResponseContentDisposition: "attachment; filename=\"x y.jpg\"" });
  const answer = await fetch(await getSignedUrl(modern, get, { expiresIn: 86400 }));
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), "by link");
  assert.equal(answer.headers.get("content-disposition"), "attachment; filename=\"x y.jpg\"");
  assert.equal(answer.headers.get("content-type"), "image/jpeg");
  const head = await getSignedUrl(modern, new S3.HeadObjectCommand({ Bucket, Key }), { expiresIn: 600 });
  assert.equal((await fetch(head, { method: "HEAD" })).status, 200);
  assert.equal((await fetch(head)).status, 403);
}

async function listings() {
  const keys = [];
  for (let number = 0; number < 25; number += 1) {
    keys.push(`list/${String(number).padStart(2, "0")}.m3u8`);
    await modern.send(new S3.PutObjectCommand({ Bucket, Key: keys.at(-1), Body: "x" }));
  }
  const found = [];
  for await (const page of S3.paginateListObjectsV2({ client: modern, pageSize: 4 }, { Bucket, Prefix: "list/" })) {
    found.push(...(page.Contents ?? []).map((item) => item.Key));
  }
  assert.deepEqual(found, keys);
  const nothing = await modern.send(new S3.ListObjectsV2Command({ Bucket, Prefix: "no such folder/" }));
  assert.equal(nothing.KeyCount, 0);
  for (const Key of keys) await peertube.send(new S3.DeleteObjectCommand({ Bucket, Key }));
}

/** A playlist is written again and again while it is read: each read sees one whole version. */
async function overwrites() {
  const Key = "playlist.m3u8";
  const versions = Array.from({ length: 20 }, (_, number) => Buffer.alloc(1000 + number * 100, `v${number} `));
  await peertube.send(new S3.PutObjectCommand({ Bucket, Key, Body: versions[0] }));
  const reading = (async () => {
    for (let round = 0; round < 20; round += 1) {
      const { data } = await body(peertube, Key);
      assert.ok(versions.some((version) => version.equals(data)), "a mixture of versions");
    }
  })();
  for (const Body of versions) await peertube.send(new S3.PutObjectCommand({ Bucket, Key, Body }));
  await reading;
  await same(peertube, Key, versions.at(-1));
}

async function unfinished() {
  const at = { Bucket, Key: "unfinished.mp4" };
  const upload = new Upload({ client: peertube, params: { ...at, Body: createReadStream(file) }, partSize: 5 * MIB, queueSize: 1 });
  upload.on("httpUploadProgress", () => upload.abort());
  const [name] = await refused(upload.done());
  assert.equal(name, "AbortError");
  const left = await peertube.send(new S3.ListMultipartUploadsCommand({ Bucket }));
  for (const { Key, UploadId } of left.Uploads ?? []) {
    await peertube.send(new S3.AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
  }
  const after = await peertube.send(new S3.ListMultipartUploadsCommand({ Bucket }));
  assert.equal(after.Uploads, undefined);
  assert.deepEqual(await refused(peertube.send(new S3.HeadObjectCommand(at))), ["NotFound", 404]);
}

async function missing() {
  const at = { Bucket, Key: "nothing" };
  assert.deepEqual(await refused(modern.send(new S3.GetObjectCommand(at))), ["NoSuchKey", 404]);
  assert.equal((await modern.send(new S3.DeleteObjectCommand(at))).$metadata.httpStatusCode, 204);
  const versioning = { Bucket, VersioningConfiguration: { Status: "Enabled" } };
  assert.deepEqual(await refused(modern.send(new S3.PutBucketVersioningCommand(versioning))), ["NotImplemented", 501]);
  assert.deepEqual(await refused(modern.send(new S3.GetObjectAttributesCommand({ Bucket, Key: "playlist.m3u8", ObjectAttributes: ["ETag"] }))), ["NotImplemented", 501]);
}

const named = (name) => `AWS SDK for JavaScript over ${way}: ${name}`;
await modern.send(new S3.CreateBucketCommand({ Bucket }));
await run(named("Misskey's uploads"), () => misskey(modern, "modern"));
await run(named("PeerTube's uploads"), () => misskey(peertube, "peertube"));
await run(named("sizes"), () => sizes(modern, "modern"));
await run(named("sizes without checksums"), () => sizes(peertube, "peertube"));
await run(named("keys"), hardKeys);
await run(named("ranges and parts"), ranges);
await run(named("checksums"), checksums);
await run(named("ACLs"), acls);
await run(named("copies"), copies);
await run(named("links"), links);
await run(named("listings"), listings);
await run(named("overwrites"), overwrites);
await run(named("uploads given up"), unfinished);
await run(named("what is missing"), missing);
close();
