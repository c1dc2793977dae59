"""What a request must know that no schema can say: records that exist, their versions, a key that is new.

Only requests that keep the document are touched, and only where they hold an example or a made-up value.
"""

import itertools
import json
import os
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import requests
import schemathesis

RECORDS = json.loads(os.environ["CONFORMANCE_RECORDS"])
CREDENTIAL = Path(os.environ["CONFORMANCE_CREDENTIAL"])
TENANTS = {"workspace_id": "workspaces", "project_id": "projects"}
NUMBERS = itertools.count()
MAPPING = {
    "match": {
        "table": "public.app_users",
        "primary_key": "id",
        "keys": [{"stripe": "customer.id", "column": "stripe_customer_id"}],
    },
    "access": {"plan": {"column": "plan"}},
    "plans": [{"name": "pro", "rank": 1, "match": {"price": ["price_pro"]}}],
}


def authorization():
    """Read for every request: people sign in again meanwhile."""
    return "Bearer " + CREDENTIAL.read_text()


@schemathesis.auth(refresh_interval=None)
class SignedIn:
    def get(self, case, context):
        return authorization()

    def set(self, case, data, context):
        case.headers["Authorization"] = data


def family(path, name):
    """`/v1/incidents/{id}/ignore` is about one of the incidents."""
    # Of those no export is asked for, and an answer that leads elsewhere would be followed.
    if path in ("/v1/runs/{id}/actions", "/v1/runs/{id}/complete", "/v1/runs/{id}/evidence"):
        return "governed runs"
    if path == "/v1/actions/{id}/result":
        return "actions of runs"
    parts = path.split("/")
    return parts[parts.index("{%s}" % name) - 1]


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    number = next(NUMBERS)
    for name in case.path_parameters or {}:
        known = RECORDS.get(TENANTS.get(name) or family(case.path, name))
        # Every fourth keeps what was made up: mostly something that does not exist.
        if known and (name in TENANTS or number % 4):
            case.path_parameters[name] = known
    if case.operation.definition.raw["operationId"] == "disconnect":
        # Without the others nothing can be checked.
        case.path_parameters["kind"] = "webhook"
    # Only an answer can give a cursor.
    (case.query or {}).pop("cursor", None)
    case.headers = headers = case.headers or {}
    # Whoever reaches several projects names one; where the path does, it says the same.
    headers["Counterfoil-Project"] = RECORDS["projects"]
    if "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = f"conformance-{os.getpid()}-{number}"
    if "If-Match" in headers:
        headers["If-Match"] = etag(case) or headers["If-Match"]
    if isinstance(case.body, dict) and number % 4:
        complete(case.operation.definition.raw["operationId"], case.body, number)


def complete(operation, body, number):
    """Rules between fields, and fields that are about now."""
    if operation == "ignoreIncident":
        until = datetime.now(timezone.utc) + timedelta(days=1)
        body["until"] = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    elif operation == "createExport":
        body.clear()
        body["run_id"] = RECORDS["runs"]
    elif operation == "changeProject":
        # Whoever stops the project has nothing left to look at.
        body.pop("frozen", None)
        body.pop("reason", None)
    elif operation == "askForCheck":
        body["project"] = RECORDS["projects"]
    elif operation == "openRun":
        body["artifact_sha256"] = "sha256:" + "a" * 64
    elif operation in ("proposeAction", "previewDecision"):
        if operation == "proposeAction":
            # What a repair is of, and what goes with it, is in the tests of runs.
            body["type"] = "run.action"
            body.pop("resource", None)
            body.pop("execute_on_approval", None)
            body["params"] = body.get("params") or {"kind": "mail.send"}
        # Only some codes are currencies; only the run knows its next number.
        body["params"].pop("amount", None)
        body.pop("seq", None)
    elif operation == "reportAction":
        body.pop("error", None)
    elif operation == "addMapping":
        body["format"] = "json"
        body["text"] = json.dumps(MAPPING)


def etag(case):
    """The version of the record that a request is about."""
    # Mappings and connections have the version of their project.
    record = re.sub("/(mappings|connections)/.*|/(approvals|confirm)$", "", case.formatted_path)
    headers = {"Authorization": authorization(), "Counterfoil-Project": RECORDS["projects"]}
    url = case.operation.base_url.rstrip("/") + record
    return requests.get(url, headers=headers, timeout=30).headers.get("ETag")
