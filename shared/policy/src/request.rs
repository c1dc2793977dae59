//! A question as it is stored: who, what, on what, and every fact that a rule may read.
//!
//! ```text
//! {"action":{"id","type"},"context":{..},"entities":[{"attrs","parents","uid"}],
//!  "principal":{"id","type"},"resource":{"id","type"}}
//! ```
//! Cedar's schema-directed JSON: references as `{"type","id"}`, times and addresses as plain text. It
//! lies in the restricted JSON of the evidence format, so it has one canonical form, and whoever has
//! that form and the bundles can judge again.

use std::str::FromStr;

use cedar_policy::{Context, Entities, EntityId, EntityTypeName, EntityUid, Schema};
use counterfoil_evidence::json::{Json, MAX_DEPTH};
use serde_json::{Value, json};
use thiserror::Error;

use crate::schema::schema;

/// The question does not conform to the schema.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the question does not fit the policy schema")]
pub struct RequestError;

/// A question that conforms to the schema.
#[derive(Debug, Clone)]
pub struct Request {
    stored: Json,
    principal: EntityUid,
    action: EntityUid,
    resource: EntityUid,
    context: Value,
    entities: Entities,
}

/// Approvals, as a fact.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Given {
    /// As the question says.
    Real,
    /// This many, in the best case: every role, nobody a proposer or an owner.
    Supposed(u8),
}

impl Request {
    /// Reads a question.
    ///
    /// # Errors
    /// When it does not conform to the schema, or is not in the restricted JSON.
    pub fn read(stored: Json) -> Result<Self, RequestError> {
        stored.check(MAX_DEPTH).map_err(|_| RequestError)?;
        let value: Value = serde_json::from_slice(&stored.canonical()).map_err(|_| RequestError)?;
        let uid = |name: &str| uid(value.get(name)?);
        let field = |name: &str| value.get(name).cloned().ok_or(RequestError);
        let schema = schema().ok_or(RequestError)?;
        let entities = Entities::from_json_value(field("entities")?, Some(schema));
        let request = Self {
            principal: uid("principal").ok_or(RequestError)?,
            action: uid("action").ok_or(RequestError)?,
            resource: uid("resource").ok_or(RequestError)?,
            context: field("context")?,
            entities: entities.map_err(|_| RequestError)?,
            stored,
        };
        request.ask(schema, None, Given::Real)?;
        // Every entity that a rule can reach must be there: a missing one is an error while judging.
        let known = |uid: &EntityUid| request.entities.get(uid).is_some();
        if known(&request.principal) && known(&request.resource) {
            Ok(request)
        } else {
            Err(RequestError)
        }
    }

    /// As it is stored.
    pub const fn stored(&self) -> &Json {
        &self.stored
    }

    /// The action's name, for example `repair.execute`.
    pub fn action(&self) -> &str {
        self.action.id().unescaped()
    }

    /// What the held action is that an approval is about, where the question is about an approval.
    pub(crate) fn held_kind(&self) -> Option<String> {
        let resource = self.entities.get(&self.resource)?;
        match resource.attr("kind")?.ok()? {
            cedar_policy::EvalResult::String(kind) => Some(kind),
            _ => None,
        }
    }

    pub(crate) const fn entities(&self) -> &Entities {
        &self.entities
    }

    /// The question in the engine's form, about `action` instead of its own where one is given.
    pub(crate) fn ask(
        &self,
        schema: &Schema,
        action: Option<&str>,
        given: Given,
    ) -> Result<cedar_policy::Request, RequestError> {
        let action = match action {
            None => self.action.clone(),
            Some(name) => {
                let id = EntityId::new(name);
                EntityUid::from_type_name_and_id(self.action.type_name().clone(), id)
            }
        };
        let mut context = self.context.clone();
        if let Given::Supposed(count) = given {
            let roles: &[&str] = if count == 0 {
                &[]
            } else {
                &["approver", "admin", "owner"]
            };
            let base = context.get_mut("base").and_then(Value::as_object_mut);
            let approvals = json!({"count": count, "roles": roles, "self": false, "owner": false});
            base.ok_or(RequestError)?
                .insert("approvals".to_owned(), approvals);
        }
        let context = Context::from_json_value(context, Some((schema, &action)));
        cedar_policy::Request::new(
            self.principal.clone(),
            action,
            self.resource.clone(),
            context.map_err(|_| RequestError)?,
            Some(schema),
        )
        .map_err(|_| RequestError)
    }
}

fn uid(value: &Value) -> Option<EntityUid> {
    let text = |name: &str| value.get(name)?.as_str();
    let kind = EntityTypeName::from_str(text("type")?).ok()?;
    Some(EntityUid::from_type_name_and_id(
        kind,
        EntityId::new(text("id")?),
    ))
}
