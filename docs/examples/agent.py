#!/usr/bin/env python3
"""An agent that refunds and writes mails, each step judged before it is done.

Python's standard library only. Run it against a deployment:

    COUNTERFOIL_URL=https://api.example.com COUNTERFOIL_KEY=cfk_test_... python3 agent.py

It prints one line of JSON for each step. docs/runs.md explains each call.
"""

import hashlib
import json
import os
import sys
import time
import urllib.error
import urllib.request
import uuid


class Refused(Exception):
    """The product answered with a problem; `code` says which (docs/problems.md)."""

    def __init__(self, status, problem):
        super().__init__(problem.get("title", status))
        self.status = status
        self.code = problem.get("code")


class Counterfoil:
    """The few calls that an agent needs."""

    def __init__(self, url, key):
        self.url = url.rstrip("/")
        self.key = key

    def call(self, method, path, body=None):
        # The same key again is the same request again: after a lost answer, nothing is done twice.
        headers = {"Authorization": "Bearer " + self.key, "Idempotency-Key": str(uuid.uuid4())}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        for attempt in range(5):
            request = urllib.request.Request(self.url + path, data, headers, method=method)
            try:
                with urllib.request.urlopen(request, timeout=40) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                problem = problem_of(error)
                if problem.get("code") == "already-created":
                    # It was done and its answer is lost: the record says what came of it.
                    return self.call("GET", where(problem["resource_id"]))
                again = error.code in (429, 500, 502, 503, 504)
                again = again or problem.get("code") == "idempotency-in-flight"
                if not again or attempt == 4:
                    raise Refused(error.code, problem) from None
            except OSError:
                if attempt == 4:
                    raise
            time.sleep(2**attempt)

    def open(self, flow, version, inputs=()):
        body = {"flow": {"id": flow, "version_sha256": version, "kind": "governed"}}
        return self.call("POST", "/v1/runs", {**body, "inputs": list(inputs)})

    def propose(self, run, kind, seq, reason=None, **params):
        body = {"type": "run.action", "params": {"kind": kind, **params}, "seq": seq}
        if reason:
            body["reason"] = reason
        said = self.call("POST", f"/v1/runs/{run}/actions", body)
        return said if "action" in said else {"action": said, "decision": {}}

    def decided(self, action):
        """Waits until people have decided, or the time to do so is over."""
        while action["state"] == "held":
            action = self.call("GET", f"/v1/actions/{action['id']}?wait=20")
        return action

    def report(self, action, status, output=None, error=None):
        body = {"status": status, "action_digest": action["action_digest"]}
        if output:
            body["output"] = output
        if error:
            body["error"] = error
        return self.call("POST", f"/v1/actions/{action['id']}/result", body)

    def complete(self, run, output):
        return self.call("POST", f"/v1/runs/{run}/complete", {"output": output})


def problem_of(error):
    """What a refusal says; nothing where something else than the product has answered."""
    try:
        return json.load(error)
    except ValueError:
        return {}


def where(record):
    """Where a run or an action is read."""
    return ("/v1/runs/" if record.startswith("run_") else "/v1/actions/") + record


def reference(name, contents):
    """Where something is and what it is: its contents stay here."""
    return {"ref": name, "sha256": sha256(contents), "bytes": len(contents)}


def sha256(contents):
    return "sha256:" + hashlib.sha256(contents).hexdigest()


def step(**said):
    print(json.dumps(said), flush=True)


def main():
    api = Counterfoil(os.environ["COUNTERFOIL_URL"], os.environ["COUNTERFOIL_KEY"])
    with open(__file__, "rb") as program:
        version = sha256(program.read())
    batch = b'{"refunds":[{"invoice":"invoice-1042","minor":2900}]}'
    run = api.open("refunds", version, [reference("memory:batch", batch)])
    step(run=run["id"], state=run["state"])

    todo = [
        ("mail.send", {"target": "ticket-77"}),
        ("refund.create", {"target": "invoice-1042", "amount": {"minor": 2900, "currency": "usd"}}),
    ]
    done = []
    for seq, (kind, params) in enumerate(todo):
        judged = api.propose(run["id"], kind, seq, "ticket 77: charged twice", **params)
        decision, action = judged["decision"], judged["action"]
        step(act=action["id"], kind=kind, effect=decision.get("effect"), rule=decision.get("rule"))
        action = api.decided(action)
        if action["state"] not in ("allowed", "approved"):
            step(act=action["id"], state=action["state"])
            continue
        # Here the agent does it. What it did is told by reference and digest.
        receipt = json.dumps({"done": kind, **params}).encode()
        action = api.report(action, "executed", reference(f"memory:{action['id']}", receipt))
        step(act=action["id"], state=action["state"])
        done.append(action["id"])

    summary = json.dumps(done).encode()
    run = api.complete(run["id"], reference("memory:summary", summary))
    step(run=run["id"], state=run["state"], decisions=run["counts"]["decisions"])


if __name__ == "__main__":
    try:
        main()
    except Refused as refused:
        sys.exit(f"{refused.status} {refused.code}: {refused}")
