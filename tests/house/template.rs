//! Rights in template.yaml that the emulator does not judge: conditions on keys, and who may never
//! do what. Read as text, statement by statement.

use std::path::Path;

struct Statement {
    /// The resource of the template that it stands in.
    of: String,
    text: String,
}

/// Every policy statement, from its `Sid` to the next one or the end of its resource.
fn statements() -> Vec<Statement> {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    let mut statements: Vec<Statement> = Vec::new();
    let (mut of, mut open) = (String::new(), false);
    for line in template
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
    {
        if line.starts_with("  ") && !line.starts_with("   ") && line.ends_with(':') {
            line.trim().trim_end_matches(':').clone_into(&mut of);
            open = false;
        } else if line.trim_start().starts_with("- Sid:") {
            statements.push(Statement {
                of: of.clone(),
                text: String::new(),
            });
            open = true;
        }
        if open && let Some(statement) = statements.last_mut() {
            statement.text.push_str(line);
            statement.text.push('\n');
        }
    }
    assert!(
        statements.len() > 30,
        "found {} statements",
        statements.len()
    );
    statements
}

fn allows(statement: &Statement, action: &str) -> bool {
    statement.text.contains("Effect: Allow") && statement.text.contains(action)
}

#[test]
fn every_right_to_open_a_secret_names_a_purpose() {
    let opening = statements()
        .into_iter()
        .filter(|found| allows(found, "kms:Decrypt"));
    let mut count = 0;
    for statement in opening {
        count += 1;
        let named = statement.text.contains("kms:EncryptionContext:purpose");
        // The bucket's own encryption is bound by service and bucket instead.
        let bucket = statement.text.contains("kms:ViaService");
        assert!(named || bucket, "{}: {}", statement.of, statement.text);
    }
    assert!(count >= 6, "found {count}");
}

#[test]
fn only_repair_approve_opens_the_repair_credential() {
    for statement in statements() {
        if statement
            .text
            .contains("kms:EncryptionContext:purpose\": repair")
            || statement.text.contains("[repair")
            || statement.text.contains(", repair]")
        {
            let own = statement.of == "RepairApprovePolicy";
            let key = statement.of == "SecretsKey"
                && statement
                    .text
                    .contains("Principal: { AWS: !GetAtt RepairApproveRole.Arn }");
            assert!(own || key, "{}: {}", statement.of, statement.text);
        }
    }
}

#[test]
fn only_archive_signs_seals_and_writes_to_locked_storage() {
    for statement in statements() {
        if allows(&statement, "kms:Sign") {
            let key = statement.of == "SealKey" && statement.text.contains("ArchiveRole");
            assert!(statement.of == "ArchivePolicy" || key, "{}", statement.of);
        }
        if allows(&statement, "s3:PutObject") && statement.text.contains("LockedBucket") {
            assert_eq!(statement.of, "ArchivePolicy");
        }
    }
}

#[test]
fn only_api_removes_payloads_snapshots_and_keys() {
    let may = |action: &str, of: &str| {
        let all = statements().into_iter();
        let mut named: Vec<String> = all
            .filter(|found| allows(found, action) && found.text.contains(of))
            .map(|found| found.of)
            .collect();
        named.dedup();
        named
    };
    assert_eq!(
        may("dynamodb:UpdateItem", "!GetAtt EvidenceParts.Arn"),
        ["ApiFunctionPolicy"]
    );
    assert_eq!(
        may("dynamodb:DeleteItem", "!GetAtt DataKeys.Arn"),
        ["ApiFunctionPolicy"]
    );
    assert_eq!(may("s3:DeleteObject", "/snapshots/"), ["ApiFunctionPolicy"]);
}

/// A lifecycle rule deletes what a legal hold keeps.
#[test]
fn no_lifecycle_rule_deletes_snapshots() {
    let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let template = std::fs::read_to_string(template).unwrap();
    assert!(!template.contains("Prefix: snapshots/"));
}

/// archive reads no tenant's rows: it finds streams in the directory and keeps its alarms in the
/// workspace's own partition.
#[test]
fn archive_reaches_no_record_of_a_project() {
    let of_state = statements()
        .into_iter()
        .filter(|found| found.of == "ArchivePolicy" && found.text.contains("!GetAtt State.Arn"));
    let mut count = 0;
    for statement in of_state {
        count += 1;
        let directory = statement
            .text
            .contains("dynamodb:LeadingKeys\": [directory]");
        let alarms = format!("dynamodb:LeadingKeys\": [\"ws_{}\"]", "?".repeat(26));
        assert!(
            directory || statement.text.contains(&alarms),
            "{}",
            statement.text
        );
    }
    assert_eq!(count, 2);
}

#[test]
fn nobody_may_change_or_remove_an_entry() {
    for statement in statements() {
        let evidence = statement.text.contains("!GetAtt Evidence.Arn");
        for action in [
            "UpdateItem",
            "DeleteItem",
            "BatchWriteItem",
            "PartiQL",
            "UpdateTimeToLive",
        ] {
            let change = evidence && allows(&statement, &format!("dynamodb:{action}"));
            assert!(
                !change,
                "{} allows {action}: {}",
                statement.of, statement.text
            );
        }
    }
}

#[test]
fn no_function_has_a_wildcard_action() {
    for statement in statements() {
        for wildcard in [
            "dynamodb:*",
            "s3:*",
            "kms:*",
            "sqs:*",
            "lambda:*",
            "\"*:*\"",
        ] {
            let denied = statement.text.contains("Effect: Deny");
            assert!(
                denied || !statement.text.contains(wildcard),
                "{}: {wildcard}",
                statement.of
            );
        }
    }
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
