"""Applies what the emulator's CloudFormation drops although it answers CREATE_COMPLETE.

Every value comes from the template. `compare.py` then reads all properties back, these included.
"""

import json

from . import template as source


def apply(cloud, template, ids, resolve):
    for name, properties in source.resources(template, "AWS::DynamoDB::Table"):
        _table(cloud, ids[name], resolve(properties))
    for name, properties in source.resources(template, "AWS::S3::Bucket"):
        _bucket(cloud, ids[name], resolve(properties))
    for name, properties in source.resources(template, "AWS::Serverless::HttpApi"):
        _throttling(cloud, ids[name], resolve(properties))
    for name, properties in source.resources(template, source.FUNCTION):
        _routes(cloud, ids[name], properties, resolve)


def _table(cloud, name, properties):
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        cloud.dynamodb.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=recovery)
    if lifetime := properties.get("TimeToLiveSpecification"):
        cloud.dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification=lifetime)
    if encryption := properties.get("SSESpecification"):
        wanted = {"Enabled": encryption["SSEEnabled"], "SSEType": "KMS"}
        cloud.dynamodb.update_table(TableName=name, SSESpecification=wanted)
    if policy := properties.get("ResourcePolicy"):
        arn = cloud.dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
        cloud.dynamodb.put_resource_policy(ResourceArn=arn, Policy=json.dumps(policy["PolicyDocument"]))


def _bucket(cloud, name, properties):
    if lock := properties.get("ObjectLockConfiguration"):
        cloud.s3.put_object_lock_configuration(Bucket=name, ObjectLockConfiguration=lock)
    if encryption := properties.get("BucketEncryption"):
        rules = [
            {"ApplyServerSideEncryptionByDefault": rule["ServerSideEncryptionByDefault"]}
            | {key: value for key, value in rule.items() if key == "BucketKeyEnabled"}
            for rule in encryption["ServerSideEncryptionConfiguration"]
        ]
        cloud.s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    if lifecycle := properties.get("LifecycleConfiguration"):
        rules = [_lifecycle_rule(rule) for rule in lifecycle["Rules"]]
        cloud.s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": rules})


def _lifecycle_rule(rule):
    """CloudFormation's flat form of a rule as the API's."""
    known = {"Id", "Status", "Prefix", "ExpirationInDays", "AbortIncompleteMultipartUpload"}
    if unknown := set(rule) - known:
        raise ValueError(f"lifecycle rule {rule['Id']}: {sorted(unknown)} is not known to the local deploy")
    wire = {"ID": rule["Id"], "Status": rule["Status"], "Filter": {"Prefix": rule.get("Prefix", "")}}
    if "ExpirationInDays" in rule:
        wire["Expiration"] = {"Days": int(rule["ExpirationInDays"])}
    if "AbortIncompleteMultipartUpload" in rule:
        wire["AbortIncompleteMultipartUpload"] = rule["AbortIncompleteMultipartUpload"]
    return wire


def _throttling(cloud, api, properties):
    if settings := properties.get("DefaultRouteSettings"):
        cloud.apigatewayv2.update_stage(ApiId=api, StageName="$default", DefaultRouteSettings=settings)


def _wanted_routes(properties):
    """Route key, API and payload version of each HttpApi event of a function."""
    for event in properties.get("Events", {}).values():
        if event["Type"] == "HttpApi":
            wanted = event["Properties"]
            yield f"{wanted['Method']} {wanted['Path']}", wanted["ApiId"], wanted["PayloadFormatVersion"]


def _routes(cloud, function, properties, resolve):
    integrations = {}
    for key, api, version in _wanted_routes(properties):
        api = resolve(api)
        if api not in integrations:
            arn = cloud.lambda_.get_function(FunctionName=function)["Configuration"]["FunctionArn"]
            made = cloud.apigatewayv2.create_integration(
                ApiId=api, IntegrationType="AWS_PROXY", IntegrationUri=arn, PayloadFormatVersion=version
            )
            integrations[api] = made["IntegrationId"]
        cloud.apigatewayv2.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integrations[api]}")
