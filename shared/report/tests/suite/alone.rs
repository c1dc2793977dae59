//! Whoever is alone in a workspace agrees with themselves, a day later: nobody reads that as two people.

use counterfoil_report::run_report;

use crate::forge::{Stream, about, digest};
use crate::tools::{Pdf, dense};

#[test]
fn that_nobody_else_agreed_is_said_where_the_decision_is_told() {
    let said = |solo: &str| {
        let mut stream = Stream::new();
        stream.open("usr_1");
        let facts = format!(
            r#"{{"action":"policy.activate","action_hash":"{}","baseline":"{}","effect":"ALLOW",
            "policy":"{}","reason":"People may.","rule":"base.permit.people"{solo}}}"#,
            digest('2'),
            digest('1'),
            digest('d'),
        );
        stream.record("run.decision", &facts, None);
        stream.close(0, 0);
        let report = run_report(&stream.run(), &stream.trust(), &about());
        Pdf::new(report.unwrap()).dense()
    };
    let words = "ALONE No second person agreed: whoever proposed it was alone in the workspace, and confirmed it themselves at least 24 hours later.";
    let alone = said(r#","solo":true"#);
    assert_eq!(alone.matches(&dense(words)).count(), 2, "{alone}");
    for other in ["", r#","solo":false"#] {
        assert!(!said(other).contains("ALONE"), "{other}");
    }
}
