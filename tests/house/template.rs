//! What the template says beyond rights: nothing deletes what a hold keeps, and who hands events over.

use std::path::Path;

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
