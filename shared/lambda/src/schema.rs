//! Schemas that the documents of all functions share: ids, times, money, open sets of words.
//!
//! The core knows nothing of documents. A view names one of these with `#[schema(value_type = ...)]`
//! where its field has a type of the core. Nothing here has a value.

use std::borrow::Cow;

use serde_json::json;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{RefOr, RefOr::T};
use utoipa::{IntoParams, PartialSchema, ToSchema};

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(SchemaType::Type(Type::String))
}

macro_rules! ids {
    ($($(#[doc = $doc:literal])* $name:ident = $prefix:literal,)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let pattern = concat!("^", $prefix, "_[0-7][0-9A-HJKMNP-TV-Z]{25}$");
                    let example = concat!($prefix, "_01KAJ4Q0Z8X7T9V3M5N2P6R4S1");
                    T(Schema::Object(
                        text().pattern(Some(pattern)).examples([json!(example)]).build(),
                    ))
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )*
    };
}

ids! {
    /// A tenant.
    WorkspaceId = "ws",
    /// One Stripe account and one database inside a workspace.
    ProjectId = "prj",
    /// One execution with its record.
    RunId = "run",
    /// A repair that was proposed.
    ActionId = "act",
    /// A judgement.
    DecisionId = "dec",
    /// A difference between promise and grant.
    IncidentId = "inc",
    /// An evidence package that was asked for.
    ExportId = "exp",
    /// An API key.
    KeyId = "key",
    /// A person.
    UserId = "usr",
    /// A legal hold.
    HoldId = "hld",
    /// An invitation to a workspace.
    InvitationId = "inv",
    /// A credential that is stored sealed.
    SecretId = "sec",
}

macro_rules! digests {
    ($($(#[doc = $doc:literal])* $name:ident,)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let example = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
                    T(Schema::Object(
                        text()
                            .pattern(Some("^sha256:[0-9a-f]{64}$"))
                            .examples([json!(example)])
                            .build(),
                    ))
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )*
    };
}

digests! {
    /// What names a mapping: SHA-256 of its compiled form.
    MappingHash,
    /// What names a policy bundle: SHA-256 of its canonical manifest.
    BundleDigest,
    /// A SHA-256.
    Digest,
}

/// A time: RFC 3339 in UTC, with `Z`.
#[derive(Debug)]
pub enum Time {}

impl PartialSchema for Time {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::DateTime);
        let example = json!("2026-11-23T14:05:09.250Z");
        T(Schema::Object(
            text().format(Some(format)).examples([example]).build(),
        ))
    }
}

impl ToSchema for Time {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Time")
    }
}

macro_rules! texts {
    ($($(#[doc = $doc:literal])* $name:ident: $least:literal..=$most:literal, $pattern:literal, $example:literal;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            pub enum $name {}

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let text = text().min_length(Some($least)).max_length(Some($most));
                    let text = text.pattern(Some($pattern)).examples([json!($example)]);
                    T(Schema::Object(text.build()))
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )*
    };
}

texts! {
    /// A name that people give: no control characters, and not spaces alone.
    Name: 1..=100,
        r"^[^\u0000-\u001F\u007F-\u009F]*[^\s\u0000-\u001F\u007F-\u009F][^\u0000-\u001F\u007F-\u009F]*$",
        "Checkout";
    /// Why, in 10 characters or more without the spaces around them.
    Reason: 10..=1000, r"\S[\s\S]{8,}\S", "The customer paid yesterday, see the invoice";
    /// An e-mail address, as far as it can be told.
    EmailAddress: 3..=254, "^[!-~]+@[!-?A-~]+$", "ada@example.com";
}

/// `true`, and nothing else.
#[derive(Debug)]
pub enum True {}

impl PartialSchema for True {
    fn schema() -> RefOr<Schema> {
        let word = ObjectBuilder::new().schema_type(SchemaType::Type(Type::Boolean));
        T(Schema::Object(word.enum_values(Some([true])).build()))
    }
}

impl ToSchema for True {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("True")
    }
}

/// An amount of money.
#[derive(Debug, ToSchema)]
pub struct Money {
    /// Minor units (cents, or whole yen).
    #[schema(minimum = 0, examples(4900))]
    pub minor: i64,
    /// Lower-case ISO 4217 code.
    #[schema(examples("eur"))]
    pub currency: String,
}

/// A word of an open set: readers must accept words that they do not know.
pub fn words(known: &[&str]) -> RefOr<Schema> {
    let more: Extensions = [("x-extensible-enum", json!(known))].into_iter().collect();
    let examples: Vec<_> = known.iter().take(1).map(|word| json!(word)).collect();
    T(Schema::Object(
        text().extensions(Some(more)).examples(examples).build(),
    ))
}

/// One of these words, and no other.
pub fn one_of(words: &[&str]) -> RefOr<Schema> {
    T(Schema::Object(
        text().enum_values(Some(words.iter().copied())).build(),
    ))
}

/// Defines a schema of a word of an open set.
#[macro_export]
macro_rules! open_words {
    ($($(#[doc = $doc:literal])* $vis:vis $name:ident: $($word:literal),+;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            $vis enum $name {}

            impl utoipa::PartialSchema for $name {
                fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                    $crate::schema::words(&[$($word),+])
                }
            }

            impl utoipa::ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    std::borrow::Cow::Borrowed(stringify!($name))
                }
            }
        )*
    };
}

/// The header that makes a repeated request the same request.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// 1 to 255 characters of your own choice. The same key with the same body is the same request;
    /// with another body it is refused.
    #[param(
        rename = "Idempotency-Key",
        min_length = 1,
        max_length = 255,
        pattern = "^[!-~]{1,255}$",
        example = "4f9d2c1e-order-1"
    )]
    pub key: String,
}

/// The header that says which version of a record was displayed.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// The `ETag` of the record that was displayed.
    #[param(rename = "If-Match", pattern = "^\"[0-9]{1,19}\"$", example = "\"3\"")]
    pub etag: String,
}

/// The same header where a request may go without it.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub struct OptionalIfMatch {
    /// The `ETag` of the record that was displayed.
    #[param(rename = "If-Match", pattern = "^\"[0-9]{1,19}\"$", example = "\"3\"")]
    pub etag: Option<String>,
}
