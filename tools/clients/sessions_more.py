"""The random requests that are about more than one object: listings, uploads by parts, buckets."""

import base64

import sessions_model as rules
from sessions_asks import KEYS, PARTS, PLANS, Asks, same, unquoted
from sessions_model import Refused, Upload, md5


class Sessions(Asks):
    """All that a session may ask, and how often."""

    WEIGHTS = {
        "put": 20, "get": 12, "head": 6, "get_range": 8, "get_part": 3, "get_if": 4, "delete": 6, "delete_many": 3,
        "copy": 9, "set_acl": 4, "get_acl": 3, "tagging": 2, "stranger": 5, "link_get": 3, "link_put": 3,
        "list_v2": 5, "list_v1": 3, "list_versions": 3, "begin": 3, "upload_small": 3, "upload_large": 1,
        "put_part": 5, "copy_part": 3, "list_parts": 3, "list_uploads": 3, "complete": 4, "abort": 2,
        "make_bucket": 2, "drop_bucket": 2, "look_at_bucket": 2,
    }  # fmt: skip

    def session(self, seed, requests):
        """One session, of about as many requests."""
        self.start_session(seed)
        names, weights = list(self.WEIGHTS), list(self.WEIGHTS.values())
        for name in self.random.choices(names, weights, k=requests):
            self.doing = name
            getattr(self, name)()

    # Listings.

    def pattern(self):
        """A prefix, a delimiter and a page size."""
        prefix = self.random.choice(("", "", "a", "a/", "a/b/", "cache/", "ünï/", "nothing"))
        return prefix, self.random.choice(("", "", "/", "/", "b")), self.random.choice((1, 2, 3, 1000))

    def pages(self, name, bucket, first, next_page, **arguments):
        """All pages of a listing; each must be of the size that was asked for."""
        pages, more = [], first
        while more is not None:
            answer, _ = self.ask(name, Bucket=bucket, **arguments, **more)
            pages.append(answer)
            assert len(pages) < 100, f"{name} does not end"
            more = next_page(answer) if answer["IsTruncated"] else None
        return pages

    def listed(self, bucket, pages, entries, limit, prefix, delimiter, after=""):
        found = [item for page in pages for item in page.get(entries, [])]
        prefixes = [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]
        for page in pages:
            assert len(page.get(entries, [])) + len(page.get("CommonPrefixes", [])) <= limit, "a page is too long"
        what = f"{entries} of {bucket}, prefix {prefix!r}, delimiter {delimiter!r}, after {after!r}, pages of {limit}"
        keys, common = self.model.listing(bucket, prefix, delimiter, after)
        same([item["Key"] for item in found], keys, what)
        same(prefixes, common, f"the prefixes in {what}")
        objects = self.model.buckets[bucket]
        same(
            [(item["Size"], unquoted(item["ETag"])) for item in found],
            [(len(objects[key].data), objects[key].etag) for key in keys],
            f"sizes and ETags of {what}",
        )
        for item in found:
            self.dated(bucket, item["Key"], objects[item["Key"]], item["LastModified"])

    def list_v2(self):
        bucket, (prefix, delimiter, limit) = self.bucket(), self.pattern()
        after = "" if delimiter else self.random.choice(("", "", *KEYS))
        first = {"StartAfter": after} if after else {}
        token = lambda page: {"ContinuationToken": page["NextContinuationToken"]}
        pages = self.pages(
            "list_objects_v2", bucket, first, token, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit
        )
        self.listed(bucket, pages, "Contents", limit, prefix, delimiter, after)

    def list_v1(self):
        bucket, (prefix, delimiter, limit) = self.bucket(), self.pattern()

        def marker(page):
            assert ("NextMarker" in page) == bool(delimiter), "V1 gives NextMarker with a delimiter only"
            return {"Marker": page["NextMarker"] if delimiter else page["Contents"][-1]["Key"]}

        pages = self.pages("list_objects", bucket, {}, marker, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit)
        self.listed(bucket, pages, "Contents", limit, prefix, delimiter)

    def list_versions(self):
        bucket, (prefix, delimiter, limit) = self.bucket(), self.pattern()

        def marker(page):
            more = {"VersionIdMarker": page["NextVersionIdMarker"]} if page.get("NextVersionIdMarker") else {}
            return {"KeyMarker": page["NextKeyMarker"], **more}

        pages = self.pages(
            "list_object_versions", bucket, {}, marker, Prefix=prefix, Delimiter=delimiter, MaxKeys=limit
        )
        self.listed(bucket, pages, "Versions", limit, prefix, delimiter)
        versions = [item for page in pages for item in page.get("Versions", [])]
        assert all(item["VersionId"] == "null" and item["IsLatest"] for item in versions), versions
        assert not any(page.get("DeleteMarkers") for page in pages), "delete markers"

    # Uploads by parts.

    def begin(self):
        bucket, key = self.place(there=0.3)
        return self.begin_at(bucket, key)

    def begin_at(self, bucket, key):
        (arguments, headers, metadata), (acl, public), plan = self.attributes(), self.acl(), self.random.choice(PLANS)
        upload = Upload(bucket, key, headers, metadata, public, plan)
        self.begins = upload
        answer, _ = self.ask(
            "create_multipart_upload",
            Bucket=bucket, Key=key, ChecksumAlgorithm=plan[0], ChecksumType=plan[1], **arguments, **acl,
        )
        self.begins = None
        self.model.uploads[answer["UploadId"]] = upload
        return answer["UploadId"]

    def upload(self):
        """An upload: mostly one that is there, or was until it was given up."""
        if self.model.uploads and self.random.random() < 0.85:
            upload_id = self.random.choice(sorted(self.model.uploads))
            upload = self.model.uploads[upload_id]
            return upload_id, upload.bucket, upload.key
        if self.given_up and self.random.random() < 0.5:
            upload_id, bucket, key = self.random.choice(self.given_up)
            if bucket in self.model.buckets:
                return upload_id, bucket, key
        return "0" * 32, *self.place()

    def parts_of(self, model, upload_id):
        if upload_id not in model.uploads:
            raise Refused("NoSuchUpload")
        return model.uploads[upload_id].parts

    def put_part(self):
        upload_id, bucket, key = self.upload()
        self.put_part_of(upload_id, bucket, key, self.random.randint(1, 4), self.content())

    def put_part_of(self, upload_id, bucket, key, number, data):
        plan = self.model.uploads[upload_id].plan if upload_id in self.model.uploads else ("CRC32", "COMPOSITE")
        answer, _ = self.ask(
            "upload_part", lambda model: self.parts_of(model, upload_id).update({number: data}),
            Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=data, ChecksumAlgorithm=plan[0],
        )
        if answer:
            same(unquoted(answer["ETag"]), md5(data), "the ETag of a part")

    def copy_part(self):
        upload_id, bucket, key = self.upload()
        source, number = self.place(there=0.9), self.random.randint(1, 4)
        found = self.model.buckets[source[0]].get(source[1])
        arguments, data = {}, found.data if found else b""
        if len(data) > 10 and self.random.random() < 0.6:
            first = self.random.randrange(len(data))
            last = self.random.randrange(first, len(data))
            arguments, data = {"CopySourceRange": f"bytes={first}-{last}"}, data[first : last + 1]
        if upload_id not in self.model.uploads and not found:
            return  # Which of the two is told is nobody's business.

        def effect(model):
            model.find(*source)
            self.parts_of(model, upload_id)[number] = data

        answer, _ = self.ask(
            "upload_part_copy", effect,
            Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number,
            CopySource={"Bucket": source[0], "Key": source[1]}, **arguments,
        )
        if answer:
            same(unquoted(answer["CopyPartResult"]["ETag"]), md5(data), "the ETag of a copied part")

    def list_parts(self):
        upload_id, bucket, key = self.upload()
        limit, found, after = self.random.choice((1, 2, 1000)), [], 0
        while True:
            answer, parts = self.ask(
                "list_parts", lambda model: self.parts_of(model, upload_id),
                Bucket=bucket, Key=key, UploadId=upload_id, MaxParts=limit, PartNumberMarker=after,
            )
            if not answer:
                return
            found += [(it["PartNumber"], it["Size"], unquoted(it["ETag"])) for it in answer.get("Parts", [])]
            if not answer["IsTruncated"]:
                break
            assert len(answer["Parts"]) == limit, "a page of parts is not of the size that was asked for"
            after = answer["NextPartNumberMarker"]
        same(found, [(number, len(data), md5(data)) for number, data in sorted(parts.items())], "the parts")

    def list_uploads(self):
        bucket, prefix = self.bucket(), self.random.choice(("", "", "a", "cache/"))
        limit, found, more = self.random.choice((1, 2, 1000)), [], {}
        while True:
            answer, _ = self.ask("list_multipart_uploads", Bucket=bucket, Prefix=prefix, MaxUploads=limit, **more)
            found += [(item["Key"], item["UploadId"]) for item in answer.get("Uploads", [])]
            if not answer["IsTruncated"]:
                break
            more = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}
        same([key for key, _ in found], sorted((key for key, _ in found), key=str.encode), "the order of uploads")
        same(sorted(found), self.model.uploads_in(bucket, prefix), f"the uploads in {bucket} with prefix {prefix!r}")

    def complete(self):
        upload_id, bucket, key = self.upload()
        parts = self.model.uploads[upload_id].parts if upload_id in self.model.uploads else {1: b""}
        numbers = sorted(parts)
        if not numbers:
            return
        chance = self.random.random()
        if chance < 0.5:
            numbers = complete_numbers(parts)
        elif chance < 0.65:
            numbers.append(9)
        self.complete_of(upload_id, bucket, key, [(number, md5(parts.get(number, b""))) for number in numbers])

    def complete_of(self, upload_id, bucket, key, named):
        upload = self.model.uploads.get(upload_id)
        listed = [{"PartNumber": number, "ETag": f'"{etag}"'} for number, etag in named]
        for item in listed:
            data = upload.parts.get(item["PartNumber"]) if upload else None
            if data is not None:
                value = base64.b64encode(rules.digest(upload.plan[0], data)).decode()
                item[f"Checksum{upload.plan[0]}"] = value
        answer, made = self.ask(
            "complete_multipart_upload", lambda model: model.complete(upload_id, named),
            Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": listed},
        )
        if answer:
            same((answer["Bucket"], answer["Key"]), (bucket, key), "the place of a completed upload")
            same(unquoted(answer["ETag"]), made.etag, "the ETag of a completed upload")
            same(answer.get(f"Checksum{made.checksum[0]}"), made.checksum[1], "the checksum of a completed upload")

    def abort(self):
        upload_id, bucket, key = self.upload()

        def effect(model):
            self.parts_of(model, upload_id)
            del model.uploads[upload_id]

        answer, _ = self.ask("abort_multipart_upload", effect, Bucket=bucket, Key=key, UploadId=upload_id)
        if answer:
            self.given_up = self.given_up[-9:] + [(upload_id, bucket, key)]

    def upload_small(self):
        """A whole upload of one part, which may be empty."""
        bucket, key = self.place(there=0.3)
        upload_id, data = self.begin_at(bucket, key), self.content()
        self.put_part_of(upload_id, bucket, key, 1, data)
        self.complete_of(upload_id, bucket, key, [(1, md5(data))])

    def upload_large(self):
        """A whole upload of parts that come out of order, one of them twice."""
        bucket, key = self.place(there=0.3)
        upload_id = self.begin_at(bucket, key)
        parts = {1: self.random.choice(PARTS), 3: self.content()}
        if self.random.random() < 0.3:
            parts[2] = self.random.choice(PARTS)
        numbers = [*parts, 3]
        self.random.shuffle(numbers)
        for number in numbers:
            data = parts[number]
            self.put_part_of(upload_id, bucket, key, number, data)
        self.complete_of(upload_id, bucket, key, [(number, md5(parts[number])) for number in sorted(parts)])

    # Buckets.

    def make_bucket(self):
        name = f"{self.name}-{self.random.choice('abc')}"

        def effect(model):
            if name in model.buckets:
                raise Refused("BucketAlreadyOwnedByYou")
            model.buckets[name] = {}

        self.ask("create_bucket", effect, Bucket=name)

    def drop_bucket(self):
        name = f"{self.name}-{self.random.choice('cccab')}"
        if [name] == sorted(self.model.buckets):
            return  # There is always one.
        self.ask("delete_bucket", lambda model: model.delete_bucket(name), Bucket=name)

    def look_at_bucket(self):
        name = f"{self.name}-{self.random.choice('abc')}"

        def effect(model):
            if name not in model.buckets:
                raise Refused("NoSuchBucket")

        self.ask("head_bucket", effect, Bucket=name)
        self.ask("get_bucket_location", effect, Bucket=name)
        answer, _ = self.ask("get_bucket_versioning", effect, Bucket=name)
        assert answer is None or "Status" not in answer, answer
        answer, _ = self.ask("list_buckets")
        own = [it["Name"] for it in answer["Buckets"] if it["Name"].startswith(f"{self.name}-")]
        same(own, sorted(self.model.buckets), "the buckets")


def complete_numbers(parts):
    """The parts that together can be completed: all but the last must be large."""
    numbers = sorted(parts)
    return [number for number in numbers[:-1] if len(parts[number]) >= rules.PART_BYTES_MIN] + numbers[-1:]
