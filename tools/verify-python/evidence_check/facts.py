"""Section 6: the closed list of kinds, and the facts that each of them must have (step 10)."""

import re

from . import Fault
from .canonical import is_digest, is_hex64, is_uint

RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch
_TOPIC = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*").fullmatch


def _text(limit):
    return lambda value: type(value) is str and 1 <= len(value) <= limit


def _one_of(*words):
    return lambda value: type(value) is str and value in words


def _list_of(check, limit):
    return lambda value: type(value) is list and len(value) <= limit and all(map(check, value))


def _is_bool(value):
    return type(value) is bool


def _is_fileref(value):
    return (type(value) is dict and value.keys() == {"bytes", "hash", "ref"} and is_uint(value["bytes"])
            and is_digest(value["hash"]) and _text(512)(value["ref"]))


def _is_party(value):
    return (type(value) is dict and _text(64)(value.get("type")) and _text(128)(value.get("id")))


def _is_hold_target(value):
    if type(value) is not dict:
        return False
    if value.keys() == {"all"}:
        return value["all"] is True
    if value.keys() == {"run"}:
        return type(value["run"]) is str and RUN_ID(value["run"]) is not None
    return (value.keys() == {"from", "to"} and is_uint(value["from"]) and is_uint(value["to"])
            and value["from"] < value["to"])


def _is_cause(value):
    return (type(value) is dict and value.keys() == {"entry", "seq"} and is_hex64(value["entry"])
            and is_uint(value["seq"]))


_PARTIES = {"actor": _is_party, "target": _is_party}
_ACTION = {"decision": is_hex64, "action_hash": is_digest}
_LAYER = {"layer": _one_of("baseline", "workspace"), "bundle": is_digest}
_COUNTS = ("decisions", "allow", "require", "deny", "unresolved", "overrides")

# kind: (run: True it has one, False it has none, None either; required facts; optional facts)
KINDS = {
    "genesis": (False, {"descriptor": lambda value: type(value) is dict}, {}),
    "stream.close": (False, {"reason": _text(256)}, {"successor": is_hex64}),
    "key.rotate": (False, {"add": is_hex64, "retire": is_hex64,
                           "spki": lambda value: type(value) is str}, {}),
    "redact": (False, {"seq": is_uint, "part": _one_of("subject"), "entry": is_hex64,
                       "commit": is_hex64,
                       "reason": lambda value: type(value) is str and _REASON(value)}, {}),
    "hold.set": (False, {"hold": _text(64), "target": _is_hold_target}, {}),
    "hold.release": (False, {"hold": _text(64)}, {}),
    "export.issued": (False, {"from": is_uint, "to": is_uint}, {}),
    "policy.activated": (False, _LAYER, {"previous": is_digest}),
    "policy.revoked": (False, _LAYER, {}),
    "run.open": (True, {"flow": is_digest, "artifact": is_digest,
                        "policy_bundles": _list_of(is_digest, 16),
                        "inputs": _list_of(_is_fileref, 1024)},
                 {"cause": _is_cause, "prior_run": is_hex64}),
    "run.decision": (True, {"action": _text(64), "action_hash": is_digest,
                            "effect": _one_of("ALLOW", "REQUIRE", "DENY"), "policy": is_digest,
                            "baseline": is_digest, "rule": _text(256), "reason": _text(2048)},
                     {"approvals": lambda value: is_uint(value) and 1 <= value <= 9}),
    "run.resolution": (True, {"decision": is_hex64, "approver": _text(128),
                              "effect": _one_of("ALLOW", "DENY")}, {"override": _is_bool}),
    "run.action": (True, {**_ACTION, "status": _one_of("executed", "failed")}, {}),
    "run.close": (True, {**{name: is_uint for name in _COUNTS},
                         "outputs": _list_of(_is_fileref, 1024),
                         "status": _one_of("completed", "failed", "aborted", "expired")}, {}),
    "repair.started": (True, _ACTION, {}),
    "repair.executed": (True, _ACTION, {}),
    "repair.failed": (True, _ACTION, {}),
    "repair.verified": (True, {"repair": is_hex64, "result": _one_of("match", "mismatch")}, {}),
    "observation.recorded": (None, {
        "topic": lambda value: _text(64)(value) and _TOPIC(value),
        "result": _one_of("ok", "warning", "alarm"), "target": _is_party}, {"decision": is_hex64}),
}
for _kind in ("opened", "changed", "ignored", "resolved"):
    KINDS["incident." + _kind] = (None, _PARTIES, {})
for _kind in ("access.granted", "access.changed", "access.revoked", "config.changed", "secret.changed",
              "snapshot.pruned", "project.deleted", "workspace.deleted"):
    KINDS[_kind] = (False, _PARTIES, {})


def check(entry):
    """E_FACTS for a required field that is missing, or one that is ill-typed."""
    facts = entry.facts
    _, required, optional = KINDS[entry.kind]
    for name, right in required.items():
        if name not in facts or not right(facts[name]):
            raise Fault("E_FACTS", "%s: %s is missing or ill-typed", entry, name)
    for name, right in optional.items():
        if name in facts and not right(facts[name]):
            raise Fault("E_FACTS", "%s: %s is ill-typed", entry, name)
    if "actor" in facts and not _is_party(facts["actor"]):
        raise Fault("E_FACTS", "%s: actor is ill-typed", entry)
