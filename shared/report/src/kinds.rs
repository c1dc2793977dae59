//! The kinds of entries in words (evidence-format section 6).

/// What an entry of this kind records; empty for a kind that this version does not know.
pub(crate) fn meaning(kind: &str) -> &'static str {
    match kind {
        "genesis" => "the first entry: it names the first sealing keys",
        "stream.close" => "the stream ended",
        "key.rotate" => "the sealing key was changed",
        "redact" => "contents about people were erased",
        "hold.set" => "a legal hold began",
        "hold.release" => "a legal hold ended",
        "export.issued" => "evidence was handed out",
        "policy.activated" => "a policy came into force",
        "policy.revoked" => "a policy was withdrawn",
        "run.open" => "a run began",
        "run.decision" => "policy judged an action",
        "run.resolution" => "a held decision was answered",
        "run.action" => "an action was carried out, or failed",
        "run.close" => "a run ended",
        "repair.started" => "a repair began",
        "repair.executed" => "a repair changed its row",
        "repair.failed" => "a repair failed",
        "repair.verified" => "both sides were read again after a repair",
        "incident.opened" => "an incident was opened",
        "incident.changed" => "an incident was changed",
        "incident.ignored" => "an incident was set aside by a person",
        "incident.resolved" => "an incident ended",
        "access.granted" => "somebody got access to the product",
        "access.changed" => "somebody's access was changed",
        "access.revoked" => "somebody's access ended",
        "config.changed" => "a configuration was changed",
        "secret.changed" => "a credential was replaced",
        "snapshot.pruned" => "a snapshot was deleted after its time",
        "project.deleted" => "a project was deleted",
        "workspace.deleted" => "a workspace was deleted",
        "observation.recorded" => "something was seen, served or acknowledged",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use counterfoil_evidence::kind::Kind;

    use super::meaning;

    #[test]
    fn every_kind_of_the_format_has_words() {
        for kind in Kind::ALL {
            assert!(!meaning(kind.name()).is_empty(), "{}", kind.name());
        }
    }
}
