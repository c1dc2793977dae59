use counterfoil_core::mapping::{Mapping, compile};

use super::*;

const MAPPING: &str = r#"
[match]
table = "public.users"
primary_key = "id"
keys = [{ stripe = "customer.id", column = "stripe_customer_id" }]
[access]
plan = { column = "plan" }
premium = { column = "premium" }
[[plans]]
name = "pro"
rank = 1
match = { price = ["price_1"] }
"#;
const HEADER: &str = "id,stripe_customer_id,plan,premium";

fn artifact() -> Artifact {
    compile(&Mapping::from_toml(MAPPING).unwrap()).unwrap()
}

/// The rows of a file with these bytes, or the error in words.
fn read_with(bytes: &[u8], delimiter: Option<u8>) -> Result<Vec<AppRow>, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    std::fs::write(&path, bytes).unwrap();
    let mut rows = Vec::new();
    let read = TableFile::open(&path, delimiter, &artifact())
        .and_then(|table| table.each(&mut |row| rows.push(row)));
    let place = folder.path().display().to_string();
    read.map(|()| rows)
        .map_err(|error| error.to_string().replace(&place, ""))
}

fn read(text: &str) -> Result<Vec<AppRow>, String> {
    read_with(text.as_bytes(), None)
}

fn row(key: &str, customer: &str, plan: &str, premium: bool) -> AppRow {
    let text = |text: &str| Cell::Text(text.to_owned());
    AppRow {
        key: text(key),
        cells: vec![text(plan), Cell::Bool(premium), text(customer)],
    }
}

#[test]
fn columns_are_found_by_name_in_any_order_among_others() {
    let rows = read("premium,password,id,plan,stripe_customer_id\nt,x,1,pro,cus_1\n").unwrap();
    assert_eq!(rows, [row("1", "cus_1", "pro", true)]);
}

#[test]
fn marks_line_ends_delimiters_and_quoted_newlines_are_understood() {
    let expected = [
        row("1", "cus_1", "pro", true),
        row("2", "cus_2", "a\nb", false),
    ];
    let unix = format!("{HEADER}\n1,cus_1,pro,true\n2,cus_2,\"a\nb\",false\n");
    for text in [
        unix.clone(),
        format!("\u{feff}{unix}"),
        format!("\u{feff}\"id\"{}", unix.strip_prefix("id").unwrap()),
        format!("{HEADER}\r\n1,cus_1,pro,true\r\n2,cus_2,\"a\nb\",false\r\n"),
        unix.replace(',', ";"),
        unix.replace(',', "\t"),
        unix.trim_end().to_owned(),
    ] {
        assert_eq!(read(&text).unwrap(), expected, "{text:?}");
    }
    let odd = unix.replace(',', "^");
    assert_eq!(read_with(odd.as_bytes(), Some(b'^')).unwrap(), expected);
}

#[test]
fn what_is_wrong_is_named_by_line_column_and_rule_without_the_value() {
    for (text, expected) in [
        (String::new(), "/users.csv is empty"),
        ("\n".to_owned(), "/users.csv is empty"),
        (
            "id,stripe_customer,plan,premum\n".to_owned(),
            "/users.csv: the mapping reads the column `premium`, which is not in the header (did you \
             mean `premum`?); the mapping reads the column `stripe_customer_id`, which is not in the \
             header (did you mean `stripe_customer`?); the header names id, stripe_customer, plan, premum",
        ),
        (
            format!("{HEADER},plan\n"),
            "/users.csv: the header names `plan` twice: remove one of them",
        ),
        (
            HEADER.replace(',', "^"),
            "/users.csv: the mapping reads the column `id`",
        ),
        (
            format!("{HEADER}\n1,cus_1,pro,true\n2,cus_2,hunter2,hunter2\n"),
            "line 3 of /users.csv, column `premium`: a flag is true or false",
        ),
        (
            format!("{HEADER}\n1,cus_1,\"a\n\nb\",true\n2,cus_2,pro,hunter2\n"),
            "line 5 of /users.csv, column `premium`: ",
        ),
        (
            format!("{HEADER}\n1,cus_1,pro,true\n2,hunter2,pro\n"),
            "line 3 of /users.csv: it has 3 values, the header names 4 columns",
        ),
        (
            format!("{HEADER}\n1,cus_1,pro,true\n1,cus_2,pro,true\n"),
            "line 3 of /users.csv: the value of the primary key `id` stands in line 2 as well",
        ),
        (
            format!("{HEADER}\n,cus_1,pro,true\n"),
            "line 2 of /users.csv, column `id`: the primary key is empty",
        ),
        (
            format!("{HEADER}\n1,cus_1,5\" hunter2,true\n2,cus_2,pro,true\n"),
            "/users.csv has an odd number of quotation marks",
        ),
    ] {
        let error = read(&text).unwrap_err();
        assert!(
            error.starts_with(expected) && !error.contains("hunter2"),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn rows_behind_an_open_quotation_mark_are_not_lost_silently() {
    let error = read("id,stripe_customer_id,premium,plan\n1,cus_1,true,\"pro\n2,cus_2,true,pro\n");
    assert!(error.unwrap_err().contains("odd number of quotation marks"));
}

#[test]
fn other_encodings_are_refused() {
    let wide: Vec<u8> = [0xff, 0xfe]
        .into_iter()
        .chain(HEADER.bytes().flat_map(|it| [it, 0]))
        .collect();
    assert!(read_with(&wide, None).unwrap_err().contains("UTF-16"));
    let mut latin = format!("{HEADER}\n1,cus_1,").into_bytes();
    latin.extend([0xe9]);
    latin.extend(b",true\n");
    let error = read_with(&latin, None).unwrap_err();
    assert!(
        error.starts_with("line 2 of /users.csv, column `plan`: it is not UTF-8"),
        "{error}"
    );
}

#[tokio::test]
async fn lookups_find_rows_by_a_column() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.csv");
    std::fs::write(
        &path,
        format!("{HEADER}\n1,cus_1,pro,true\n2,cus_2,free,false\n"),
    )
    .unwrap();
    let artifact = artifact();
    let table = TableFile::open(&path, None, &artifact).unwrap();
    let find = async |column: &str, value: &str, fold| {
        let (shape, values) = (artifact.table(), [value.to_owned()]);
        let found = table.rows_where(&shape, column, &values, fold).await;
        found.unwrap().len()
    };
    assert_eq!(find("stripe_customer_id", "cus_2", false).await, 1);
    assert_eq!(find("stripe_customer_id", "CUS_2", false).await, 0);
    assert_eq!(find("stripe_customer_id", "CUS_2", true).await, 1);
    assert_eq!(find("id", "1", false).await, 1);
}
