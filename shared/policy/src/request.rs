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
    /// In the engine's form, with the approvals that the question holds.
    real: cedar_policy::Request,
}

impl Request {
    /// Reads a question.
    ///
    /// # Errors
    /// When it does not conform to the schema, or is not in the restricted JSON.
    pub fn read(stored: Json) -> Result<Self, RequestError> {
        stored.check(MAX_DEPTH).map_err(|_| RequestError)?;
        let value: Value = serde_json::from_slice(&stored.canonical()).map_err(|_| RequestError)?;
        let uid = |name: &str| value.get(name).and_then(uid).ok_or(RequestError);
        let field = |name: &str| value.get(name).cloned().ok_or(RequestError);
        let schema = schema().ok_or(RequestError)?;
        let entities = Entities::from_json_value(field("entities")?, Some(schema));
        let (principal, action, resource) = (uid("principal")?, uid("action")?, uid("resource")?);
        let (context, whom) = (field("context")?, [&principal, &action, &resource]);
        let request = Self {
            real: conforming(schema, whom, context.clone())?,
            principal,
            action,
            resource,
            context,
            entities: entities.map_err(|_| RequestError)?,
            stored,
        };
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

    /// The question in the engine's form, with the approvals that it holds.
    pub(crate) const fn real(&self) -> &cedar_policy::Request {
        &self.real
    }

    /// The same about another action.
    pub(crate) fn twin(&self, action: &str) -> Result<cedar_policy::Request, RequestError> {
        let action = EntityUid::from_type_name_and_id(
            self.action.type_name().clone(),
            EntityId::new(action),
        );
        let context = self.real.context().ok_or(RequestError)?.clone();
        let (principal, resource) = (self.principal.clone(), self.resource.clone());
        let schema = schema().ok_or(RequestError)?;
        let twin = cedar_policy::Request::new(principal, action, resource, context, Some(schema));
        twin.map_err(|_| RequestError)
    }

    /// The same with so many approvals, in the best case: every role, nobody a proposer or an owner.
    pub(crate) fn supposing(&self, count: u8) -> Result<cedar_policy::Request, RequestError> {
        let roles: &[&str] = if count == 0 {
            &[]
        } else {
            &["approver", "admin", "owner"]
        };
        let mut context = self.context.clone();
        let base = context.get_mut("base").and_then(Value::as_object_mut);
        let approvals = json!({"count": count, "roles": roles, "self": false, "owner": false});
        base.ok_or(RequestError)?
            .insert("approvals".to_owned(), approvals);
        let schema = schema().ok_or(RequestError)?;
        let whom = [&self.principal, &self.action, &self.resource];
        conforming(schema, whom, context)
    }
}

fn conforming(
    schema: &Schema,
    [principal, action, resource]: [&EntityUid; 3],
    context: Value,
) -> Result<cedar_policy::Request, RequestError> {
    let context = Context::from_json_value(context, Some((schema, action)));
    let context = context.map_err(|_| RequestError)?;
    let (principal, action, resource) = (principal.clone(), action.clone(), resource.clone());
    cedar_policy::Request::new(principal, action, resource, context, Some(schema))
        .map_err(|_| RequestError)
}

fn uid(value: &Value) -> Option<EntityUid> {
    let text = |name: &str| value.get(name)?.as_str();
    let kind = EntityTypeName::from_str(text("type")?).ok()?;
    Some(EntityUid::from_type_name_and_id(
        kind,
        EntityId::new(text("id")?),
    ))
}
