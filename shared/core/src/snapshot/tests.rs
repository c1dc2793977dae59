use super::*;
use crate::listing;
use crate::ports::{AppInspector, Billing, CreatedRange};

fn look() -> Look {
    let at = Timestamp::from_millis(1);
    Look {
        format: FORMAT.to_owned(),
        project: ProjectId::new(at, 1),
        run: RunId::new(at, 2),
        scope: RunScope::Scan,
        as_of: at,
        livemode: true,
        known: None,
    }
}

fn customer(id: &str) -> Customer {
    Customer {
        id: id.to_owned(),
        email: Some("ada@example.com".to_owned()),
        ..Customer::default()
    }
}

fn snapshot(lines: &[Line]) -> Vec<u8> {
    let mut writer = Writer::new(&look());
    for line in lines {
        writer.line(line);
    }
    writer.finish().unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(text).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn it_answers_what_was_asked_in_the_order_in_which_it_was_asked() {
    let lines = [
        Line::Catalog(Catalog::default()),
        Line::Customer(customer("cus_1")),
        Line::Customer(customer("cus_2")),
        Line::CustomerAsked {
            id: "cus_3".to_owned(),
            answer: None,
        },
    ];
    let (seen, replay) = Replay::open(snapshot(&lines)).unwrap();
    assert_eq!(seen, look());
    assert_eq!(replay.catalog(true).await.unwrap(), Catalog::default());
    let mut ids = Vec::new();
    let all = CreatedRange::before(2);
    listing::customers(&replay, all, &mut |it| ids.push(it.id))
        .await
        .unwrap();
    assert_eq!(ids, ["cus_1", "cus_2"]);
    assert!(replay.customer("cus_3").await.unwrap().is_none());
    assert!(replay.customer("cus_3").await.is_err(), "asked once");
}

#[tokio::test]
async fn lists_come_back_page_by_page_one_after_the_other() {
    let mut lines: Vec<Line> = (0..250)
        .map(|number| Line::Customer(customer(&format!("cus_{number}"))))
        .collect();
    let invoice = Invoice {
        id: "in_1".to_owned(),
        subscription: Some("sub_1".to_owned()),
        ..Invoice::default()
    };
    lines.push(Line::OpenInvoice(invoice.clone()));
    lines.push(Line::OpenInvoicesAsked {
        customer: "cus_1".to_owned(),
        answer: vec![invoice.clone()],
    });
    let (_, replay) = Replay::open(snapshot(&lines)).unwrap();
    let all = CreatedRange::before(2);
    let mut ids = Vec::new();
    listing::customers(&replay, all, &mut |it| ids.push(it.id))
        .await
        .unwrap();
    assert_eq!((ids.len(), ids[249].as_str()), (250, "cus_249"));
    let mut subscriptions = 0;
    listing::subscriptions(&replay, all, &mut |_| subscriptions += 1)
        .await
        .unwrap();
    assert_eq!(subscriptions, 0, "there were none");
    let page = replay.open_invoice_page(all, None).await.unwrap();
    assert_eq!((page.data, page.next), (vec![invoice.clone()], None));
    assert!(replay.open_invoices_of("cus_2").await.is_err());
}

#[tokio::test]
async fn another_question_than_the_one_that_was_asked_gets_no_answer() {
    let asked = Line::RowsAsked {
        column: "id".to_owned(),
        values: vec!["u1".to_owned()],
        answer: Vec::new(),
    };
    let table = crate::cell::TableShape {
        schema: "public".to_owned(),
        table: "users".to_owned(),
        key: "id".to_owned(),
        columns: Vec::new(),
    };
    for (column, value, answered) in [("id", "u1", true), ("id", "u2", false), ("x", "u1", false)] {
        let (_, replay) = Replay::open(snapshot(std::slice::from_ref(&asked))).unwrap();
        let values = [value.to_owned()];
        let answer = replay.rows_where(&table, column, &values, false).await;
        assert_eq!(answer.is_ok(), answered, "{column} {value}");
    }
}

#[test]
fn what_is_no_snapshot_is_refused() {
    let good = snapshot(&[]);
    assert!(findings(&good).unwrap().is_empty());
    assert!(matches!(findings(b"{}"), Err(SnapshotError::Damaged(_))));
    let cut = &good[..good.len() - 9];
    assert!(matches!(findings(cut), Err(SnapshotError::Damaged(_))));
    assert!(matches!(findings(&gzip(b"")), Err(SnapshotError::Format)));
    let no_json = gzip(b"not json\n");
    let refused = findings(&no_json).unwrap_err();
    assert!(matches!(refused, SnapshotError::Shape { line: 1, .. }));
    let mut other = look();
    other.format = "counterfoil.snapshot/2".to_owned();
    let other = Writer::new(&other).finish().unwrap();
    assert!(matches!(findings(&other), Err(SnapshotError::Format)));
}

#[test]
fn an_error_names_the_line_and_nothing_of_it() {
    let text = serde_json::to_string(&Line::Look(look())).unwrap();
    let broken = gzip(format!("{text}\n{{\"customer\":\"ada@example.com\"}}\n").as_bytes());
    let refused = findings(&broken).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "line 2 of the snapshot is not of this format"
    );
}
