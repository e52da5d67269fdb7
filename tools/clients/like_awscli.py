"""Version 2 of the AWS command line as it is from 2.23 on, imitated: no package registry has it, so it is not run.

It sends CRC64NVME with everything: over http in a header, over TLS behind the body. An upload by parts begins with that
algorithm, and its checksum is that of the whole object.
"""

import base64
import re

import samples
import stage
from like import TRAILER, Imitation, chunked, crc64nvme, refused
from samples import MIB

#: botocore's.
CHUNK_BYTES = MIB
AGENT = "aws-cli/2.31.0 md/awscrt#0.27.6 ua/2.1 os/linux md/arch#x86_64 lang/python#3.13.7"
NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
WRONG = crc64nvme(b"other")
#: As the catalogue of checksums gives it for CRC-64/NVME.
CHECK = (b"123456789", 0xAE8B14860A799888)


class AwsCli(Imitation):
    def put(self, target, data, checksum=None):
        """PutObject or UploadPart with its checksum, or with another."""
        checksum = checksum or crc64nvme(data)
        common = [("x-amz-sdk-checksum-algorithm", "CRC64NVME"), ("content-type", "video/mp4")]
        if not self.is_tls:
            return self.ask("PUT", target, [*common, ("x-amz-checksum-crc64nvme", checksum)], data)
        coded = chunked(data, CHUNK_BYTES, f"x-amz-checksum-crc64nvme:{checksum}")
        framed = [
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", str(len(data))),
            ("x-amz-trailer", "x-amz-checksum-crc64nvme"),
        ]
        return self.ask("PUT", target, [*common, *framed], coded, TRAILER)

    def get(self, target, data):
        answer = self.done("GET", target, [("x-amz-checksum-mode", "ENABLED")])
        assert answer.body == data, f"{target} came back differently"
        found = (answer.headers.get("x-amz-checksum-crc64nvme"), answer.headers.get("x-amz-checksum-type"))
        assert found == (crc64nvme(data), "FULL_OBJECT"), f"{target}: {found}"

    def the_checksum_itself(self):
        """The table here against the published value, so that both sides cannot be wrong in the same way."""
        data, value = CHECK
        assert int.from_bytes(base64.b64decode(crc64nvme(data)), "big") == value

    def uploads(self):
        self.done("PUT", "")
        for size in (0, 1, MIB + 1):
            data = samples.of_size(size)
            assert self.put(f"/one/{size}", data).status == 200
            self.get(f"/one/{size}", data)
        refused(self.put("/one/wrong", data, WRONG), 400, "BadDigest")
        self.is_missing("/one/wrong")

    def upload_by_parts(self):
        data = samples.of_size(5 * MIB + 12345)
        pieces = [data[: 5 * MIB], data[5 * MIB :]]
        asked = [("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "FULL_OBJECT")]
        begun = self.done("POST", "/parts?uploads", asked)
        for name, value in asked:
            assert begun.headers[name] == value, f"{name}: {begun.headers}"
        upload = re.search(rb"<UploadId>([^<]+)</UploadId>", begun.body)[1].decode()
        named = ""
        for number, piece in enumerate(pieces, 1):
            target = f"/parts?partNumber={number}&uploadId={upload}"
            refused(self.put(target, piece, WRONG), 400, "BadDigest")
            part = self.put(target, piece)
            assert part.status == 200 and part.headers["x-amz-checksum-crc64nvme"] == crc64nvme(piece), f"{part.headers}"
            named += f"<Part><ETag>{part.headers['etag']}</ETag><ChecksumCRC64NVME>{crc64nvme(piece)}</ChecksumCRC64NVME>"
            named += f"<PartNumber>{number}</PartNumber></Part>"
        document = f'<CompleteMultipartUpload xmlns="{NAMESPACE}">{named}</CompleteMultipartUpload>'.encode()
        target = f"/parts?uploadId={upload}"
        whole = [("x-amz-checksum-type", "FULL_OBJECT"), ("x-amz-mp-object-size", str(len(data)))]
        refused(self.ask("POST", target, [*whole, ("x-amz-checksum-crc64nvme", WRONG)], document), 400, "BadDigest")
        composite = [("x-amz-checksum-type", "COMPOSITE"), whole[1]]
        assert self.ask("POST", target, composite, document).status == 400, "a type that the upload does not have"
        self.is_missing("/parts")
        answer = self.done("POST", target, [*whole, ("x-amz-checksum-crc64nvme", crc64nvme(data))], document)
        for element in (f"<ChecksumCRC64NVME>{crc64nvme(data)}<", "<ChecksumType>FULL_OBJECT<"):
            assert element in answer.body.decode(), f"{element}: {answer.body}"
        self.get("/parts", data)


def body(run, place):
    for way, url in (("http", place.plain), ("TLS", place.tls)):
        test = AwsCli(place, url, f"cli-2-{way.lower()}", AGENT)
        for check in (test.the_checksum_itself, test.uploads, test.upload_by_parts):
            run.run(f"AWS CLI 2's framing over {way}: {check.__name__.replace('_', ' ')}", check)


if __name__ == "__main__":
    stage.main("like-awscli", body)
