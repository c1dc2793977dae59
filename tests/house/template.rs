//! What the template says beyond rights: nothing deletes what a hold keeps, and who hands events over.

use std::path::Path;

use serde_json::{Value, json};

use super::cloud::{resources, template};

/// A lifecycle rule deletes what a legal hold keeps.
#[test]
fn no_lifecycle_rule_deletes_snapshots() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    assert!(!template.contains("Prefix: snapshots/"));
}

/// Lines of the template from `name:` to the next resource, by two spaces of indentation.
fn resource(template: &str, name: &str) -> String {
    let head = format!("  {name}:");
    let lines = template.lines().skip_while(|line| *line != head).skip(1);
    let own = |line: &&str| line.is_empty() || line.starts_with("   ") || line.starts_with("  #");
    lines.take_while(own).collect::<Vec<_>>().join("\n")
}

/// Without a named event source, nothing but the HTTP API can invoke the function that takes events.
#[test]
fn only_the_rule_of_the_named_event_source_hands_events_over() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    for name in [
        "StripeEventBus",
        "StripeEventRule",
        "StripeEventPermission",
        "StripeEventRetries",
        "StripeEventsPolicy",
        "StripeEventsDeadLetters",
        "StripeEventsQueuePolicy",
        "StripeEventsDeadLettersAlarm",
    ] {
        let resource = resource(&template, name);
        assert!(
            resource.contains("Condition: HasStripeEvents"),
            "{name}: {resource}"
        );
    }
    let source = resource(&template, "StripeEventSource");
    assert!(source.contains("Default: \"\""), "{source}");
    let rule = resource(&template, "StripeEventRule");
    for line in [
        "source: [!Ref StripeEventSource]",
        "account: [!Ref AWS::AccountId]",
        "EventBusName: !Ref StripeEventBus",
        "DeadLetterConfig: { Arn: !GetAtt StripeEventsDeadLetters.Arn }",
    ] {
        assert!(rule.contains(line), "{line}: {rule}");
    }
    let permissions = template.matches("Type: AWS::Lambda::Permission").count();
    assert_eq!(permissions, 1);
    let permission = resource(&template, "StripeEventPermission");
    for line in [
        "SourceArn: !GetAtt StripeEventRule.Arn",
        "SourceAccount: !Ref AWS::AccountId",
    ] {
        assert!(permission.contains(line), "{line}: {permission}");
    }
    let policy = resource(&template, "StripeEventsPolicy");
    assert_eq!(policy.matches("Action:").count(), 1, "{policy}");
    assert!(policy.contains("Action: sqs:SendMessage"), "{policy}");
}

/// Browsers of other origins get no answer, callers are throttled, and the access log has routes, not
/// paths, headers or queries.
#[test]
fn the_front_door_is_closed_to_other_origins_and_logs_no_secret() {
    let template = template();
    let doors: Vec<&Value> = resources(&template, "AWS::Serverless::HttpApi")
        .map(|it| it.1)
        .collect();
    let [door] = doors.as_slice() else {
        panic!("one door")
    };
    assert!(door["CorsConfiguration"].is_null());
    for limit in ["ThrottlingBurstLimit", "ThrottlingRateLimit"] {
        assert!(
            door["DefaultRouteSettings"][limit].as_u64().unwrap() <= 1_000,
            "{limit}"
        );
    }
    let format = door["AccessLogSettings"]["Format"].as_str().unwrap();
    for known in [
        "$context.requestId",
        "$context.routeKey",
        "$context.status",
        "$context.requestTime",
    ] {
        assert!(format.contains(known), "{known}");
    }
    for secret in [
        "path",
        "header",
        "query",
        "authorizer",
        "sourceIp",
        "rawQueryString",
        "userAgent",
    ] {
        assert!(!format.contains(secret), "{secret}");
    }
    for kind in [
        "AWS::CloudFront::Distribution",
        "AWS::Lambda::Url",
        "AWS::ElastiCache::CacheCluster",
    ] {
        assert_eq!(resources(&template, kind).count(), 0, "{kind}");
    }
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        assert!(function["FunctionUrlConfig"].is_null(), "{name}");
    }
}

#[test]
fn every_function_is_one_binary_with_a_log_of_its_own() {
    let template = template();
    let globals = &template["Globals"]["Function"];
    assert_eq!(globals["Runtime"], "provided.al2023");
    let ignored = &globals["Environment"]["Variables"]["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"];
    assert_eq!(ignored, "true");
    for (name, function) in resources(&template, "AWS::Serverless::Function") {
        let build = &template["Resources"][name]["Metadata"]["BuildMethod"];
        assert_eq!(build, "rust-cargolambda", "{name}");
        assert!(
            function["Layers"].is_null() && function["CodeUri"].is_null(),
            "{name}"
        );
        let logging = &function["LoggingConfig"];
        assert_eq!(logging["LogFormat"], "JSON", "{name}");
        let group = logging["LogGroup"]["Ref"].as_str().unwrap();
        let kept = &template["Resources"][group]["Properties"]["RetentionInDays"];
        assert_eq!(kept, &json!({ "Ref": "LogDays" }), "{name}");
    }
}

#[test]
fn stores_are_encrypted_and_refuse_plain_connections() {
    let template = template();
    for (name, table) in resources(&template, "AWS::DynamoDB::Table") {
        assert_eq!(table["SSESpecification"]["SSEEnabled"], true, "{name}");
    }
    for (name, queue) in resources(&template, "AWS::SQS::Queue") {
        assert_eq!(queue["SqsManagedSseEnabled"], true, "{name}");
    }
    for (name, bucket) in resources(&template, "AWS::S3::Bucket") {
        let rules = &bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"];
        assert!(rules.is_array(), "{name}");
        let blocked = bucket["PublicAccessBlockConfiguration"]
            .as_object()
            .unwrap();
        assert!(
            blocked.len() == 4 && blocked.values().all(|it| it == true),
            "{name}"
        );
        assert!(bucket["WebsiteConfiguration"].is_null(), "{name}");
    }
    let refuses = |policy: &Value| {
        let statements = policy["PolicyDocument"]["Statement"].as_array().unwrap();
        statements.iter().any(|statement| {
            statement["Effect"] == "Deny"
                && statement["Principal"] == "*"
                && statement["Condition"] == json!({ "Bool": { "aws:SecureTransport": "false" } })
        })
    };
    let mut guarded = Vec::new();
    for (name, policy) in resources(&template, "AWS::S3::BucketPolicy") {
        assert!(refuses(policy), "{name}");
        guarded.push(policy["Bucket"]["Ref"].clone());
    }
    for (name, policy) in resources(&template, "AWS::SQS::QueuePolicy") {
        assert!(refuses(policy), "{name}");
        guarded.extend(
            policy["Queues"]
                .as_array()
                .unwrap()
                .iter()
                .map(|queue| queue["Ref"].clone()),
        );
    }
    for kind in ["AWS::S3::Bucket", "AWS::SQS::Queue"] {
        for (name, _) in resources(&template, kind) {
            assert!(guarded.contains(&json!(name)), "{name} has no policy");
        }
    }
}

/// Length, and no kinds of characters (ASVS 5.0.0, 6.2.1 and 6.2.5).
#[test]
fn the_user_pool_asks_for_length_and_not_for_kinds_of_characters() {
    let template = template();
    let mut pools = resources(&template, "AWS::Cognito::UserPool");
    let (_, pool) = pools.next().unwrap();
    let policy = &pool["Policies"]["PasswordPolicy"];
    assert!(policy["MinimumLength"].as_u64().unwrap() >= 14);
    for kind in ["Lowercase", "Uppercase", "Numbers", "Symbols"] {
        assert_eq!(policy[format!("Require{kind}")], false, "{kind}");
    }
}
