"""How often a run of sessions must at least have asked each thing, and been refused in each way: one that meets less passes
without having tested what it says. About a third of what 1,000 sessions meet; of refusals that come in bursts, as after the
deletion of a bucket (12 to 67 in seven runs), a third of the fewest."""

#: By 1,000 sessions.
FLOORS = {
    "put_object": 900, "get_object": 1000, "head_object": 250, "delete_object": 250, "delete_objects": 140,
    "copy_object": 400, "put_object_acl": 140, "get_object_acl": 140, "get_object_tagging": 80, "stranger": 500,
    "list_objects": 200, "list_objects_v2": 250, "list_object_versions": 130, "list_multipart_uploads": 110,
    "list_parts": 110, "create_multipart_upload": 280, "upload_part": 400, "upload_part_copy": 130,
    "complete_multipart_upload": 300, "abort_multipart_upload": 90, "create_bucket": 90, "delete_bucket": 90,
    "head_bucket": 80, "get_bucket_location": 80, "get_bucket_versioning": 80, "list_buckets": 80,
    "refused 304": 40, "refused BucketAlreadyOwnedByYou": 70, "refused BucketNotEmpty": 50, "refused EntityTooSmall": 2,
    "refused InvalidPart": 2, "refused InvalidPartNumber": 40, "refused InvalidRange": 90, "refused InvalidRequest": 9,
    "refused NoSuchBucket": 4, "refused NoSuchKey": 200, "refused NoSuchUpload": 350, "refused PreconditionFailed": 90,
    "uploads completed after a restart": 10,
}  # fmt: skip


def floors(sessions):
    """Names of counts, and what each must at least be after so many sessions."""
    return [(name, count * sessions // 1000) for name, count in FLOORS.items()]
