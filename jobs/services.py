"""Telling a service that is away, or refuses us, from a fault of ours, by what its client library raises."""

from jobs.errors import JobError, ServiceAwayError, UsageError

_AWAY = (
    "Max retries exceeded",
    "Connection refused",
    "failed with exception",
    "TEMPORARILY_UNAVAILABLE",
    "error code 503",
    "error sending request",
    "Could not connect to the endpoint",
    "Connect timeout",
    "Read timeout",
    "too many 5",
)
_REFUSED = (
    "SignatureDoesNotMatch",
    "InvalidAccessKeyId",
    "AccessDenied",
    "NoSuchBucket",
    "403 Forbidden",
    "error code 401",
    "error code 403",
)
_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "invalid peer certificate")
_LIBRARIES = ("mlflow", "requests", "urllib3", "deltalake", "_internal", "botocore", "builtins")


def as_job_error(error: BaseException) -> JobError | None:
    """The JobError that this is or stands for; None for what nobody foresaw."""
    if isinstance(error, JobError):
        return error
    library = type(error).__module__.split(".")[0]
    text = str(error)
    if library not in _LIBRARIES:
        return None
    service = "MLflow" if library in ("mlflow", "requests", "urllib3") else "the lake's store"
    if any(sign in text for sign in _UNTRUSTED):
        return UsageError(
            f"{service} shows a certificate that this image does not trust: name your authority's file in"
            f" REQUESTS_CA_BUNDLE, AWS_CA_BUNDLE and SSL_CERT_FILE of the environment ({_first_line(text)})"
        )
    if any(sign in text for sign in _REFUSED):
        return UsageError(f"{service} refuses us; are its address and our secrets right? ({_first_line(text)})")
    if not any(sign in text for sign in _AWAY):
        return None
    return ServiceAwayError(f"{service} did not answer; is it up, and is its address right? ({_first_line(text)})")


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0][:300]
