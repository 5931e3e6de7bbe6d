"""Addresses in S3, and what is said of a server's answers; no server needed."""

from __future__ import annotations

import contextlib

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from lusgan_core.errors import ConfigError, MissingArtifactError, StoreError, UnknownNameError
from lusgan_core.store.s3 import S3Address
from lusgan_core.store.s3.errors import ADVICE, explain


def test_an_address_in_full() -> None:
    """Bucket, prefix and every option are read; slashes at the ends do not matter."""
    text = "s3://my-bucket/a/b/?sse=aws:kms&kms_key_id=k-1&path_style=true&endpoint=https://h:1"
    address = S3Address.parse(text + "&profile=lab")
    assert address.model_dump() == {
        "bucket": "my-bucket", "prefix": "a/b", "profile": "lab", "endpoint": "https://h:1",
        "path_style": True, "sse": "aws:kms", "kms_key_id": "k-1",
    }  # fmt: skip
    assert (address.name("x/y"), address.place) == ("a/b/x/y", "s3://my-bucket/a/b")
    whole = S3Address.parse("s3://my-bucket")
    assert (whole.name("x"), whole.name(""), whole.place) == ("x", "", "s3://my-bucket")
    assert whole.encryption == {}
    assert address.encryption == {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "k-1"}


@pytest.mark.parametrize(
    "text",
    [
        "s3://", "s3:///prefix", "s3://b", "s3://a bucket/x", "s3://bucket/a//b", "s3://bucket/../x",
        "s3://key:s3cret@bucket/x", "s3://host:9000/bucket", "s3://bucket/x?sse=s3cret",
        "s3://bucket/x?kms_key_id=s3cret", "s3://bucket/x?endpoint=http://me:s3cret@host",
        "s3://bucket/x?endpoint=s3cret", "s3://bucket/x?path_style=s3cret",
        "s3://bucket/x?secret_key=s3cret",
    ],
)  # fmt: skip
def test_bad_addresses_are_refused_without_repeating_values(text: str) -> None:
    """Whatever is wrong is one line of a ConfigError that holds no value: it may be a secret."""
    with pytest.raises(ConfigError) as caught:
        S3Address.parse(text)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_option_names_the_choices() -> None:
    """A misspelled option is told with the right one."""
    with pytest.raises(UnknownNameError, match="did you mean 'path_style'"):
        S3Address.parse("s3://bucket/x?pathstyle=true")


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    """Nothing but ConfigError comes out of parsing."""
    with contextlib.suppress(ConfigError):
        S3Address.parse("s3://" + text)


@pytest.mark.parametrize("code", [*ADVICE, "AccessDenied", "Weird", "503", ""])
@pytest.mark.parametrize("doing", ["read", "written", "listed", "deleted"])
def test_every_answer_is_one_clear_line(code: str, doing: str) -> None:
    """Each code becomes a StoreError of one line, without the server's words or the request's."""
    status = int(code) if code.isdigit() else 403 if code == "AccessDenied" else 400
    answer = {
        "Error": {"Code": code, "Message": "s3cret\nwords", "AWSAccessKeyId": "s3cret"},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": {}},
    }
    with pytest.raises(StoreError) as caught:
        explain(ClientError(answer, "Operation"), doing, "the file", "s3://b")  # type: ignore[arg-type]
    text = str(caught.value)
    assert text.startswith(f"the file in s3://b cannot be {doing}: ")
    assert "\n" not in text
    assert "s3cret" not in text
    assert "{" not in text
    assert caught.value.errno is not None
    assert caught.value.__cause__ is None


def test_a_region_is_named_where_the_server_tells_it() -> None:
    """A redirect to another region names the region to set."""
    answer = {
        "Error": {"Code": "PermanentRedirect"},
        "ResponseMetadata": {"HTTPStatusCode": 301, "HTTPHeaders": {"x-amz-bucket-region": "eu-1"}},
    }
    with pytest.raises(StoreError, match=r"another region \(eu-1\): set AWS_REGION"):
        explain(ClientError(answer, "ListObjectsV2"), "listed", "the store", "s3://b")


def test_a_missing_object_is_missing() -> None:
    """A 404 on reading is a MissingArtifactError; on listing it is not."""
    answer = {"Error": {"Code": "404"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
    error = ClientError(answer, "HeadObject")
    with pytest.raises(MissingArtifactError, match="k is not, or no longer, in s3://b"):
        explain(error, "read", "k", "s3://b")
    with pytest.raises(StoreError) as caught:
        explain(error, "listed", "the store", "s3://b")
    assert not isinstance(caught.value, MissingArtifactError)
