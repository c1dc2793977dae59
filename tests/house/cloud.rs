//! template.yaml as data: the short tags of CloudFormation (`!Ref`, `!GetAtt` ...) in their long form.

use std::path::Path;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The whole template.
pub(crate) fn template() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../template.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let documents = Yaml::load_from_str(&text).unwrap();
    let [document] = documents.as_slice() else {
        panic!("one document")
    };
    value(document)
}

/// Resources of a type by their name.
pub(crate) fn resources<'a>(
    template: &'a Value,
    kind: &'a str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let all = template["Resources"].as_object().unwrap().iter();
    all.filter(move |(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), &resource["Properties"]))
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => self::scalar(scalar),
        Yaml::Representation(text, ..) => json!(text),
        Yaml::Sequence(items) => items.iter().map(value).collect(),
        Yaml::Mapping(pairs) => {
            let pair = |(key, item)| (text(key), value(item));
            Value::Object(pairs.iter().map(pair).collect::<Map<_, _>>())
        }
        Yaml::Tagged(tag, inner) => tagged(&tag.suffix, value(inner)),
        Yaml::Alias(_) | Yaml::BadValue => panic!("no plain YAML"),
    }
}

fn scalar(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(flag) => json!(flag),
        Scalar::Integer(number) => json!(number),
        Scalar::FloatingPoint(_) => panic!("the template has no fractions"),
        Scalar::String(text) => json!(text),
    }
}

fn text(yaml: &Yaml<'_>) -> String {
    match value(yaml) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn tagged(tag: &str, inner: Value) -> Value {
    match (tag, inner) {
        ("GetAtt", Value::String(text)) => {
            let (of, attribute) = text.split_once('.').unwrap();
            json!({ "Fn::GetAtt": [of, attribute] })
        }
        ("Ref" | "Condition", inner) => json!({ tag: inner }),
        (_, inner) => json!({ format!("Fn::{tag}"): inner }),
    }
}

#[test]
fn the_template_is_read_with_its_references() {
    let template = template();
    let evidence = &template["Resources"]["Evidence"]["Properties"];
    assert_eq!(evidence["DeletionProtectionEnabled"], json!(true));
    let role = &template["Resources"]["Archive"]["Properties"]["Role"];
    assert_eq!(role, &json!({ "Fn::GetAtt": ["ArchiveRole", "Arn"] }));
    assert!(resources(&template, "AWS::Serverless::Function").count() >= 6);
}
