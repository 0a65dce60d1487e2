"""Exit 0 when MLflow answers a question about experiments under the name that jobs call it by.

/health says 200 with the database down and to a host that the server refuses, so it proves nothing.
"""

import base64
import os
import sys
import urllib.error
import urllib.request

headers = {"Host": os.environ["SLIPWAY_MLFLOW_HOST"], "Content-Type": "application/json"}
if password := os.environ.get("MLFLOW_ADMIN_PASSWORD"):
    headers["Authorization"] = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()
request = urllib.request.Request(
    "http://127.0.0.1:5000/api/2.0/mlflow/experiments/search", data=b'{"max_results": 1}', headers=headers
)
try:
    urllib.request.urlopen(request, timeout=4).close()  # noqa: S310 - a fixed http address
except (urllib.error.URLError, TimeoutError) as refused:
    sys.exit(f"MLflow does not answer as {os.environ['SLIPWAY_MLFLOW_HOST']}: {refused}")
