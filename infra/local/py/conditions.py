"""Gives the emulator the facts about a request that policy conditions ask for and that it does not fill in itself.

Under AUTH=true the emulator evaluates conditions, but knows no `dynamodb:LeadingKeys`, no `kms:` key and no
`s3:if-none-match`: the first would always hold, the others never. Here they are read from the request, as AWS
documents them, so that a function without the right to a family of rows or to a purpose is refused locally too.

It also notes which calls were judged, once each: one JSON object per line, with ids masked.
"""

import functools
import json
import re
import threading

ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
DIGEST = re.compile(r"[0-9a-f]{32,64}")


class Item(str):
    """Address of the table of one item of a transaction, with what its partition key is."""

    leading = ()


def install(calls):
    from ministack.core import iam_actions, iam_evaluator

    tags, transaction, s3 = (
        iam_actions.request_tag_context,
        iam_actions.dynamodb_transaction_checks,
        iam_actions.s3_service_context,
    )
    evaluate, enforce, parse = iam_evaluator.evaluate, iam_evaluator.enforce, iam_evaluator.parse_policy_document
    judged = threading.local()
    notes = Notes(calls)

    def context(service, action, body, params):
        found = dict(tags(service, action, body, params))
        if service == "dynamodb":
            found |= _leading(_partitions(action, _json(body)))
        elif service == "kms":
            found |= _kms(_json(body))
        return found

    def items(action, body, region, account):
        checks = transaction(action, body, region, account)
        if not checks:
            return checks
        details = [
            (member, detail)
            for entry in _json(body)["TransactItems"]
            for member, detail in _ordered(entry)
        ]
        assert len(details) == len(checks), "a transaction is read in another order than it is judged"
        return [(of, _item(arn, detail)) for (of, arn), (_, detail) in zip(checks, details)]

    def object_context(action, query, path="", headers=None):
        found = dict(s3(action, query, path, headers))
        if (headers or {}).get("if-none-match"):
            found["s3:if-none-match"] = headers["if-none-match"]
        return found

    def with_facts(ctx, *policies):
        if isinstance(ctx.resource_arn, Item):
            ctx.service_context |= {key.lower(): value for key, value in _leading(ctx.resource_arn.leading).items()}
        judged.ctx = ctx
        return evaluate(ctx, *policies)

    def judge(*args, **kwargs):
        judged.ctx = None
        denied = enforce(*args, **kwargs)
        if judged.ctx is not None:
            notes.take(judged.ctx, denied is None)
        return denied

    # A role's policies are parsed anew for every request otherwise, twice. Nobody changes what comes of it.
    of_text = functools.lru_cache(maxsize=1024)(parse)

    def parsed(document):
        return of_text(document) if isinstance(document, str) else parse(document)

    iam_evaluator.parse_policy_document = parsed
    iam_actions.request_tag_context = context
    iam_actions.dynamodb_transaction_checks = items
    iam_actions.s3_service_context = object_context
    iam_evaluator.evaluate = with_facts
    iam_evaluator.enforce = judge


class Notes:
    """Every different call, once."""

    def __init__(self, path):
        self.path, self.seen, self.lock = path, set(), threading.Lock()

    def take(self, ctx, allowed):
        if self.path is None:
            return
        context = ctx.service_context
        leading = context.get("dynamodb:leadingkeys") or [None]
        purpose, prefix = context.get("kms:encryptioncontext:purpose"), _folder(context.get("s3:prefix"))
        for key in leading:
            line = json.dumps({
                "role": ctx.principal_arn,
                "action": ctx.action,
                "resource": _resource(str(ctx.resource_arn)),
                "family": key and _masked(key),
                "purpose": purpose,
                "prefix": prefix,
                "allowed": allowed,
            }, sort_keys=True)
            with self.lock:
                if line in self.seen:
                    continue
                self.seen.add(line)
                with open(self.path, "a", encoding="utf-8") as file:
                    file.write(line + "\n")


def _masked(text):
    """Without ids, so that a million calls are a hundred lines."""
    return DIGEST.sub("*", ULID.sub("*", re.sub(r"^(key|login)#.*", r"\1#*", text)))


def _resource(arn):
    """Of an object the bucket and the first folder."""
    if not arn.startswith("arn:aws:s3:::"):
        return _masked(arn)
    bucket, _, key = arn.partition("/")
    return f"{bucket}/{_folder(key)}" if key else bucket


def _folder(key):
    return key and f"{key.split('/')[0]}/*"


def _json(body):
    try:
        found = json.loads(body or b"{}")
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _kms(body):
    found = {f"kms:EncryptionContext:{key}": value for key, value in (body.get("EncryptionContext") or {}).items()}
    found |= {f"kms:{key}": body[key] for key in ("SigningAlgorithm", "MessageType") if key in body}
    return found


def _leading(values):
    # ForAllValues holds for a request without the key, as on AWS: a Scan.
    return {"dynamodb:LeadingKeys": list(values)} if values else {}


def _partitions(action, body):
    """Partition keys that a request names (not of transactions)."""
    if action in ("dynamodb:BatchGetItem", "dynamodb:BatchWriteItem"):
        return [value for table, of in (body.get("RequestItems") or {}).items() for value in _batch(table, of)]
    return _of(body)


def _batch(table, requests):
    keys = requests.get("Keys", []) if isinstance(requests, dict) else requests
    for request in keys:
        put, delete = request.get("PutRequest"), request.get("DeleteRequest")
        item = put["Item"] if put else delete["Key"] if delete else request
        yield from _hash(table, item)


def _of(detail):
    table = detail.get("TableName", "")
    item = detail.get("Key") or detail.get("Item")
    if item:
        return _hash(table, item)
    names, values = detail.get("ExpressionAttributeNames") or {}, detail.get("ExpressionAttributeValues") or {}
    equal = re.match(r"\(?\s*([#\w.]+)\s*=\s*(:\w+)", detail.get("KeyConditionExpression") or "")
    if equal and names.get(equal[1], equal[1]) == _hash_name(table):
        return [_value(values.get(equal[2], {}))]
    return []


def _hash(table, item):
    name = _hash_name(table)
    return [_value(item[name])] if name in item else []


def _value(attribute):
    [value] = attribute.values() if attribute else [""]
    return str(value)


def _hash_name(table):
    from ministack.services import dynamodb

    found = dynamodb._tables.get(table.rsplit("/", 1)[-1])
    return found["pk_name"] if found else None


def _ordered(entry):
    for member in ("ConditionCheck", "Put", "Update", "Delete", "Get"):
        if isinstance(entry, dict) and isinstance(entry.get(member), dict) and entry[member].get("TableName"):
            yield member, entry[member]


def _item(arn, detail):
    item = Item(arn)
    item.leading = _of(detail)
    return item
