"""Deploys template.yaml into the emulator and prints the stack's outputs as one JSON object.

Progress goes to standard error, one line per step; an error is its last line.
"""

import argparse
import json
import os
import pathlib
import sys
import time
import zipfile

from stack import compare, dropped
from stack import template as source
from stack.cloud import REGION, Attributes, Cloud

# The largest template that is taken inside a request; a larger one goes through a bucket, as on AWS.
INLINE_LIMIT = 51_200


def main():
    options = _options()
    cloud = Cloud(options.endpoint, options.account)
    template = source.load(options.template)
    if options.auth:
        template = source.for_auth(template)
    if options.resources_only:
        template = source.without_functions(template)
    code = {} if options.resources_only else _upload(cloud, template, options)
    if code:
        template = source.with_code(template, code)
        template = source.with_values(template, dict(options.env))
    # No user pool: people sign in at an issuer that --env OIDC_ISSUER=... names, or not at all.
    parameters = {"DeployRoleArn": f"arn:aws:iam::{cloud.account}:root", "OidcIssuer": "none"}
    parameters |= dict(options.parameter)
    _step(f"creating stack {options.stack} of {len(template['Resources'])} resources")
    _create(cloud, template, parameters, options)
    ids, outputs = _describe(cloud, options.stack)
    kinds = {name: item["Type"] for name, item in template["Resources"].items()}
    attributes = Attributes(cloud, ids, kinds)
    resolve = source.Resolver(template, parameters, ids, attributes, cloud.account, REGION, options.stack)
    _step("applying the properties that the emulator drops")
    dropped.apply(cloud, template, ids, resolve)
    if not options.no_compare:
        _step("comparing the stack with the template")
        compare.compare(cloud, template, ids, resolve)
    print(json.dumps(outputs | _local_addresses(options.endpoint, outputs), sort_keys=True))


def _options():
    pair = lambda text: tuple(text.split("=", 1))  # noqa: E731
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--endpoint", required=True, help="address of the emulator")
    parser.add_argument("--template", required=True, type=pathlib.Path)
    parser.add_argument("--stack", default="counterfoil")
    parser.add_argument("--account", default="test", help="`test` or 12 digits")
    parser.add_argument("--function", action="append", default=[], type=pair, metavar="BINARY=BOOTSTRAP")
    parser.add_argument("--parameter", action="append", default=[], type=pair, metavar="NAME=VALUE")
    parser.add_argument("--env", action="append", default=[], type=pair, metavar="NAME=VALUE",
                        help="a value for the functions that have this variable")
    parser.add_argument("--resources-only", action="store_true", help="tables, buckets, keys and queues, no functions")
    parser.add_argument("--auth", action="store_true", help="for an emulator with AUTH=true")
    parser.add_argument("--no-compare", action="store_true")
    return parser.parse_args()


def _step(text):
    print(text, file=sys.stderr, flush=True)


def _bucket(cloud):
    # Bucket names are global in the emulator, as on AWS.
    name = f"counterfoil-deploy-{cloud.account}"
    if name not in {bucket["Name"] for bucket in cloud.s3.list_buckets()["Buckets"]}:
        cloud.s3.create_bucket(Bucket=name)
    return name


def _upload(cloud, template, options):
    """Uploads one zip per function; answers logical id to s3 address."""
    given = dict(options.function)
    wanted = source.binaries(template)
    if missing := sorted(set(wanted) - set(given)):
        raise SystemExit(f"no --function for {', '.join(missing)}")
    bucket = _bucket(cloud)
    code = {}
    for binary, logical in wanted.items():
        archive = _zip(pathlib.Path(given[binary]))
        _step(f"uploading {binary} ({archive.stat().st_size // 1024} KB)")
        cloud.s3.put_object(Bucket=bucket, Key=f"{binary}.zip", Body=archive.read_bytes())
        code[logical] = f"s3://{bucket}/{binary}.zip"
    return code


def _zip(bootstrap):
    """The zip beside a bootstrap, made again only if the bootstrap is newer."""
    archive = bootstrap.with_suffix(".zip")
    if not archive.exists() or archive.stat().st_mtime_ns < bootstrap.stat().st_mtime_ns:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o755 << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        draft = archive.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(draft, "w") as file:
            file.writestr(entry, bootstrap.read_bytes(), compresslevel=1)
        # Parallel deploys may do the same; each replaces the whole file.
        draft.replace(archive)
    return archive


def _create(cloud, template, parameters, options):
    body = json.dumps(template, separators=(",", ":"))
    if len(body) > INLINE_LIMIT:
        bucket = _bucket(cloud)
        cloud.s3.put_object(Bucket=bucket, Key="template.json", Body=body)
        place = {"TemplateURL": f"{options.endpoint}/{bucket}/template.json"}
    else:
        place = {"TemplateBody": body}
    cloud.cloudformation.create_stack(
        StackName=options.stack,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        **place,
    )
    deadline = time.monotonic() + 60
    while True:
        [stack] = cloud.cloudformation.describe_stacks(StackName=options.stack)["Stacks"]
        status = stack["StackStatus"]
        if status == "CREATE_COMPLETE":
            return
        if status != "CREATE_IN_PROGRESS" or time.monotonic() > deadline:
            raise SystemExit(f"stack {options.stack} ended as {status}: {_reason(cloud, options.stack)}")
        time.sleep(0.02)


def _reason(cloud, stack):
    events = cloud.cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    reasons = [f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason', '')}" for event in failed]
    return "; ".join(reasons) or "no reason given"


def _describe(cloud, stack):
    pages = cloud.cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack)
    ids = {item["LogicalResourceId"]: item["PhysicalResourceId"] for page in pages for item in page["StackResourceSummaries"]}
    [described] = cloud.cloudformation.describe_stacks(StackName=stack)["Stacks"]
    return ids, {item["OutputKey"]: item["OutputValue"] for item in described.get("Outputs", [])}


def _local_addresses(endpoint, outputs):
    """The outputs that name a host of AWS, with the emulator's address instead."""
    if "ApiId" not in outputs:
        return {}
    api = f"{endpoint}/_aws/execute-api/{outputs['ApiId']}"
    return {"ApiUrl": api, "StripeWebhookUrl": f"{api}/webhooks/stripe/"}


if __name__ == "__main__":
    try:
        main()
    except compare.Difference as difference:
        sys.exit(f"the deployed stack differs from the template: {difference}")
