"""Calls of S3 that Moraine does not support, as boto3 names them: each must be refused with `NotImplemented`."""


def calls(bucket, key):
    """Name and arguments of each."""
    b, o = {"Bucket": bucket}, {"Bucket": bucket, "Key": key}
    tags = {"TagSet": [{"Key": "a", "Value": "b"}]}
    rule = {"ID": "r", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 1}}
    encryption = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    return [
        ("put_bucket_versioning", b | {"VersioningConfiguration": {"Status": "Enabled"}}),
        ("put_bucket_policy", b | {"Policy": "{}"}),
        ("get_bucket_policy", b),
        ("put_bucket_lifecycle_configuration", b | {"LifecycleConfiguration": {"Rules": [rule]}}),
        ("get_bucket_lifecycle_configuration", b),
        ("put_bucket_cors", b | {"CORSConfiguration": {"CORSRules": [{"AllowedMethods": ["GET"], "AllowedOrigins": ["*"]}]}}),
        ("get_bucket_cors", b),
        ("put_bucket_tagging", b | {"Tagging": tags}),
        ("put_bucket_encryption", b | {"ServerSideEncryptionConfiguration": encryption}),
        ("put_bucket_website", b | {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}}),
        ("put_object_lock_configuration", b | {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}),
        ("put_public_access_block", b | {"PublicAccessBlockConfiguration": {"BlockPublicAcls": True}}),
        ("put_object_tagging", o | {"Tagging": tags}),
        ("delete_object_tagging", o),
        ("put_object_retention", o | {"Retention": {"Mode": "GOVERNANCE"}}),
        ("put_object_legal_hold", o | {"LegalHold": {"Status": "ON"}}),
        ("get_object_attributes", o | {"ObjectAttributes": ["ETag"]}),
        ("restore_object", o | {"RestoreRequest": {"Days": 1}}),
        ("put_object", o | {"Body": b"x", "Tagging": "a=b"}),
        ("put_object", o | {"Body": b"x", "ServerSideEncryption": "aws:kms"}),
        ("put_object", o | {"Body": b"x", "ACL": "public-read-write"}),
        ("put_object_acl", o | {"ACL": "authenticated-read"}),
        ("put_bucket_acl", b | {"ACL": "public-read"}),
    ]
