"""What client libraries raise, as the errors that a person is told."""

import pytest
from mlflow.exceptions import MlflowException

from jobs.errors import UsageError
from jobs.services import as_job_error

CERTIFICATES = [
    MlflowException("… Max retries exceeded … (Caused by SSLError(… CERTIFICATE_VERIFY_FAILED …))"),
    OSError("Generic S3 error\n error sending request\n invalid peer certificate\n UnknownIssuer"),
]


@pytest.mark.parametrize("error", CERTIFICATES, ids=["MLflow", "the store"])
def test_a_certificate_that_is_not_trusted_is_told_from_a_service_that_is_away(error):
    told = as_job_error(error)
    assert isinstance(told, UsageError)
    assert "REQUESTS_CA_BUNDLE, AWS_CA_BUNDLE and SSL_CERT_FILE" in str(told)
