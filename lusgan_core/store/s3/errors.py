"""Turns what botocore raises into one line that says what to do.

Texts are our own throughout: those of server and library may name the object, and with it a
patient, or parts of the request. They are logged at DEBUG.
"""

from __future__ import annotations

import errno
import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NoReturn

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from lusgan_core.errors import MissingArtifactError, StoreError

Doing = Literal["read", "written", "listed", "deleted"]

FAILURES = (boto.ClientError, boto.BotoCoreError, ResponseParserError)
"""What a request may raise."""
BROKEN = (boto.BotoCoreError, HTTPError, ConnectionError, TimeoutError)
"""What reading a body may raise; reading again may help."""

PAUSE_S = 0.06

PERMISSIONS: dict[Doing, str] = {
    "read": "s3:GetObject",
    "written": "s3:PutObject",
    "listed": "s3:ListBucket",
    "deleted": "s3:DeleteObject, and no lock on the object",
}
KEYS = "the access key is unknown there: check AWS_ACCESS_KEY_ID, or the profile"
TOKEN = "the session's token is not valid, or no longer: log in again and set AWS_SESSION_TOKEN"
CLOCK = "this machine's clock differs from the server's by too much: set it (NTP)"
REGION = "the bucket is in another region{region}: set AWS_REGION, or the profile's region"
BUSY = "the server is overloaded or failing: run the same command again later, what is done is kept"
NO_S3 = "what answers there does not speak S3: check AWS_ENDPOINT_URL_S3, or the profile's endpoint"
UNABLE = (
    "the server refuses what a store needs, conditional writes (If-None-Match) and checksums "
    "(x-amz-checksum-sha256): update it, or use another one"
)
FULL = "the storage is full or its quota used up: free some space and run the same command again"
LOCKED = "the object is locked (retention or legal hold): use another bucket or prefix"
CHANGED = "it was changed or replaced while being read: run the same command again"
KMS = "the encryption key cannot be used: check sse and kms_key_id in the address"
BROKE_OFF = "the connection broke off every time: check the network, run the same command again"

ADVICE = {
    "NoSuchBucket": "there is no such bucket: create it, or correct the address",
    "InvalidBucketName": "the bucket's name is not valid there: correct the address",
    "InvalidAccessKeyId": KEYS,
    "SignatureDoesNotMatch": (
        "the secret key does not fit the access key: check AWS_SECRET_ACCESS_KEY, or the profile"
    ),
    "ExpiredToken": TOKEN,
    "InvalidToken": TOKEN,
    "RequestTimeTooSkewed": CLOCK,
    "RequestExpired": CLOCK,
    "PermanentRedirect": REGION,
    "AuthorizationHeaderMalformed": REGION,
    "IllegalLocationConstraintException": REGION,
    "301": REGION,
    "SlowDown": BUSY,
    "ServiceUnavailable": BUSY,
    "InternalError": BUSY,
    "QuotaExceeded": FULL,
    "InsufficientStorage": FULL,
    "XMinioStorageFull": FULL,
    "ObjectLocked": LOCKED,
    "PreconditionFailed": CHANGED,
    "412": CHANGED,
    "InvalidRange": CHANGED,
    "416": CHANGED,
    "NotImplemented": UNABLE,
    "BadDigest": "what arrived differs from what was sent, every time: check network and memory",
    "KMS.NotFoundException": KMS,
    "KMS.DisabledException": KMS,
    "KMS.AccessDeniedException": KMS,
    "KeyTooLongError": "its name is too long for S3 (1,024 bytes): use a shorter prefix",
}


@contextmanager
def request(doing: Doing, what: str, place: str) -> Iterator[None]:
    """Turn whatever botocore raises within the block into a StoreError; see ``explain``.

    Args:
        doing: What is attempted, as a participle.
        what: What messages call the object; must not name a patient.
        place: Bucket, prefix and endpoint, as messages give them.
    """
    try:
        yield
    except FAILURES as error:
        explain(error, doing, what, place)


def explain(error: Exception, doing: Doing, what: str, place: str) -> NoReturn:
    """Raise the StoreError for an error of botocore, with ``errno`` set.

    ``errno`` lets the error pass through libraries that only hand on an OSError (h5py). The cause
    is left out on purpose, since its text may name the object.

    Args:
        error: What botocore raised.
        doing: What was attempted, as a participle.
        what: What the message calls the object; must not name a patient.
        place: Bucket, prefix and endpoint, as the message gives them.

    Raises:
        MissingArtifactError: The object to read does not exist.
        StoreError: In all other cases.
    """
    logging.getLogger(__name__).debug("%s cannot be %s", what, doing, exc_info=error)
    code = code_of(error)
    if code in ("NoSuchKey", "404") and doing == "read":
        gone = MissingArtifactError(
            f"{what} is not, or no longer, in {place}: if it was deleted meanwhile, "
            "run the same command again"
        )
        gone.errno = errno.ENOENT
        raise gone from None
    raise failure(f"{what} in {place} cannot be {doing}: {reason(error, doing)}") from None


def pause(tried: int) -> None:
    """Wait before another attempt: a random time, longer with each attempt, at most two seconds."""
    time.sleep(PAUSE_S * 2 ** min(tried, 5) * random.random())


def failure(text: str) -> StoreError:
    """A StoreError that counts as an input/output error."""
    error = StoreError(text)
    error.errno = errno.EIO
    return error


def code_of(error: Exception) -> str:
    """The error code in a server's answer, else empty; without a body it is the HTTP status."""
    response = error.response if isinstance(error, boto.ClientError) else {}
    return str(response.get("Error", {}).get("Code", ""))


def reason(error: Exception, doing: Doing = "read") -> str:
    """Describe why a request failed and what to do, in one line without names or secrets.

    Args:
        error: What botocore raised.
        doing: What was attempted, as a participle; decides which permission is named.

    Returns:
        The text, without a full stop.
    """
    if isinstance(error, boto.ClientError):
        return _answer(error, doing)
    if isinstance(error, boto.ProfileNotFound):
        return "there is no such profile in ~/.aws: check profile= in the address, or AWS_PROFILE"
    if isinstance(
        error,
        boto.NoCredentialsError | boto.PartialCredentialsError | boto.CredentialRetrievalError
        | boto.TokenRetrievalError | boto.SSOError,
    ):  # fmt: skip
        return (
            "there are no (complete) credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "or AWS_PROFILE"
        )
    if isinstance(error, boto.SSLError):
        return (
            "no secure connection: check that the endpoint speaks https, and set AWS_CA_BUNDLE "
            "where its certificate is your own"
        )
    if isinstance(
        error, boto.EndpointConnectionError | boto.ConnectTimeoutError | boto.ProxyConnectionError
    ):
        return "nothing answers there: check AWS_ENDPOINT_URL_S3, the network and any proxy"
    if isinstance(error, BROKEN) and isinstance(error, boto.HTTPClientError | HTTPError | OSError):
        return BROKE_OFF
    if isinstance(error, boto.IncompleteReadError):
        return BROKE_OFF
    if isinstance(error, ResponseParserError):
        return NO_S3
    if isinstance(error, ValueError):  # botocore's way to refuse an endpoint's address
        return "the endpoint's address is not valid: check AWS_ENDPOINT_URL_S3 (https://host:port)"
    return f"{type(error).__name__}: check the AWS_* variables and ~/.aws/config"


def _answer(error: boto.ClientError, doing: Doing) -> str:
    """Describe an error that the server has answered with."""
    code = code_of(error)
    metadata = error.response.get("ResponseMetadata", {})
    status = metadata.get("HTTPStatusCode", 0)
    if code in ADVICE:
        headers = metadata.get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region") or error.response["Error"].get("Region")
        return ADVICE[code].format(region=f" ({region})" if region else "")
    if status == 403:
        return f"these credentials do not allow it: ask for the permission {PERMISSIONS[doing]}"
    if doing == "listed" and code in ("", str(status)):  # a listing is never answered without one
        return NO_S3
    if doing == "written" and status in (400, 501):
        return f"{UNABLE} (HTTP {status}{', ' * bool(code)}{code})"
    if status >= 500:
        return BUSY
    return f"the server answered {code or 'nothing more'} (HTTP {status})"
