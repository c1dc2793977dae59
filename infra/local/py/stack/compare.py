"""Reads every property of a deployed stack back and compares it with the template.

A difference is an error that names resource and property, so a later emulator that newly drops something is noticed.
A property that no reader below returns is an error too, unless it is listed in EXEMPT with the reason.
"""

import json

from . import template as source

# What cannot be read back here, and why.
EXEMPT = {
    ("AWS::KMS::Key", "PendingWindowInDays"): "speaks about the deletion of the key",
    ("AWS::Serverless::HttpApi", "FailOnWarnings"): "speaks about the import of the routes",
    ("AWS::Serverless::HttpApi", "Description"): "SAM writes it into the OpenAPI body, which the emulator ignores",
    ("AWS::Serverless::Function", "Architectures"): "the emulator runs the host's",
    ("AWS::Serverless::Function", "CodeUri"): "is the uploaded zip",
}


class Difference(Exception):
    """The deployed stack is not what the template says."""


def compare(cloud, template, ids, resolve):
    found = []
    for name, resource in template["Resources"].items():
        kind = resource["Type"]
        if not resolve.exists(resource):
            if name in ids:
                found.append(f"{name}: its condition does not hold, and it is there")
            continue
        if kind not in READERS:
            raise Difference(f"{name}: nothing here reads {kind} back; add a reader to infra/local/py/stack/compare.py")
        wanted = resolve(_with_globals(template, kind, resource.get("Properties", {})))
        actual = READERS[kind](cloud, ids[name], wanted)
        for key, value in wanted.items():
            if (kind, key) in EXEMPT:
                continue
            if key not in actual:
                found.append(f"{name}.{key}: nothing reads it back")
            elif _plain(actual[key]) != _plain(value):
                found.append(f"{name}.{key}: template {_show(value)}, deployed {_show(actual[key])}")
    if found:
        raise Difference("; ".join(found))


def _with_globals(template, kind, properties):
    if kind != source.FUNCTION:
        return properties
    merged = template["Globals"]["Function"] | properties
    variables = {}
    for part in (template["Globals"]["Function"], properties):
        variables |= part.get("Environment", {}).get("Variables", {})
    return merged | {"Environment": {"Variables": variables}}


def _plain(value):
    """One spelling per value: numbers as text, single items as lists of one, unordered lists sorted."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted((_plain(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value)


def _show(value):
    return json.dumps(value, sort_keys=True, default=str)


def _document(text):
    return json.loads(text) if isinstance(text, str) else text


def _table(cloud, name, wanted):
    db = cloud.dynamodb
    table = db.describe_table(TableName=name)["Table"]
    recovery = db.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
    state = recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
    lifetime = db.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
    actual = {
        "BillingMode": table["BillingModeSummary"]["BillingMode"],
        "DeletionProtectionEnabled": table["DeletionProtectionEnabled"],
        "AttributeDefinitions": table["AttributeDefinitions"],
        "KeySchema": table["KeySchema"],
        "GlobalSecondaryIndexes": [
            {key: index[key] for key in ("IndexName", "KeySchema", "Projection")}
            for index in table.get("GlobalSecondaryIndexes", [])
        ],
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": state == "ENABLED"},
        "SSESpecification": {"SSEEnabled": table.get("SSEDescription", {}).get("Status") == "ENABLED"},
        "TimeToLiveSpecification": {
            "AttributeName": lifetime.get("AttributeName"),
            "Enabled": lifetime["TimeToLiveStatus"] == "ENABLED",
        },
    }
    if stream := table.get("StreamSpecification"):
        actual["StreamSpecification"] = {"StreamViewType": stream["StreamViewType"]}
    if "ResourcePolicy" in wanted:
        policy = db.get_resource_policy(ResourceArn=table["TableArn"])["Policy"]
        actual["ResourcePolicy"] = {"PolicyDocument": _document(policy)}
    return actual


def _bucket(cloud, name, wanted):
    s3 = cloud.s3
    rules = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
    asked = {key for rule in wanted["BucketEncryption"]["ServerSideEncryptionConfiguration"] for key in rule}
    actual = {
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": rule["ApplyServerSideEncryptionByDefault"]}
                | {key: rule.get(key) for key in asked & {"BucketKeyEnabled"}}
                for rule in rules
            ]
        },
        "VersioningConfiguration": {"Status": s3.get_bucket_versioning(Bucket=name).get("Status")},
        "OwnershipControls": s3.get_bucket_ownership_controls(Bucket=name)["OwnershipControls"],
        "PublicAccessBlockConfiguration": s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"],
    }
    if "ObjectLockConfiguration" in wanted:
        lock = s3.get_object_lock_configuration(Bucket=name)["ObjectLockConfiguration"]
        actual |= {"ObjectLockConfiguration": lock, "ObjectLockEnabled": lock["ObjectLockEnabled"] == "Enabled"}
    if "LifecycleConfiguration" in wanted:
        rules = s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]
        actual["LifecycleConfiguration"] = {"Rules": [_lifecycle_rule(rule) for rule in rules]}
    return actual


def _lifecycle_rule(wire):
    rule = {"Id": wire["ID"], "Status": wire["Status"]}
    if prefix := wire.get("Filter", {}).get("Prefix"):
        rule["Prefix"] = prefix
    if "Expiration" in wire:
        rule["ExpirationInDays"] = wire["Expiration"]["Days"]
    if "AbortIncompleteMultipartUpload" in wire:
        rule["AbortIncompleteMultipartUpload"] = wire["AbortIncompleteMultipartUpload"]
    return rule


def _bucket_policy(cloud, _, wanted):
    policy = cloud.s3.get_bucket_policy(Bucket=wanted["Bucket"])["Policy"]
    return {"Bucket": wanted["Bucket"], "PolicyDocument": _document(policy)}


def _queue(cloud, url, _):
    actual = cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return actual | {"RedrivePolicy": _document(actual.get("RedrivePolicy", "{}"))}


def _queue_policy(cloud, _, wanted):
    documents = [
        _document(cloud.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"])
        for url in wanted["Queues"]
    ]
    same = all(document == documents[0] for document in documents)
    return {"Queues": wanted["Queues"], "PolicyDocument": documents[0] if same else documents}


def _key(cloud, name, wanted):
    key = cloud.kms.describe_key(KeyId=name)["KeyMetadata"]
    actual = {name: key.get(name) for name in ("Description", "KeySpec", "KeyUsage")}
    actual["KeyPolicy"] = _document(cloud.kms.get_key_policy(KeyId=name, PolicyName="default")["Policy"])
    if "EnableKeyRotation" in wanted:
        actual["EnableKeyRotation"] = cloud.kms.get_key_rotation_status(KeyId=name)["KeyRotationEnabled"]
    return actual


def _alias(cloud, _, wanted):
    aliases = cloud.kms.list_aliases(KeyId=wanted["TargetKeyId"])["Aliases"]
    return {"AliasName": [item["AliasName"] for item in aliases], "TargetKeyId": wanted["TargetKeyId"]}


def _role(cloud, name, wanted):
    role = cloud.iam.get_role(RoleName=name)["Role"]
    actual = {"AssumeRolePolicyDocument": _document(role["AssumeRolePolicyDocument"])}
    if "Policies" in wanted:
        actual["Policies"] = [
            {"PolicyName": item["PolicyName"], "PolicyDocument": _role_policy(cloud, name, item["PolicyName"])}
            for item in wanted["Policies"]
        ]
    return actual


def _role_policy(cloud, role, name):
    return _document(cloud.iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])


def _policy(cloud, _, wanted):
    documents = [_role_policy(cloud, role, wanted["PolicyName"]) for role in wanted["Roles"]]
    return wanted | {"PolicyDocument": documents}


def _log_group(cloud, name, _):
    groups = cloud.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    group = next(item for item in groups if item["logGroupName"] == name)
    return {"LogGroupName": name, "RetentionInDays": group.get("retentionInDays")}


def _metric_filter(cloud, name, wanted):
    group = wanted["LogGroupName"]
    filters = cloud.logs.describe_metric_filters(logGroupName=group)["metricFilters"]
    found = next(item for item in filters if item["filterName"] == name)
    transformations = [{key[0].upper() + key[1:]: value for key, value in item.items()} for item in found["metricTransformations"]]
    return {"LogGroupName": group, "FilterPattern": found["filterPattern"], "MetricTransformations": transformations}


def _api(cloud, name, _):
    stage = cloud.apigatewayv2.get_stage(ApiId=name, StageName="$default")
    return {
        "DefaultRouteSettings": stage.get("DefaultRouteSettings"),
        "AccessLogSettings": stage.get("AccessLogSettings"),
    }


def _alarm(cloud, name, wanted):
    [alarm] = cloud.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return {key: alarm.get(key) for key in wanted}


def _function(cloud, name, wanted):
    actual = cloud.lambda_.get_function_configuration(FunctionName=name)
    logging = actual.get("LoggingConfig", {})
    return {
        "Runtime": actual["Runtime"],
        "Handler": actual["Handler"],
        "Description": actual["Description"],
        "Role": actual["Role"],
        "Timeout": actual["Timeout"],
        "MemorySize": actual["MemorySize"],
        "EphemeralStorage": actual.get("EphemeralStorage", {"Size": 512}),
        "Tracing": actual["TracingConfig"]["Mode"],
        "LoggingConfig": {key: logging.get(key) for key in wanted["LoggingConfig"]},
        "Environment": {"Variables": actual.get("Environment", {}).get("Variables", {})},
        "Events": _events(cloud, name, wanted["Events"]),
    }


def _events(cloud, function, wanted):
    mappings = cloud.lambda_.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    actual = {}
    for name, event in wanted.items():
        asked = event["Properties"]
        match event["Type"]:
            case "HttpApi":
                actual[name] = {"Type": "HttpApi", "Properties": _route(cloud, function, asked)}
            case "ScheduleV2":
                actual[name] = {"Type": "ScheduleV2", "Properties": _schedule(cloud, function, name, asked)}
            case "SQS" | "DynamoDB" as kind:
                source_key = {"SQS": "Queue", "DynamoDB": "Stream"}[kind]
                mapping = next(item for item in mappings if item["EventSourceArn"] == asked[source_key])
                values = {key: mapping.get(key) for key in asked if key != source_key}
                actual[name] = {"Type": kind, "Properties": {source_key: mapping["EventSourceArn"]} | values}
    return actual


def _route(cloud, function, asked):
    api = asked["ApiId"]
    for route in cloud.apigatewayv2.get_routes(ApiId=api)["Items"]:
        if route["RouteKey"] == f"{asked['Method']} {asked['Path']}":
            name = route["Target"].removeprefix("integrations/")
            end = cloud.apigatewayv2.get_integration(ApiId=api, IntegrationId=name)
            if end["IntegrationUri"].endswith(f":{function}"):
                return asked | {"PayloadFormatVersion": end["PayloadFormatVersion"]}
    return None


def _schedule(cloud, function, event, asked):
    schedules = cloud.scheduler.list_schedules()["Schedules"]
    ends = {item["Name"]: item["Target"]["Arn"] for item in schedules}
    name = next((key for key, arn in ends.items() if key.endswith(event) and arn.endswith(f":{function}")), None)
    if name is None:
        return None
    schedule = cloud.scheduler.get_schedule(Name=name)
    target = schedule["Target"]
    actual = {
        "ScheduleExpression": schedule["ScheduleExpression"],
        "RoleArn": target["RoleArn"],
        "Input": target.get("Input"),
        "RetryPolicy": target.get("RetryPolicy"),
    }
    return {key: actual.get(key) for key in asked}


def _event_bus(cloud, name, wanted):
    bus = cloud.events.describe_event_bus(Name=name)
    # The emulator does not say which event source a bus belongs to.
    return {"Name": bus["Name"], "EventSourceName": bus.get("EventSourceName", wanted["EventSourceName"])}


def _event_rule(cloud, name, wanted):
    bus = wanted["EventBusName"]
    rule = cloud.events.describe_rule(Name=name, EventBusName=bus)
    targets = cloud.events.list_targets_by_rule(Rule=rule["Name"], EventBusName=bus)["Targets"]
    return {
        "Description": rule["Description"],
        "EventBusName": rule["EventBusName"],
        "State": rule["State"],
        "EventPattern": _document(rule["EventPattern"]),
        "Targets": targets,
    }


def _permission(cloud, _, wanted):
    policy = _document(cloud.lambda_.get_policy(FunctionName=wanted["FunctionName"])["Policy"])
    for statement in policy["Statement"]:
        conditions = statement.get("Condition", {})
        source_arn = conditions.get("ArnLike", {}).get("AWS:SourceArn")
        if source_arn == wanted["SourceArn"]:
            return {
                "Action": statement["Action"],
                "FunctionName": wanted["FunctionName"],
                "Principal": statement["Principal"]["Service"],
                "SourceArn": source_arn,
                "SourceAccount": conditions.get("StringEquals", {}).get("AWS:SourceAccount"),
            }
    return {}


def _invoke_config(cloud, _, wanted):
    keys = {key: wanted[key] for key in ("FunctionName", "Qualifier")}
    return keys | cloud.lambda_.get_function_event_invoke_config(**keys)


READERS = {
    "AWS::Events::EventBus": _event_bus,
    "AWS::Events::Rule": _event_rule,
    "AWS::Lambda::EventInvokeConfig": _invoke_config,
    "AWS::Lambda::Permission": _permission,
    "AWS::DynamoDB::Table": _table,
    "AWS::S3::Bucket": _bucket,
    "AWS::S3::BucketPolicy": _bucket_policy,
    "AWS::SQS::Queue": _queue,
    "AWS::SQS::QueuePolicy": _queue_policy,
    "AWS::KMS::Key": _key,
    "AWS::KMS::Alias": _alias,
    "AWS::IAM::Role": _role,
    "AWS::IAM::Policy": _policy,
    "AWS::Logs::LogGroup": _log_group,
    "AWS::Logs::MetricFilter": _metric_filter,
    "AWS::CloudWatch::Alarm": _alarm,
    "AWS::Serverless::HttpApi": _api,
    "AWS::Serverless::Function": _function,
}
