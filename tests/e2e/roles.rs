//! The deployed roles (T16): each may do what infra/rights.csv says, and is refused everything that
//! another function may do or nobody.

use reqwest::Method;
use serde_json::{Value, json};

use super::signed::{Caller, Request};
use super::stage::{Stack, stage};
use crate::rights::{Right, rights};

/// What these roles are called in the list of calls; functions have sessions of their own.
pub(crate) const SESSION: &str = "rights";

const ID: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// One thing to try.
struct Attempt {
    action: String,
    resource: String,
    value: Option<String>,
}

/// Everything that some function may do, one attempt per action, resource and value of its condition.
fn attempts(rights: &[Right]) -> Vec<Attempt> {
    let concrete = |pattern: &String| pattern.replace('*', ID).replace('?', "0");
    let mut found: Vec<Attempt> = Vec::new();
    for right in rights {
        let conditional = ["families", "purposes", "prefixes"];
        let asks = right
            .only
            .first()
            .is_some_and(|kind| conditional.contains(&kind.as_str()));
        let values: Vec<Option<String>> = if asks {
            right.values().iter().map(concrete).map(Some).collect()
        } else {
            vec![None]
        };
        for action in &right.actions {
            for value in &values {
                let resource = right.resource.clone();
                let known = found
                    .iter()
                    .any(|it| (&it.action, &it.resource, &it.value) == (action, &resource, value));
                if !known {
                    found.push(Attempt {
                        action: action.clone(),
                        resource,
                        value: value.clone(),
                    });
                }
            }
        }
    }
    found
}

/// The partition and sort key of a table, with this partition.
fn key(table: &str, partition: &str) -> Value {
    match table {
        "State" | "DataKeys" => json!({ "pk": { "S": partition }, "sk": { "S": "none" } }),
        "EvidenceHead" => json!({ "stream": { "S": partition }, "item": { "S": "none" } }),
        "Seals" => json!({ "stream": { "S": partition }, "sort": { "S": "none" } }),
        _ => json!({ "stream": { "S": partition }, "seq": { "N": "1" } }),
    }
}

fn of_table(stack: &Stack, attempt: &Attempt) -> Request {
    let (table, index) = attempt
        .resource
        .split_once("/index/")
        .map_or((attempt.resource.as_str(), None), |(table, index)| {
            (table, Some(index))
        });
    let name = stack.deployment.output(&format!("{table}Table")).unwrap();
    let operation = attempt.action.strip_prefix("dynamodb:").unwrap();
    let partition = attempt.value.as_deref().unwrap_or(ID);
    let key = key(table, partition);
    let hash = match index {
        Some("by_run") => "run",
        Some("by_subject") => "subject_key",
        _ => key
            .as_object()
            .unwrap()
            .keys()
            .find(|it| ["pk", "stream"].contains(&it.as_str()))
            .unwrap(),
    };
    // Nothing is to be written: the condition never holds.
    let never = format!("attribute_exists({hash})");
    let mut body = json!({ "TableName": name });
    let add = |body: &mut Value, more: Value| {
        body.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
    };
    let mut target = operation;
    match operation {
        "GetItem" => add(&mut body, json!({ "Key": key })),
        "PutItem" => add(
            &mut body,
            json!({ "Item": key, "ConditionExpression": never }),
        ),
        "DeleteItem" => add(
            &mut body,
            json!({ "Key": key, "ConditionExpression": never }),
        ),
        "UpdateItem" => add(
            &mut body,
            json!({
                "Key": key, "ConditionExpression": never, "UpdateExpression": "SET a = :a",
                "ExpressionAttributeValues": { ":a": { "S": "a" } },
            }),
        ),
        "Query" => {
            add(
                &mut body,
                json!({
                    "KeyConditionExpression": "#h = :h",
                    "ExpressionAttributeNames": { "#h": hash },
                    "ExpressionAttributeValues": { ":h": { "S": partition } },
                }),
            );
            if let Some(index) = index {
                add(&mut body, json!({ "IndexName": index }));
            }
        }
        "BatchGetItem" => body = json!({ "RequestItems": { name: { "Keys": [key] } } }),
        "ConditionCheckItem" => {
            target = "TransactWriteItems";
            let check = json!({ "TableName": name, "Key": key, "ConditionExpression": never });
            body = json!({ "TransactItems": [{ "ConditionCheck": check }] });
        }
        other => panic!("{other} is not known here"),
    }
    Request::json("dynamodb", &format!("DynamoDB_20120810.{target}"), &body)
}

fn of_key(stack: &Stack, attempt: &Attempt) -> Request {
    let id = stack
        .deployment
        .output(&format!("{}Id", attempt.resource))
        .unwrap();
    let context = attempt
        .value
        .as_ref()
        .map(|purpose| json!({ "purpose": purpose }));
    let operation = attempt.action.strip_prefix("kms:").unwrap();
    let body = match operation {
        "Decrypt" => json!({ "KeyId": id, "CiphertextBlob": "AAAA", "EncryptionContext": context }),
        "GenerateDataKey" => {
            json!({ "KeyId": id, "KeySpec": "AES_256", "EncryptionContext": context })
        }
        "Sign" => json!({
            "KeyId": id, "Message": "AAAA", "MessageType": "RAW", "SigningAlgorithm": "ECDSA_SHA_256",
        }),
        "Encrypt" => json!({ "KeyId": id, "Plaintext": "AAAA", "EncryptionContext": context }),
        "GetPublicKey" => json!({ "KeyId": id }),
        other => panic!("{other} is not known here"),
    };
    Request::json("kms", &format!("TrentService.{operation}"), &body)
}

fn of_bucket(stack: &Stack, attempt: &Attempt) -> Request {
    let (bucket, object) = attempt
        .resource
        .split_once('/')
        .map_or((attempt.resource.as_str(), None), |(bucket, object)| {
            (bucket, Some(object.replace('*', "none")))
        });
    let bucket = stack.deployment.output(bucket).unwrap();
    let object = object.unwrap_or_default();
    let at = |rest: &str| format!("/{bucket}/{object}{rest}");
    let prefix = attempt.value.as_deref().unwrap_or_default();
    let (method, path) = match attempt.action.as_str() {
        "s3:GetObject" => (Method::GET, at("")),
        "s3:PutObject" => (Method::PUT, at("")),
        "s3:DeleteObject" => (Method::DELETE, at("")),
        "s3:AbortMultipartUpload" => (Method::DELETE, at("?uploadId=none")),
        "s3:ListBucket" => (
            Method::GET,
            format!(
                "/{bucket}?list-type=2&prefix={}",
                prefix.replace('/', "%2F")
            ),
        ),
        "s3:GetBucketVersioning" => (Method::GET, format!("/{bucket}?versioning=")),
        "s3:GetBucketObjectLockConfiguration" => (Method::GET, format!("/{bucket}?object-lock=")),
        other => panic!("{other} is not known here"),
    };
    let mut request = Request::rest("s3", method, path);
    if attempt.action == "s3:PutObject" {
        // The locked bucket takes nothing else.
        request.headers.push(("if-none-match", "*".to_owned()));
    }
    request
}

fn of_queue(stack: &Stack, attempt: &Attempt) -> Request {
    let url = stack
        .deployment
        .output(&format!("{}Url", attempt.resource))
        .unwrap();
    let operation = attempt.action.strip_prefix("sqs:").unwrap();
    let body = match operation {
        "SendMessage" => json!({ "QueueUrl": url, "MessageBody": "{}", "DelaySeconds": 900 }),
        "ReceiveMessage" => json!({ "QueueUrl": url, "VisibilityTimeout": 0 }),
        "DeleteMessage" => json!({ "QueueUrl": url, "ReceiptHandle": "none" }),
        "ChangeMessageVisibility" => {
            json!({ "QueueUrl": url, "ReceiptHandle": "none", "VisibilityTimeout": 0 })
        }
        "GetQueueAttributes" => json!({ "QueueUrl": url, "AttributeNames": ["All"] }),
        other => panic!("{other} is not known here"),
    };
    Request::json("sqs", &format!("AmazonSQS.{operation}"), &body)
}

/// `None` for what cannot be tried here.
fn request(stack: &Stack, attempt: &Attempt) -> Option<Request> {
    let (service, _) = attempt.action.split_once(':').unwrap();
    Some(match service {
        "dynamodb"
            if attempt.resource.starts_with("Evidence.")
                || attempt.resource.contains("/stream/") =>
        {
            return None;
        }
        "dynamodb" => of_table(stack, attempt),
        "kms" => of_key(stack, attempt),
        "s3" => of_bucket(stack, attempt),
        "sqs" if attempt.resource == "StripeEventsDeadLetters" => return None,
        "sqs" => of_queue(stack, attempt),
        "lambda" => {
            let output = match attempt.resource.as_str() {
                "StripeWebhook" => "StripeWebhookFunction",
                "RepairApprove" => "RepairFunction",
                "Archive" => "ArchiveFunction",
                "Export" => "ExportFunction",
                "ScheduledReconcile" => "ReconcileFunction",
                "ApiFunction" => "ApiFunctionName",
                other => panic!("{other} is not known here"),
            };
            let name = stack.deployment.output(output).unwrap();
            let path = format!("/2015-03-31/functions/{name}/invocations");
            let mut request = Request::rest("lambda", Method::POST, path);
            // Judged, and not run.
            request
                .headers
                .push(("x-amz-invocation-type", "DryRun".to_owned()));
            request
        }
        // Written by Lambda itself; the emulator has no X-Ray.
        "logs" | "xray" => return None,
        other => panic!("{other} is not known here"),
    })
}

/// What nobody may do to the evidence table, and no function to any of the others.
fn denied_to_all(stack: &Stack, table: &str) -> Vec<Request> {
    let name = stack.deployment.output(&format!("{table}Table")).unwrap();
    let arn = format!(
        "arn:aws:dynamodb:us-east-1:{}:table/{name}",
        stack.deployment.account
    );
    let item = key(table, ID);
    [
        ("DeleteTable", json!({ "TableName": name })),
        ("UpdateTable", json!({ "TableName": name, "DeletionProtectionEnabled": false })),
        (
            "UpdateTimeToLive",
            json!({
                "TableName": name,
                "TimeToLiveSpecification": { "AttributeName": "at", "Enabled": true },
            }),
        ),
        (
            "UpdateContinuousBackups",
            json!({
                "TableName": name,
                "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": false },
            }),
        ),
        (
            "RestoreTableToPointInTime",
            json!({ "SourceTableName": name, "TargetTableName": "other", "UseLatestRestorableTime": true }),
        ),
        ("CreateBackup", json!({ "TableName": name, "BackupName": "other" })),
        ("PutResourcePolicy", json!({ "ResourceArn": arn, "Policy": "{}" })),
        ("DeleteResourcePolicy", json!({ "ResourceArn": arn })),
        ("Scan", json!({ "TableName": name })),
        (
            "BatchWriteItem",
            json!({ "RequestItems": { name: [{ "PutRequest": { "Item": item } }] } }),
        ),
        (
            "ExecuteStatement",
            json!({ "Statement": format!("DELETE FROM \"{name}\" WHERE stream = '{ID}' AND seq = 1") }),
        ),
    ]
    .into_iter()
    .map(|(operation, body)| {
        Request::json("dynamodb", &format!("DynamoDB_20120810.{operation}"), &body)
    })
    .collect()
}

/// What changes or removes an entry.
fn changes_of_entries(stack: &Stack) -> Vec<Request> {
    let attempt = |action: &str| Attempt {
        action: format!("dynamodb:{action}"),
        resource: "Evidence".to_owned(),
        value: None,
    };
    let direct = ["UpdateItem", "DeleteItem"].map(|action| of_table(stack, &attempt(action)));
    let name = stack.deployment.output("EvidenceTable").unwrap();
    let key = key("Evidence", ID);
    let delete = json!({ "TransactItems": [{ "Delete": { "TableName": name, "Key": key } }] });
    let inside = Request::json("dynamodb", "DynamoDB_20120810.TransactWriteItems", &delete);
    direct.into_iter().chain([inside]).collect()
}

/// The role of a function in this stack, assumed by the account, which first lets itself do so.
async fn assume(stack: &Stack, function: &str) -> Caller {
    let endpoint = &stack.deployment.endpoint;
    let account = &stack.deployment.account;
    let root = Caller::new(endpoint, account, "test", None);
    let role = role_of(stack, function).await;
    let trust = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{account}:root") },
            "Action": "sts:AssumeRole",
        }],
    });
    let (_, name) = role.rsplit_once('/').unwrap();
    let trusted = Request::form(
        "iam",
        &[
            ("Action", "UpdateAssumeRolePolicy"),
            ("Version", "2010-05-08"),
            ("RoleName", name),
            ("PolicyDocument", &trust.to_string()),
        ],
    );
    let (status, text) = root.send(&trusted).await;
    assert_eq!(status, 200, "{text}");
    let assumed = Request::form(
        "sts",
        &[
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", &role),
            ("RoleSessionName", SESSION),
        ],
    );
    let (status, text) = root.send(&assumed).await;
    assert_eq!(status, 200, "{text}");
    let field = |name: &str| {
        let (_, rest) = text.split_once(&format!("<{name}>")).unwrap();
        rest.split_once('<').unwrap().0.to_owned()
    };
    let (key, secret) = (field("AccessKeyId"), field("SecretAccessKey"));
    Caller::new(endpoint, &key, &secret, Some(&field("SessionToken")))
}

/// Output of the template that names a function.
pub(crate) fn output_of(function: &str) -> &'static str {
    match function {
        "stripe-webhook" => "StripeWebhookFunction",
        "scheduled-reconcile" => "ReconcileFunction",
        "repair-approve" => "RepairFunction",
        "export" => "ExportFunction",
        "api" => "ApiFunctionName",
        "mcp" => "McpFunction",
        "archive" => "ArchiveFunction",
        other => panic!("{other} is not known here"),
    }
}

async fn role_of(stack: &Stack, function: &str) -> String {
    let name = stack.deployment.output(output_of(function)).unwrap();
    let found = stack.clients.lambda.get_function_configuration();
    let found = found.function_name(name).send().await.unwrap();
    found.role.unwrap()
}

fn functions(rights: &[Right]) -> Vec<&str> {
    let mut names: Vec<&str> = rights.iter().map(|right| right.function.as_str()).collect();
    names.retain(|name| *name != "scheduler");
    names.sort_unstable();
    names.dedup();
    names
}

fn is_refused((status, text): &(u16, String)) -> bool {
    assert!(*status < 500, "{status} {text}");
    text.contains("AccessDenied")
}

#[test]
fn each_role_does_what_its_rows_say_and_nothing_that_others_may() {
    let stage = stage();
    let stack = stage.other_stack();
    stage.run(async {
        let rights = rights();
        let attempts = attempts(&rights);
        let (mut may, mut may_not) = (0, 0);
        for function in functions(&rights) {
            let caller = assume(&stack, function).await;
            for attempt in &attempts {
                let Some(request) = request(&stack, attempt) else {
                    continue;
                };
                let Attempt {
                    action,
                    resource,
                    value,
                } = attempt;
                let own = rights.iter().filter(|right| right.function == function);
                let allowed = own
                    .into_iter()
                    .any(|right| right.covers(action, resource, value.as_deref()));
                let answer = caller.send(&request).await;
                let what = format!("{function}: {action} on {resource} {value:?}");
                assert_eq!(!is_refused(&answer), allowed, "{what}: {answer:?}");
                *if allowed { &mut may } else { &mut may_not } += 1;
            }
        }
        assert!(
            may > 100 && may_not > 300,
            "{may} allowed, {may_not} refused"
        );
    });
}

#[test]
fn no_role_does_what_nobody_may() {
    let stage = stage();
    let stack = stage.other_stack();
    stage.run(async {
        let rights = rights();
        for function in functions(&rights) {
            let caller = assume(&stack, function).await;
            let tables = [
                "Evidence",
                "EvidenceHead",
                "EvidenceParts",
                "Seals",
                "State",
                "DataKeys",
            ];
            let settings = tables
                .into_iter()
                .flat_map(|table| denied_to_all(&stack, table));
            for request in settings.chain(changes_of_entries(&stack)) {
                let answer = caller.send(&request).await;
                let target = &request.headers[0].1;
                assert!(is_refused(&answer), "{function}: {target}: {answer:?}");
            }
        }
    });
}

/// T24: whoever invokes a function from outside is named, and is ours.
#[test]
fn nothing_but_our_own_routes_and_rules_invokes_a_function() {
    let stage = stage();
    stage.run(async {
        let mut statements = 0;
        for function in functions(&rights()) {
            let name = stage.main.deployment.output(output_of(function)).unwrap();
            let asked = stage
                .main
                .clients
                .lambda
                .get_policy()
                .function_name(name)
                .send();
            let Ok(found) = asked.await else {
                continue;
            };
            let policy: Value = serde_json::from_str(found.policy().unwrap()).unwrap();
            for statement in policy["Statement"].as_array().unwrap() {
                statements += 1;
                let source = statement["Condition"]["ArnLike"]["AWS:SourceArn"].as_str();
                assert!(
                    source.is_some_and(|arn| !arn.starts_with('*')),
                    "{function}: {statement}"
                );
                assert!(
                    statement["Principal"]["Service"].is_string(),
                    "{function}: {statement}"
                );
            }
        }
        assert!(statements > 20, "found {statements}");
    });
}
