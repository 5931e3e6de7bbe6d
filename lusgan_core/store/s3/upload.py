"""Writes an object, so that it is there whole or not at all, and says truly who wrote it.

Each write carries the sha256 of its content, which the server checks on arrival where it can and
readers check again, and a random number. By that number a writer whose answer was lost on the way
recognises its own object: without it, repeating a conditional write that had succeeded would look
like another writer's success.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import mimetypes
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from lusgan_core.errors import AlreadyExistsError
from lusgan_core.store.base import shown
from lusgan_core.store.s3.bucket import Bucket
from lusgan_core.store.s3.errors import FAILURES, code_of, pause

PART_BYTES = 16 << 20
"""Larger files are sent in parts of at least this, unless the write is conditional."""
MAX_PARTS = 10_000
"""S3's own limit."""
THREADS = 4
"""Parts sent at a time; each is held in memory."""
TRIES = 5
NUMBER_LENGTH = 32
AGAIN = frozenset(
    {"ConditionalRequestConflict", "OperationAborted", "BadDigest", "IncompleteBody",
     "XAmzContentSHA256Mismatch"}
)  # fmt: skip
"""Error codes that botocore does not retry, though another attempt may succeed."""


def upload(bucket: Bucket, key: str, data: bytes | Path, if_absent: bool) -> None:
    """Write an object; it appears whole or not at all.

    Args:
        bucket: Where to write it.
        key: Key of the object below the address's prefix.
        data: The content, or a local file with the content.
        if_absent: Whether to write only if the key is free; a file is then read into memory whole.

    Raises:
        AlreadyExistsError: The key is taken, and ``if_absent``.
        StoreError: The object cannot be written.
        OSError: The local file cannot be read.
    """
    write = uuid.uuid4().hex  # NUMBER_LENGTH digits
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    sha256 = _digest(data)
    created: dict[str, Any] = {
        "Metadata": {"sha256": sha256.hex(), "write": write},
        "ContentType": mimetypes.guess_type(key)[0] or "application/octet-stream",
        **bucket.address.encryption,
    }
    # in one request: some servers check and complete in two steps, and let several uploads win
    condition = {"IfNoneMatch": "*"} if if_absent else {}
    try:
        if isinstance(data, Path) and size > PART_BYTES and not if_absent:
            _in_parts(bucket, key, data, size, created)
        else:
            # whole in memory, not as a stream: it may have to be sent again
            body = data.read_bytes() if isinstance(data, Path) else data
            created |= {"Body": body, "ChecksumSHA256": _base64(sha256)}
            _try(bucket, "put_object", key, **created, **condition)
    except FAILURES as error:
        taken = code_of(error) in ("PreconditionFailed", "412")
        try:
            writer = _writer(bucket, key)
        except FAILURES as unknown:
            # it may have been deleted again by now; else nobody can tell what has happened
            bucket.fail(error if code_of(unknown) == "404" else unknown, "written", shown(key))
        if writer == write:
            return
        if taken and if_absent:
            raise AlreadyExistsError(
                f"{shown(key)} is already in the store {bucket.place}"
            ) from None
        bucket.fail(error, "written", shown(key))


def _writer(bucket: Bucket, key: str) -> str:
    """The number of the write that made the object; empty if it was made by something else."""
    for _ in range(TRIES):
        answer = bucket.whole(lambda: bucket.call("head_object", key), "ETag")
        number = str(answer.get("Metadata", {}).get("write", ""))
        if len(number) == NUMBER_LENGTH:  # else it may have been cut off: look again
            return number
    return ""


def _in_parts(
    bucket: Bucket,
    key: str,
    path: Path,
    size: int,
    created: dict[str, Any],
) -> None:
    """A multipart upload: the object appears when the last request succeeds."""
    step = max(PART_BYTES, -(-size // MAX_PARTS))
    started = bucket.whole(
        lambda: _try(bucket, "create_multipart_upload", key, ChecksumAlgorithm="SHA256", **created),
        "UploadId",
    )
    upload_id = started["UploadId"]

    def send(number: int) -> dict[str, Any]:
        with path.open("rb") as stream:
            stream.seek((number - 1) * step)
            body = stream.read(step)
        checksum = _base64(hashlib.sha256(body).digest())
        answer = bucket.whole(
            lambda: _try(
                bucket, "upload_part", key, UploadId=upload_id, PartNumber=number, Body=body,
                ChecksumSHA256=checksum,
            ),
            "ETag",
        )  # fmt: skip
        return {"PartNumber": number, "ETag": answer["ETag"], "ChecksumSHA256": checksum}

    pool = ThreadPoolExecutor(THREADS, thread_name_prefix="upload")
    try:
        parts = list(pool.map(send, range(1, -(-size // step) + 1)))
        _try(
            bucket, "complete_multipart_upload", key, UploadId=upload_id,
            MultipartUpload={"Parts": parts},
        )  # fmt: skip
    except BaseException:
        pool.shutdown(cancel_futures=True)
        with contextlib.suppress(*FAILURES):  # best effort: unfinished parts are never visible
            bucket.call("abort_multipart_upload", key, UploadId=upload_id)
        raise
    finally:
        pool.shutdown()


def _try(bucket: Bucket, operation: str, key: str, **arguments: Any) -> Any:
    """Make a request, and repeat it on errors that may pass; raises what botocore raises."""
    for tried in range(TRIES):
        try:
            return bucket.call(operation, key, **arguments)
        except ClientError as error:
            if code_of(error) not in AGAIN or tried == TRIES - 1:
                raise
            pause(tried)
    raise AssertionError("unreachable")


def _digest(data: bytes | Path) -> bytes:
    """sha256 of the content."""
    if isinstance(data, bytes):
        return hashlib.sha256(data).digest()
    with data.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()
