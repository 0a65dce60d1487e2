"""Requests signed as S3 asks for (AWS Signature Version 4), with nothing but the standard library.

A health check runs every few seconds, and loading boto3 costs fifty times what it asks.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

import hashlib
import hmac
import http.client
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

HEADERS = "host;x-amz-content-sha256;x-amz-date"


@dataclass(frozen=True)
class Signer:
    """A store's address and a key that it knows."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str = "us-east-1"

    def request(
        self, method: str, path: str, query: dict[str, str] | None = None, body: bytes = b""
    ) -> tuple[int, bytes]:
        """The answer's status and body; raises OSError when there is none within 4 seconds."""
        address = urlsplit(self.endpoint)
        kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
        connection = kind(address.netloc, timeout=4)
        named = urlencode(sorted((query or {}).items()), quote_via=quote, safe="")
        try:
            headers = self.headers(method, address.netloc, quote(path), named, body)
            connection.request(method, f"{quote(path)}?{named}" if named else quote(path), body, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def headers(self, method: str, host: str, path: str, query: str, body: bytes) -> dict[str, str]:
        """What to send along: when, the content's hash, and the signature over all of it."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        content = hashlib.sha256(body).hexdigest()
        signed = f"host:{host}\nx-amz-content-sha256:{content}\nx-amz-date:{now}\n"
        asked = f"{method}\n{path}\n{query}\n{signed}\n{HEADERS}\n{content}"
        scope = f"{now[:8]}/{self.region}/s3/aws4_request"
        to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(asked.encode()).hexdigest()}"
        key = f"AWS4{self.secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
        authorization = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, SignedHeaders={HEADERS}, Signature={signature}"
        )
        return {"x-amz-date": now, "x-amz-content-sha256": content, "Authorization": authorization}
