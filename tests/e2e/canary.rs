//! No secret leaves the place where it belongs: whatever the tests of this binary have made the
//! product answer, log and store so far is searched for every secret they gave it.

use std::io::Read;
use std::process::{Command, Stdio};

use aws_sdk_dynamodb::types::AttributeValue;
use flate2::read::MultiGzDecoder;
use serde_json::json;

use super::calls::{ballot, heard};
use super::needles::Needle;
use super::stage::{Stack, Stage, stage};
use super::tenant::{SECRET_MARK, Tenant};

const FUNCTIONS: [&str; 6] = [
    "stripe-webhook",
    "scheduled-reconcile",
    "repair-approve",
    "export",
    "api",
    "archive",
];

/// Something that was searched.
struct Searched {
    place: String,
    bytes: Vec<u8>,
}

#[test]
fn no_secret_is_found_where_it_does_not_belong() {
    let stage = stage();
    stage.run(async {
        let tenant = stage.tenant().await;
        story(stage, &tenant).await;
        let needles = needles(stage, &tenant);
        let mut hay = tables(&stage.main).await;
        hay.extend(objects(&stage.main).await);
        for function in FUNCTIONS {
            let lines = stage.main.logged(function).await.join("\n");
            let place = format!("log of {function}");
            hay.push(Searched {
                place,
                bytes: lines.into_bytes(),
            });
        }
        for (place, text) in heard() {
            hay.push(Searched {
                place,
                bytes: text.into_bytes(),
            });
        }
        // A search that looks at nothing finds nothing: each place held something.
        for kind in ["table", "object", "log", "answer"] {
            let found = hay
                .iter()
                .any(|it| it.place.starts_with(kind) && it.bytes.len() > 100);
            assert!(found, "nothing was searched: {kind}");
        }
        for Searched { place, bytes } in &hay {
            for needle in &needles {
                if let Some(form) = needle.found_in(bytes) {
                    panic!("{} found as {form} in {place}", needle.kind);
                }
            }
        }
        eprintln!(
            "canary: {} secrets, {} places, {} KiB: 0 hits",
            needles.len(),
            hay.len(),
            hay.iter().map(|it| it.bytes.len()).sum::<usize>() / 1024
        );
    });
}

/// Uses every secret of a tenant: a delivery of Stripe, a scan, a repair, packages, and requests that
/// go wrong.
async fn story(stage: &Stage, tenant: &Tenant) {
    let (customer, _) = stage.drifted("paid_no_access");
    let incident = stage.found(tenant, &customer).await;
    let action = stage.propose(tenant, &incident).await;
    stage.vote(&action, &tenant.ben, "approve").await;
    assert_eq!(stage.webhook(tenant, &customer).await.status, 200);
    let export = stage
        .exported(&tenant.ada, &json!({ "all": true, "inputs": true }))
        .await;
    for part in ["package", "report"] {
        stage.fetched(&tenant.ada, &export, part).await;
    }
    let wrong = ballot(&action, "approve");
    let keys = [
        &tenant.ada,
        &tenant.ben,
        &tenant.repair_key,
        &tenant.read_key,
    ];
    for key in keys {
        // In a place where it must not be, and with a letter changed.
        let path = format!("/v1/incidents?key={key}");
        let answer = stage
            .call("GET", &path, Some(key), None, &json!(null))
            .await;
        assert_eq!(answer.status, 400, "{}", answer.text);
        let mut broken = key.clone();
        broken.pop();
        let path = "/v1/approvals";
        let answer = stage.call("POST", path, Some(&broken), None, &wrong).await;
        assert!((400..500).contains(&answer.status), "{}", answer.text);
    }
}

fn needles(stage: &Stage, tenant: &Tenant) -> Vec<Needle> {
    // The mark is in every password, signing secret and wrong key of every tenant.
    let mut needles = vec![Needle::new("a password or signing secret", SECRET_MARK)];
    let keys = [
        &tenant.ada,
        &tenant.ben,
        &tenant.repair_key,
        &tenant.read_key,
    ];
    for key in keys {
        let (_, secret) = key.rsplit_once('_').unwrap();
        needles.push(Needle::new("an API key", secret));
    }
    let stripe = stage.stripe.keys();
    assert!(!stripe.is_empty());
    for key in stripe {
        let (_, secret) = key.rsplit_once('_').unwrap();
        needles.push(Needle::new("a Stripe key", secret));
    }
    needles
}

async fn tables(stack: &Stack) -> Vec<Searched> {
    let client = &stack.clients.dynamodb;
    let mut found = Vec::new();
    let mut tables = client.list_tables().into_paginator().items().send();
    while let Some(table) = tables.next().await {
        let table = table.unwrap();
        let mut items = client
            .scan()
            .table_name(&table)
            .into_paginator()
            .items()
            .send();
        while let Some(item) = items.next().await {
            let mut bytes = Vec::new();
            for (name, value) in item.unwrap() {
                bytes.extend_from_slice(name.as_bytes());
                bytes.push(b'=');
                flatten(&value, &mut bytes);
                bytes.push(b'\n');
            }
            let place = format!("table {table}");
            found.push(Searched { place, bytes });
        }
    }
    found
}

fn flatten(value: &AttributeValue, out: &mut Vec<u8>) {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => out.extend_from_slice(text.as_bytes()),
        AttributeValue::B(blob) => out.extend_from_slice(blob.as_ref()),
        AttributeValue::L(list) => list.iter().for_each(|value| flatten(value, out)),
        AttributeValue::M(map) => map.values().for_each(|value| flatten(value, out)),
        other => out.extend_from_slice(format!("{other:?}").as_bytes()),
    }
}

async fn objects(stack: &Stack) -> Vec<Searched> {
    let client = &stack.clients.s3;
    let mut found = Vec::new();
    let buckets = client.list_buckets().send().await.unwrap();
    for bucket in buckets.buckets() {
        let bucket = bucket.name().unwrap();
        let mut pages = client
            .list_objects_v2()
            .bucket(bucket)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for object in page.unwrap().contents() {
                let key = object.key().unwrap();
                let got = client.get_object().bucket(bucket).key(key).send().await;
                // Another test may have deleted it meanwhile.
                let Ok(got) = got else { continue };
                let bytes = got.body.collect().await.unwrap().to_vec();
                found.extend(opened(&format!("object {bucket}/{key}"), bytes));
            }
        }
    }
    found
}

/// The bytes, and what is packed in them.
fn opened(place: &str, bytes: Vec<u8>) -> Vec<Searched> {
    let mut found = Vec::new();
    if bytes.starts_with(b"%PDF") {
        let place = format!("{place} (text)");
        found.push(Searched {
            place,
            bytes: pdf_text(&bytes),
        });
    }
    // Members of archives are packed one by one.
    for start in memchr::memmem::find_iter(&bytes, b"\x1f\x8b\x08") {
        let mut inner = Vec::new();
        if MultiGzDecoder::new(&bytes[start..])
            .read_to_end(&mut inner)
            .is_ok()
            || !inner.is_empty()
        {
            let place = format!("{place} (unpacked)");
            found.push(Searched {
                place,
                bytes: inner,
            });
        }
    }
    found.push(Searched {
        place: place.to_owned(),
        bytes,
    });
    found
}

fn pdf_text(bytes: &[u8]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.pdf");
    std::fs::write(&file, bytes).unwrap();
    let text = Command::new("pdftotext")
        .arg(&file)
        .arg("-")
        .stderr(Stdio::null())
        .output();
    let text = text.expect("pdftotext, of Debian's poppler-utils");
    assert!(!text.stdout.is_empty(), "a report without text");
    text.stdout
}
