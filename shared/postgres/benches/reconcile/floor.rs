//! What no comparison can do without: parsing both files, and copying the table out.

use std::borrow::Cow;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use memchr::memchr;
use serde::Deserialize;

use super::cost::{self, Cost};

#[derive(Deserialize)]
struct Subscription<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    customer: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    created: i64,
    trial_end: Option<i64>,
    #[serde(borrow)]
    items: Items<'a>,
}

#[derive(Deserialize)]
struct Items<'a> {
    #[serde(borrow)]
    data: Vec<Item<'a>>,
}

#[derive(Deserialize)]
struct Item<'a> {
    quantity: Option<u32>,
    #[serde(borrow)]
    price: Price<'a>,
}

#[derive(Deserialize)]
struct Price<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Customer<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    #[serde(borrow)]
    email: Option<Cow<'a, str>>,
    #[serde(borrow)]
    metadata: Metadata<'a>,
}

#[derive(Deserialize)]
struct Metadata<'a> {
    #[serde(borrow)]
    user_id: Option<Cow<'a, str>>,
}

/// Parses every line of both files into a few borrowed fields and drops them.
pub(crate) fn parse(folder: &Path) {
    lines(&folder.join("customers.ndjson"), |line| {
        let it: Customer<'_> = serde_json::from_str(line).unwrap();
        black_box((it.id, it.email, it.metadata.user_id));
    });
    lines(&folder.join("subscriptions.ndjson"), |line| {
        let it: Subscription<'_> = serde_json::from_str(line).unwrap();
        black_box((it.id, it.customer, it.status, it.created, it.trial_end));
        for item in it.items.data {
            black_box((item.quantity, item.price.id));
        }
    });
    cost::tell(0);
}

/// Copies the columns that the engine reads to nowhere.
pub(crate) fn copy(admin: &str) -> Cost {
    let statement = "\\copy (SELECT id, email, stripe_customer_id, plan, premium, trial_ends_at, \
                     seats, features FROM app_users) TO '/dev/null' (FORMAT binary)";
    let mut psql = Command::new("psql");
    psql.args(["--no-psqlrc", "--quiet", "--command", statement, admin])
        .stdout(Stdio::null());
    cost::of(&mut psql)
}

/// Hands over each line of a file.
pub(crate) fn lines(path: &Path, mut each: impl FnMut(&str)) {
    let mut file = BufReader::with_capacity(1 << 16, File::open(path).unwrap());
    let mut each = |line: &[u8]| each(std::str::from_utf8(line).unwrap());
    let mut begun: Vec<u8> = Vec::new();
    loop {
        let mut rest = file.fill_buf().unwrap();
        let length = rest.len();
        if length == 0 {
            break;
        }
        while let Some(end) = memchr(b'\n', rest) {
            let (line, behind) = rest.split_at(end + 1);
            if begun.is_empty() {
                each(line);
            } else {
                begun.extend_from_slice(line);
                each(&begun);
                begun.clear();
            }
            rest = behind;
        }
        begun.extend_from_slice(rest);
        file.consume(length);
    }
    if !begun.is_empty() {
        each(&begun);
    }
}
