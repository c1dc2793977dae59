//! Everything that the product has stored: each row of each table, each object of each bucket, each
//! message that nobody could work on. For searches after what must not be there.

use std::io::Read;
use std::process::{Command, Stdio};

use aws_sdk_dynamodb::types::AttributeValue;
use flate2::read::MultiGzDecoder;

use super::stage::Stack;

/// Something that was searched.
pub(crate) struct Searched {
    /// `table`, `object` or `dead letter`, and which.
    pub(crate) place: String,
    pub(crate) bytes: Vec<u8>,
}

impl Searched {
    pub(crate) fn has(&self, word: &str) -> bool {
        memchr::memmem::find(&self.bytes, word.as_bytes()).is_some()
    }
}

/// The emulator's own view of a deployment's account.
pub(crate) async fn everything(stack: &Stack) -> Vec<Searched> {
    let mut found = tables(stack).await;
    found.extend(objects(stack).await);
    found.extend(dead_letters(stack).await);
    found
}

/// What lies in the queues of messages that failed; looking changes nothing about them. A message of
/// another queue cannot be looked at without taking it from whoever works on it.
async fn dead_letters(stack: &Stack) -> Vec<Searched> {
    let client = &stack.clients.sqs;
    let mut found = Vec::new();
    let queues = client.list_queues().send().await.unwrap();
    for url in queues.queue_urls() {
        if !url.contains("DeadLetters") {
            continue;
        }
        let some = client.receive_message().queue_url(url);
        let some = some.max_number_of_messages(10).visibility_timeout(0);
        for message in some.send().await.unwrap().messages() {
            found.push(Searched {
                place: format!("dead letter {url}"),
                bytes: message.body().unwrap_or_default().as_bytes().to_vec(),
            });
        }
    }
    found
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
            let item = item.unwrap();
            let mut place = format!("table {table}");
            for key in ["pk", "sk", "stream", "seq"] {
                if let Some(AttributeValue::S(at) | AttributeValue::N(at)) = item.get(key) {
                    place = format!("{place} {at}");
                }
            }
            let mut bytes = Vec::new();
            flatten(&AttributeValue::M(item), &mut bytes);
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
        AttributeValue::M(map) => {
            for (name, value) in map {
                out.extend_from_slice(name.as_bytes());
                out.push(b'=');
                flatten(value, out);
                out.push(b'\n');
            }
        }
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
