//! The words that the reports use.

use crate::flow::Flow;
use crate::style::Style;
use crate::table::Field;

/// The words that the report uses.
pub(crate) fn glossary(flow: &mut Flow<'_>) {
    flow.heading(2, "Glossary");
    let words = [
        (
            "Action",
            "Something proposed: for example the change of one database row. Its digest binds approvals and effects to exactly this change.",
        ),
        (
            "Anchor",
            "Something outside that the operator cannot change: a seal kept by you, an earlier package, a witness, a time stamp. It makes it visible if history is rewritten or cut short.",
        ),
        (
            "Approval",
            "The yes of a person, bound to the digest of what that person was shown.",
        ),
        (
            "Break-glass",
            "The emergency way past a required approval. It needs a reason and is marked as an override for ever.",
        ),
        ("Bundle", "A signed set of policies, named by its digest."),
        (
            "Decision",
            "What policy said about an action before it happened: ALLOW (may happen), REQUIRE (needs approval first) or DENY (must not happen).",
        ),
        (
            "Digest",
            "A fingerprint of 64 hexadecimal digits (SHA-256). Whoever changes one bit gets another fingerprint.",
        ),
        (
            "Entry",
            "One record of the stream. Its facts stay for ever; its contents about people can be erased.",
        ),
        (
            "Erased",
            "The contents were deleted on request or after their time. The fingerprint stays, so the proof holds although nobody can read the contents any more.",
        ),
        (
            "Flow version",
            "The fingerprint of everything that determines what a run does: mapping, policies, versions of the connectors.",
        ),
        ("Grant", "What the app's database lets a customer use."),
        (
            "Incident",
            "A difference between promise and grant, from the day it was found to the day it ended.",
        ),
        ("Promise", "What a customer is owed according to billing."),
        (
            "Repair",
            "The change of one row, so that the grant is the promise again.",
        ),
        (
            "Run",
            "One execution, from its opening to its close, with all decisions between.",
        ),
        (
            "Seal",
            "A signed statement about the stream at one size. What it covers cannot be changed unseen.",
        ),
        (
            "Stream",
            "The chain of all entries of one project. Each entry names the fingerprint of the one before.",
        ),
        (
            "U+…",
            "A character that this font cannot show, or that would mislead, is printed as its code point. The attached JSON has the character itself.",
        ),
    ];
    flow.fields(words.map(|(word, means)| Field {
        name: vec![Style::Small.strong(word)],
        value: vec![Style::Small.span(means)],
    }));
}
