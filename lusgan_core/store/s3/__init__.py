"""Artifacts and exams in S3: AWS, or any compatible server (MinIO, Ceph, SeaweedFS).

Read ``address`` (what ``s3://bucket/prefix?...`` may say), then ``store`` (the store itself); under
it are ``bucket`` (requests, with errors a person can read), ``client`` (the only place that imports
boto3), ``stream`` (reading), ``upload`` (writing) and ``listing``.

Credentials come from where every AWS tool looks for them and from nowhere else: environment
(``AWS_ACCESS_KEY_ID`` ...), ``~/.aws``, or the machine's role. They are in no address, message,
manifest or log line.
"""

from lusgan_core.store.s3.address import S3Address
from lusgan_core.store.s3.bucket import Bucket
from lusgan_core.store.s3.store import S3Store

__all__ = ["Bucket", "S3Address", "S3Store"]
