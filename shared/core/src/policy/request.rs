//! A question in the form in which it is judged and stored: principal, action, resource, context and
//! the entities that rules can reach (docs/policies.md, "What a rule can read").

use std::collections::BTreeSet;

use counterfoil_evidence::json::{Json, object};

use super::asking::{Approvals, Asking, Place};
use super::question::{
    BlastFacts, BundleFacts, ChangeFacts, EvidenceFacts, HeldFacts, IncidentFacts, Question,
    RepairFacts, RunActionFacts, StandingFacts,
};
use crate::ids::UserId;
use crate::money::Money;
use crate::tenancy::{Capability, Principal, Role};
use crate::time::Timestamp;

/// A thing that rules know by type and id.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entity {
    kind: &'static str,
    id: String,
    attrs: Json,
    parents: Vec<Json>,
}

impl Entity {
    fn uid(&self) -> Json {
        uid(self.kind, &self.id)
    }

    fn json(self) -> Json {
        let uid = self.uid();
        object([
            ("attrs", self.attrs),
            ("parents", Json::Array(self.parents)),
            ("uid", uid),
        ])
    }
}

fn uid(kind: &str, id: &str) -> Json {
    object([("id", id.into()), ("type", format!("CF::{kind}").into())])
}

fn nothing() -> Json {
    object::<&str>([])
}

fn user(id: UserId) -> Json {
    uid("User", &id.to_string())
}

/// A set of people: sorted, each once.
fn people(ids: &[UserId]) -> Json {
    let ids: BTreeSet<String> = ids.iter().map(ToString::to_string).collect();
    Json::Array(ids.iter().map(|id| uid("User", id)).collect())
}

fn roles(roles: &[Role]) -> Json {
    let names: BTreeSet<&str> = roles.iter().map(|role| role.name()).collect();
    Json::Array(names.into_iter().map(Json::from).collect())
}

fn long(number: u64) -> Json {
    Json::uint(number.min((1 << 53) - 1))
}

/// A time as the policy schema reads it: with three digits after the second, or none at all.
fn datetime(at: Timestamp) -> String {
    let millis = at.as_millis() % 1_000;
    let second = Timestamp::from_millis(at.as_millis().saturating_sub(millis)).to_string();
    match second.strip_suffix('Z') {
        Some(second) if millis > 0 => format!("{second}.{millis:03}Z"),
        _ => second,
    }
}

/// The stored form of a question.
pub(super) fn stored(question: &Question, asking: &Asking<'_>) -> Json {
    let place = asking.place;
    let principal = principal(asking.proposer, &place);
    let (resource, mut context) = about(question, &place);
    context.push(("base", base(asking)));
    let (who, what) = (principal.uid(), resource.uid());
    let mut entities = scope(&place);
    let about_scope = matches!(resource.kind, "Project" | "Workspace");
    entities.push(principal);
    if !about_scope {
        entities.push(resource);
    }
    // Owners of keys are referred to by value; rules do not look behind the reference.
    let entities = entities.into_iter().map(Entity::json).collect();
    object([
        ("action", uid("Action", question.action())),
        ("context", object(context)),
        ("entities", Json::Array(entities)),
        ("principal", who),
        ("resource", what),
    ])
}

/// The workspace, and the project where there is one.
fn scope(place: &Place) -> Vec<Entity> {
    let workspace = Entity {
        kind: "Workspace",
        id: place.workspace.to_string(),
        attrs: nothing(),
        parents: Vec::new(),
    };
    let project = place.project.map(|project| Entity {
        kind: "Project",
        id: project.to_string(),
        attrs: nothing(),
        parents: vec![workspace.uid()],
    });
    std::iter::once(workspace).chain(project).collect()
}

fn workspace(place: &Place) -> Json {
    uid("Workspace", &place.workspace.to_string())
}

/// What a thing of this place lies in: the project, or the workspace where it is of no project.
fn inside(place: &Place) -> Vec<Json> {
    let project = place.project.map(|id| uid("Project", &id.to_string()));
    vec![project.unwrap_or_else(|| workspace(place))]
}

fn principal(principal: &Principal, place: &Place) -> Entity {
    let machine = |capability: &Capability, owner: UserId, owner_role: &Option<Role>| {
        object([
            ("capability", capability.name().into()),
            ("owner", user(owner)),
            (
                "owner_roles",
                roles(owner_role.as_ref().map_or(&[], std::slice::from_ref)),
            ),
        ])
    };
    let (kind, attrs) = match principal {
        Principal::User { role, .. } => ("User", object([("roles", roles(&[*role]))])),
        Principal::ApiKey {
            capability,
            owner,
            owner_role,
            ..
        } => ("ApiKey", machine(capability, *owner, owner_role)),
        Principal::Agent {
            capability,
            owner,
            owner_role,
            ..
        } => ("Agent", machine(capability, *owner, owner_role)),
        Principal::Scheduler { .. } | Principal::System { .. } => ("Scheduler", nothing()),
    };
    Entity {
        kind,
        id: principal.id(),
        attrs,
        parents: vec![workspace(place)],
    }
}

fn base(asking: &Asking<'_>) -> Json {
    let place = asking.place;
    let none = Approvals::default();
    let given = asking.approvals.as_ref().unwrap_or(&none);
    let mut fields = vec![
        (
            "approvals",
            object([
                ("count", Json::uint(u64::from(given.count))),
                ("owner", given.by_owner.into()),
                ("roles", roles(&given.roles)),
                ("self", given.by_proposer.into()),
            ]),
        ),
        ("auth_age_s", long(asking.auth_age_s())),
        ("break_glass", asking.break_glass.into()),
        ("dry_run", asking.dry_run.into()),
        ("mfa", asking.second_factor().into()),
        ("now", datetime(asking.at).into()),
        ("origin", asking.origin().name().into()),
        (
            "scope",
            object([
                ("environment", place.environment().into()),
                ("frozen", place.frozen.into()),
                ("legal_hold", place.legal_hold.into()),
                ("repairs_enabled", place.repairs_enabled.into()),
            ]),
        ),
    ];
    if asking.by_approver_key() {
        fields.push(("approver_key", true.into()));
    }
    object(fields)
}

type Context = Vec<(&'static str, Json)>;

/// What a question is about, and what its context holds beside the base.
fn about(question: &Question, place: &Place) -> (Entity, Context) {
    match question {
        Question::Repair(facts) => {
            let RepairFacts {
                incident,
                change,
                standing,
                blast,
            } = facts.as_ref();
            let context = vec![
                ("blast", blast_json(*blast)),
                ("change", change_json(change)),
                ("standing", standing_json(standing)),
            ];
            (incident_entity(incident, place), context)
        }
        Question::RunAction(facts) => (
            run_action(facts, place),
            vec![("blast", blast_json(facts.blast))],
        ),
        Question::Ignore {
            incident,
            reason_chars,
            lasts_s,
        } => {
            let ignore = object([
                ("expires_in_s", long(*lasts_s)),
                ("reason_chars", long(*reason_chars)),
            ]);
            (incident_entity(incident, place), vec![("ignore", ignore)])
        }
        Question::Reopen(incident) => (incident_entity(incident, place), Vec::new()),
        Question::Vote(facts) => {
            let approval = object([
                ("digest_matches", facts.digest_matches.into()),
                ("reason_chars", long(facts.reason_chars)),
            ]);
            (held(&facts.on, place), vec![("approval", approval)])
        }
        Question::Override(facts) => {
            let terms = object([
                ("last_30d", long(facts.last_30d)),
                ("overdue_reviews", long(facts.overdue_reviews)),
                ("reason_chars", long(facts.reason_chars)),
                ("ticket", facts.ticket.into()),
            ]);
            (held(&facts.on, place), vec![("override", terms)])
        }
        Question::Review {
            on,
            own,
            reason_chars,
        } => {
            let review = object([
                ("own", (*own).into()),
                ("reason_chars", long(*reason_chars)),
            ]);
            (held(on, place), vec![("review", review)])
        }
        Question::ActivatePolicy(facts) | Question::RevokePolicy(facts) => {
            (bundle(facts, place), Vec::new())
        }
        Question::Export(facts) | Question::Erase(facts) => (evidence(facts, place), Vec::new()),
        Question::PutSecret { kind } => (secret(kind, place), Vec::new()),
        Question::CreateKey { .. }
        | Question::RevokeKey { .. }
        | Question::ChangeMember { .. }
        | Question::ChangeSetting { .. }
        | Question::RegisterPolicyKey
        | Question::ResetBreaker
        | Question::SetHold
        | Question::ReleaseHold
        | Question::Delete => (whole(question, place), administration(question)),
    }
}

/// Questions about a project or workspace as such. People and signing keys are the workspace's alone.
fn whole(question: &Question, place: &Place) -> Entity {
    let of_workspace = matches!(
        question,
        Question::ChangeMember { .. } | Question::RegisterPolicyKey
    );
    let (kind, id) = match place.project {
        Some(project) if !of_workspace => ("Project", project.to_string()),
        _ => ("Workspace", place.workspace.to_string()),
    };
    Entity {
        kind,
        id,
        attrs: nothing(),
        parents: Vec::new(),
    }
}

fn administration(question: &Question) -> Context {
    match question {
        Question::CreateKey {
            capability,
            speaks_for,
        } => {
            let mut key = vec![("capability", Json::from(*capability))];
            if let Some(person) = speaks_for {
                key.push(("speaks_for", user(*person)));
            }
            vec![("key", object(key))]
        }
        Question::RevokeKey { capability, own } => {
            let mut key = vec![("capability", Json::from(*capability))];
            if *own {
                key.push(("own", true.into()));
            }
            vec![("key", object(key))]
        }
        Question::ChangeMember {
            own,
            removes_last_owner,
            to,
        } => vec![(
            "member",
            object([
                ("removes_last_owner", (*removes_last_owner).into()),
                ("self", (*own).into()),
                ("to_role", to.map_or("none", Role::name).into()),
            ]),
        )],
        Question::ChangeSetting { name, loosening } => vec![(
            "setting",
            object([("loosening", (*loosening).into()), ("name", (*name).into())]),
        )],
        _ => Vec::new(),
    }
}

fn money(amount: Option<&Money>) -> Json {
    let (minor, currency) = match amount {
        Some(money) => (money.minor, money.currency.as_str()),
        None => (0, "none"),
    };
    object([("currency", currency.into()), ("minor", Json::Int(minor))])
}

fn incident_entity(facts: &IncidentFacts, place: &Place) -> Entity {
    Entity {
        kind: "Incident",
        id: facts.id.clone(),
        attrs: object([
            ("age_s", long(facts.age_s)),
            ("at_risk", money(facts.at_risk.as_ref())),
            ("customer", facts.customer.as_str().into()),
            ("kind", facts.kind.into()),
            ("legal_hold", facts.legal_hold.into()),
        ]),
        parents: inside(place),
    }
}

fn run_action(facts: &RunActionFacts, place: &Place) -> Entity {
    let mut params = Vec::new();
    if let Some(money) = &facts.amount {
        params.push(("amount_minor", Json::Int(money.minor)));
        params.push(("currency", money.currency.as_str().into()));
    }
    if let Some(target) = &facts.target {
        params.push(("target", target.as_str().into()));
    }
    Entity {
        kind: "RunAction",
        id: facts.id.clone(),
        attrs: object([
            ("destructive", facts.destructive.into()),
            ("kind", facts.kind.as_str().into()),
            ("params", object(params)),
            ("registered", facts.registered.into()),
        ]),
        parents: inside(place),
    }
}

fn held(facts: &HeldFacts, place: &Place) -> Entity {
    Entity {
        kind: "ProposedAction",
        id: facts.id.clone(),
        attrs: object([
            ("approvers", people(&facts.approvers)),
            ("effect", facts.effect.into()),
            ("kind", facts.kind.as_str().into()),
            ("machine", facts.machine.into()),
            ("owners", people(&facts.owners)),
            ("proposers", people(&facts.proposers)),
        ]),
        parents: inside(place),
    }
}

fn bundle(facts: &BundleFacts, place: &Place) -> Entity {
    Entity {
        kind: "Bundle",
        id: facts.digest.clone(),
        attrs: object([
            ("loosening", facts.loosening.into()),
            ("signed_by", facts.signed_by.as_str().into()),
            ("version", long(facts.version)),
        ]),
        parents: vec![workspace(place)],
    }
}

fn evidence(facts: &EvidenceFacts, place: &Place) -> Entity {
    Entity {
        kind: "Evidence",
        id: facts.id.clone(),
        attrs: object([
            ("entries", long(facts.entries)),
            ("extent", facts.extent.into()),
            ("legal_hold", facts.legal_hold.into()),
        ]),
        parents: inside(place),
    }
}

fn secret(kind: &str, place: &Place) -> Entity {
    Entity {
        kind: "Secret",
        id: kind.to_owned(),
        attrs: object([("kind", kind.into())]),
        parents: inside(place),
    }
}

fn change_json(facts: &ChangeFacts) -> Json {
    object([
        ("allowlisted", facts.allowlisted.into()),
        ("column", facts.column.as_str().into()),
        ("direction", facts.direction.into()),
        ("from", facts.from.as_str().into()),
        ("key_column", facts.key_column.as_str().into()),
        ("rows", long(facts.rows)),
        ("table", facts.table.as_str().into()),
        ("to", facts.to.as_str().into()),
        ("value_kind", facts.value_kind.into()),
    ])
}

fn standing_json(facts: &StandingFacts) -> Json {
    let known =
        |known, yes: &'static str, no: &'static str| Json::from(if known { yes } else { no });
    let mut fields = vec![
        ("backing", facts.backing.into()),
        ("confirmed", facts.confirmed.into()),
        ("identity", facts.identity.into()),
        ("livemode_matches", facts.livemode_matches.into()),
        ("mapping", known(facts.mapped, "mapped", "unmapped")),
        (
            "other_live_subscription",
            facts.other_live_subscription.into(),
        ),
        ("promise", known(facts.promise_known, "known", "unknown")),
    ];
    // Only a repair that is taken back can say so.
    if facts.kept {
        fields.push(("kept", true.into()));
    }
    object(fields)
}

fn blast_json(facts: BlastFacts) -> Json {
    object([
        ("amount_exceeded", facts.amount_exceeded.into()),
        ("breaker_open", facts.breaker_open.into()),
        ("day", long(facts.day)),
        ("day_max", long(facts.day_max)),
        ("drift_permille", long(facts.drift_permille)),
        ("drift_permille_max", long(facts.drift_permille_max)),
        ("hour", long(facts.hour)),
        ("hour_max", long(facts.hour_max)),
        ("run", long(facts.run)),
        ("run_max", long(facts.run_max)),
    ])
}
