//! Rights of the functions (T16): template.yaml says what infra/rights.csv says, action by action, in
//! both directions, and neither says more than ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::cloud::{resources, template};
use crate::rights::{like, rights};

/// Function, resource, action, condition.
type Grant = (String, String, String, String);

fn list(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value}"))
        .to_owned()
}

/// What a policy's resource is called in the table. Keys that seal are one, whichever they are.
fn named(resource: &Value) -> Vec<String> {
    let seal_key = |name: &str| match name {
        "SealKeyArn" | "RetiringSealKeyArn" => "SealKey".to_owned(),
        other => other.to_owned(),
    };
    if let Some(text) = resource.as_str() {
        return vec![text.to_owned()];
    }
    if let Some(name) = resource["Ref"].as_str() {
        return (name != "AWS::NoValue")
            .then(|| seal_key(name))
            .into_iter()
            .collect();
    }
    if let Some(pair) = resource["Fn::GetAtt"].as_array() {
        let name = text(&pair[0]);
        return match text(&pair[1]).as_str() {
            "Arn" => vec![name],
            other => vec![format!("{name}.{other}")],
        };
    }
    if let Some(pattern) = resource["Fn::Sub"].as_str() {
        let (name, rest) = pattern
            .strip_prefix("${")
            .unwrap()
            .split_once(".Arn}")
            .unwrap();
        return vec![format!("{name}{rest}")];
    }
    let cases = resource["Fn::If"]
        .as_array()
        .unwrap_or_else(|| panic!("{resource}"));
    cases.iter().skip(1).flat_map(named).collect()
}

/// A condition as the table writes it: `families a b`, `purposes read`, `prefixes exports/*`.
fn condition(value: &Value) -> String {
    let mut found = Vec::new();
    for (operator, keys) in value.as_object().into_iter().flatten() {
        for (key, values) in keys.as_object().unwrap() {
            let word = match (operator.as_str(), key.as_str()) {
                ("ForAllValues:StringLike", "dynamodb:LeadingKeys") => "families",
                ("StringEquals", "kms:EncryptionContext:purpose") => "purposes",
                ("StringEquals", "kms:SigningAlgorithm") => "algorithm",
                ("StringEquals", "kms:MessageType") => "message",
                ("StringLike", "s3:prefix") => "prefixes",
                other => panic!("{other:?} is not known here"),
            };
            let mut values: Vec<String> = list(values).into_iter().map(text).collect();
            values.sort();
            found.push(format!("{word} {}", values.join(" ")));
        }
    }
    found.sort();
    found.join(" ")
}

/// Roles by the function that runs under them.
fn functions(template: &Value) -> BTreeMap<String, String> {
    let mut roles: BTreeMap<String, String> = resources(template, "AWS::Serverless::Function")
        .map(|(name, function)| {
            let resource = &template["Resources"][name];
            let binary = text(&resource["Metadata"]["BuildProperties"]["Binary"]);
            (text(&function["Role"]["Fn::GetAtt"][0]), binary)
        })
        .collect();
    roles.insert("SchedulerRole".to_owned(), "scheduler".to_owned());
    roles
}

/// Statements by function: policies of the stack and those inside a role.
fn statements(template: &Value) -> Vec<(String, Value)> {
    let functions = functions(template);
    let mut found = Vec::new();
    for (name, policy) in resources(template, "AWS::IAM::Policy") {
        for role in list(&policy["Roles"]) {
            let role = text(&role["Ref"]);
            let function = functions
                .get(&role)
                .unwrap_or_else(|| panic!("{name}: {role}"));
            let of = list(&policy["PolicyDocument"]["Statement"]).into_iter();
            found.extend(of.map(|statement| (function.clone(), statement.clone())));
        }
    }
    for (name, role) in resources(template, "AWS::IAM::Role") {
        assert!(
            role["ManagedPolicyArns"].is_null(),
            "{name} has managed policies"
        );
        for policy in list(&role["Policies"]) {
            let function = functions
                .get(name)
                .unwrap_or_else(|| panic!("{name} has no function"));
            let of = list(&policy["PolicyDocument"]["Statement"]).into_iter();
            found.extend(of.map(|statement| (function.clone(), statement.clone())));
        }
    }
    found
}

fn granted() -> BTreeSet<Grant> {
    let mut grants = BTreeSet::new();
    for (function, statement) in statements(&template()) {
        assert_eq!(statement["Effect"], "Allow", "{function}: {statement}");
        for except in ["NotAction", "NotResource", "NotPrincipal"] {
            assert!(statement[except].is_null(), "{function}: {statement}");
        }
        let only = condition(&statement["Condition"]);
        for resource in list(&statement["Resource"]).into_iter().flat_map(named) {
            for action in list(&statement["Action"]) {
                let grant = (
                    function.clone(),
                    resource.clone(),
                    text(action),
                    only.clone(),
                );
                grants.insert(grant);
            }
        }
    }
    grants
}

fn declared() -> BTreeSet<Grant> {
    let mut grants = BTreeSet::new();
    for right in rights() {
        for action in &right.actions {
            let only = right.only.join(" ");
            let grant = (
                right.function.clone(),
                right.resource.clone(),
                action.clone(),
                only,
            );
            assert!(grants.insert(grant.clone()), "twice: {grant:?}");
        }
    }
    grants
}

#[test]
fn the_template_grants_what_the_table_says_and_nothing_else() {
    let (granted, declared) = (granted(), declared());
    let undeclared: Vec<_> = granted.difference(&declared).collect();
    assert!(
        undeclared.is_empty(),
        "not in infra/rights.csv: {undeclared:#?}"
    );
    let missing: Vec<_> = declared.difference(&granted).collect();
    assert!(missing.is_empty(), "not in template.yaml: {missing:#?}");
}

/// The functions that may do something on a resource, with a family, purpose or prefix.
fn who(action: &str, resource: &str, value: Option<&str>) -> BTreeSet<String> {
    let rights = rights().into_iter();
    rights
        .filter(|right| right.covers(action, resource, value))
        .map(|right| right.function)
        .collect()
}

#[test]
fn what_one_function_alone_may_do_no_other_may() {
    let only = |function: &str| BTreeSet::from([function.to_owned()]);
    let secret = |purpose| who("kms:Decrypt", "SecretsKey", Some(purpose));
    assert_eq!(secret("repair"), only("repair-approve"));
    assert_eq!(secret("webhook"), only("stripe-webhook"));
    assert_eq!(who("kms:Sign", "SealKey", None), only("archive"));
    assert_eq!(who("s3:PutObject", "LockedBucket/*", None), only("archive"));
    assert_eq!(who("dynamodb:PutItem", "Seals", None), only("archive"));
    assert_eq!(
        who("dynamodb:UpdateItem", "EvidenceParts", None),
        only("api")
    );
    assert_eq!(
        who("s3:DeleteObject", "DataBucket/snapshots/*", None),
        only("api")
    );
    let evidence = who("dynamodb:PutItem", "Evidence", None);
    assert!(!evidence.contains("stripe-webhook"), "{evidence:?}");
}

#[test]
fn every_right_that_is_not_seen_says_why() {
    for right in rights() {
        let sentence = right.unseen.is_empty() || right.unseen.split(' ').count() >= 5;
        assert!(sentence, "{right:?}");
        assert!(!right.actions.is_empty(), "{right:?}");
        assert!(
            right.only.is_empty() || !right.values().is_empty(),
            "{right:?}"
        );
    }
}

#[test]
fn patterns_are_read_as_iam_reads_them() {
    for (pattern, text, holds) in [
        ("ws_*#incident", "ws_1#prj_2#incident", true),
        ("ws_*#incident", "ws_1#prj_2#incidents", false),
        ("ws_*#incident", "ws_#incident", true),
        ("directory", "directory#project", false),
        ("ws_??", "ws_12", true),
        ("ws_??", "ws_1", false),
        ("*", "", true),
        ("", "a", false),
    ] {
        assert_eq!(like(pattern, text), holds, "{pattern} {text}");
    }
}

#[test]
fn no_right_has_a_wildcard_or_an_unbounded_resource() {
    for (function, resource, action, _) in granted() {
        assert!(!action.contains('*'), "{function}: {action}");
        let unbounded = resource.starts_with('*');
        assert!(
            !unbounded || action.starts_with("xray:"),
            "{function}: {action} on {resource}"
        );
    }
}

/// `ForAllValues` holds for a request that names no partition key, which is a Scan: nobody may.
#[test]
fn every_access_to_state_names_its_families_and_nobody_scans() {
    for (function, resource, action, only) in granted() {
        if resource == "State" {
            assert!(
                only.starts_with("families "),
                "{function}: {action} on {resource}"
            );
            for family in only.split_whitespace().skip(1) {
                assert_ne!(family, "*", "{function}: {action}");
            }
        }
        assert_ne!(action, "dynamodb:Scan", "{function}");
        assert!(
            !action.starts_with("dynamodb:PartiQL"),
            "{function}: {action}"
        );
    }
}

/// Deletion goes through the inventory; what is in there `api` can find and remove.
#[test]
fn whoever_carries_out_a_deletion_reaches_every_family_and_every_kind_of_object() {
    use counterfoil_core::inventory::{
        families_of_a_project, families_of_a_workspace, kinds_of_objects,
    };
    let api = |action, resource, value: &str| who(action, resource, Some(value)).contains("api");
    for family in families_of_a_project().chain(families_of_a_workspace()) {
        let partition = format!("ws_*#{family}");
        for action in ["dynamodb:Query", "dynamodb:DeleteItem"] {
            assert!(api(action, "State", &partition), "{action} {partition}");
        }
    }
    for kind in kinds_of_objects() {
        let objects = format!("DataBucket/{kind}/*");
        assert!(
            who("s3:DeleteObject", &objects, None).contains("api"),
            "{objects}"
        );
        let prefix = format!("{kind}/*");
        assert!(api("s3:ListBucket", "DataBucket", &prefix), "{prefix}");
    }
}

/// What nobody may do to evidence, roles included (the deny list of the chain table).
#[test]
fn nobody_changes_removes_or_restores_entries() {
    let reads_and_puts = [
        "dynamodb:GetItem",
        "dynamodb:BatchGetItem",
        "dynamodb:Query",
        "dynamodb:PutItem",
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    ];
    for (function, resource, action, _) in granted() {
        let table = resource.split(['/', '.']).next().unwrap();
        let allowed = table != "Evidence" || reads_and_puts.contains(&action.as_str());
        assert!(allowed, "{function}: {action} on {resource}");
        // Settings of tables and buckets belong to whoever deploys.
        for verb in [
            "CreateTable",
            "DeleteTable",
            "UpdateTable",
            "UpdateTimeToLive",
            "UpdateContinuousBackups",
            "ImportTable",
            "Restore",
            "TableReplica",
            "ResourcePolicy",
            "BucketPolicy",
            "PutLifecycle",
            "Bypass",
        ] {
            assert!(!action.contains(verb), "{function}: {action}");
        }
    }
    let template = template();
    let policy = &template["Resources"]["Evidence"]["Properties"]["ResourcePolicy"];
    let denied: BTreeMap<String, BTreeSet<String>> = list(&policy["PolicyDocument"]["Statement"])
        .into_iter()
        .map(|statement| {
            assert_eq!(statement["Effect"], "Deny");
            assert_eq!(statement["Principal"], "*");
            let actions = list(&statement["Action"]).into_iter().map(text);
            (text(&statement["Sid"]), actions.collect())
        })
        .collect();
    let set = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("dynamodb:{name}"))
            .collect()
    };
    let items = set(&[
        "UpdateItem",
        "DeleteItem",
        "BatchWriteItem",
        "PartiQLInsert",
        "PartiQLUpdate",
        "PartiQLDelete",
    ]);
    assert_eq!(denied["NobodyChangesOrDeletesItems"], items);
    let unconditional = |sid: &str| {
        let all = list(&policy["PolicyDocument"]["Statement"]);
        all.into_iter()
            .any(|it| it["Sid"] == sid && it["Condition"].is_null())
    };
    assert!(unconditional("NobodyChangesOrDeletesItems"));
    // Imports, restores and replicas make a table or go through UpdateTable; no policy of this table
    // can name them, and no role may do them (above).
    let table = set(&[
        "DeleteTable",
        "UpdateTable",
        "UpdateTimeToLive",
        "UpdateContinuousBackups",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
    ]);
    assert_eq!(denied["OnlyTheDeployerChangesTheTable"], table);
}

/// T15: what would make tampering silent is set in the template.
#[test]
fn evidence_is_protected_streamed_and_never_expires() {
    let template = template();
    let evidence = &template["Resources"]["Evidence"];
    assert_eq!(evidence["DeletionPolicy"], "Retain");
    let of = &evidence["Properties"];
    assert_eq!(
        of["StreamSpecification"]["StreamViewType"],
        "NEW_AND_OLD_IMAGES"
    );
    assert_eq!(of["DeletionProtectionEnabled"], true);
    assert!(of["TimeToLiveSpecification"].is_null());
    let archive = &template["Resources"]["Archive"]["Properties"]["Events"];
    let follows = archive.as_object().unwrap().values().any(|event| {
        event["Type"] == "DynamoDB"
            && event["Properties"]["Stream"]["Fn::GetAtt"]
                == serde_json::json!(["Evidence", "StreamArn"])
    });
    assert!(follows, "archive follows the table");
    let lock = &template["Resources"]["LockedBucket"]["Properties"];
    assert_eq!(
        lock["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]["Mode"],
        "COMPLIANCE"
    );
    let data_keys = &template["Resources"]["DataKeys"]["Properties"];
    for kept in ["PointInTimeRecoverySpecification", "StreamSpecification"] {
        assert!(data_keys[kept].is_null(), "copies of wrapped keys: {kept}");
    }
}

/// T24: a service that acts for us does so for this account and, where it can be said, this resource.
#[test]
fn no_service_can_be_made_to_act_for_a_stranger() {
    let template = template();
    let mut permissions = 0;
    for (name, permission) in resources(&template, "AWS::Lambda::Permission") {
        permissions += 1;
        assert!(!permission["SourceArn"].is_null(), "{name}");
        assert_eq!(
            permission["SourceAccount"]["Ref"], "AWS::AccountId",
            "{name}"
        );
        assert_ne!(permission["Principal"], "*", "{name}");
    }
    // Those of the HTTP API are made by the transform, with the route as SourceArn; tests/e2e looks at them.
    assert_eq!(permissions, 1);
    for (name, role) in resources(&template, "AWS::IAM::Role") {
        for statement in list(&role["AssumeRolePolicyDocument"]["Statement"]) {
            let service = text(&statement["Principal"]["Service"]);
            assert_eq!(statement["Action"], "sts:AssumeRole", "{name}");
            match service.as_str() {
                // Lambda assumes a role only for a function of the role's own account, made by
                // somebody with iam:PassRole.
                "lambda.amazonaws.com" => {}
                "scheduler.amazonaws.com" => {
                    let condition = &statement["Condition"];
                    let account = &condition["StringEquals"]["aws:SourceAccount"]["Ref"];
                    assert_eq!(account, "AWS::AccountId", "{name}");
                    assert!(!condition["ArnLike"]["aws:SourceArn"].is_null(), "{name}");
                }
                other => panic!("{name} trusts {other}"),
            }
        }
    }
    for kind in ["AWS::SQS::QueuePolicy", "AWS::S3::BucketPolicy"] {
        for (name, policy) in resources(&template, kind) {
            for statement in list(&policy["PolicyDocument"]["Statement"]) {
                let bound = statement["Condition"]["ArnEquals"]["aws:SourceArn"].is_object();
                assert!(
                    statement["Effect"] == "Deny" || bound,
                    "{name}: {statement}"
                );
            }
        }
    }
}

/// The policy of a key and the policies of the roles give the same rights to the same purposes.
#[test]
fn key_policies_and_roles_agree() {
    let template = template();
    let functions = functions(&template);
    for key in ["SecretsKey", "SealKey"] {
        let policy = &template["Resources"][key]["Properties"]["KeyPolicy"]["Statement"];
        let mut of_key = BTreeSet::new();
        for statement in list(policy) {
            let principals = &statement["Principal"]["AWS"];
            if principals["Fn::Sub"].is_string() {
                // The account: administration and what needs no secret.
                for action in list(&statement["Action"]) {
                    let action = text(action);
                    for secret in ["Decrypt", "ReEncrypt", "Sign", "CreateGrant", "*"] {
                        assert!(!action.ends_with(secret), "{key}: the account may {action}");
                    }
                }
                continue;
            }
            for role in list(principals) {
                let function = &functions[&text(&role["Fn::GetAtt"][0])];
                let purposes =
                    &statement["Condition"]["StringEquals"]["kms:EncryptionContext:purpose"];
                for action in list(&statement["Action"]) {
                    let each = list(purposes);
                    let each = if each.is_empty() {
                        vec![&Value::Null]
                    } else {
                        each
                    };
                    for purpose in each {
                        of_key.insert((function.clone(), text(action), purpose.to_string()));
                    }
                }
            }
        }
        let mut of_roles = BTreeSet::new();
        for (function, resource, action, only) in granted() {
            let account_wide = ["kms:GetPublicKey"].contains(&action.as_str());
            if resource == key && action.starts_with("kms:") && !account_wide {
                let purposes: Vec<String> = match only.strip_prefix("purposes ") {
                    Some(purposes) => purposes.split(' ').map(|it| format!("\"{it}\"")).collect(),
                    None => vec!["null".to_owned()],
                };
                for purpose in purposes {
                    of_roles.insert((function.clone(), action.clone(), purpose));
                }
            }
        }
        assert_eq!(of_key, of_roles, "{key}");
    }
}

/// AWS takes 10,240 characters of inline policies per role, white space not counted.
#[test]
fn the_policies_of_each_role_are_small_enough() {
    let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
    for (function, statement) in statements(&template()) {
        let text = statement.to_string();
        // A reference becomes an address of about a hundred characters.
        let references = text.matches("Fn::GetAtt").count() + text.matches("Fn::Sub").count();
        *sizes.entry(function).or_default() += text.len() + 100 * references;
    }
    for (function, size) in sizes {
        assert!(size < 10_240, "{function}: {size}");
    }
}
