//! How large a report may get: what it costs is printed, that it works is asserted.

use std::fs;
use std::time::Instant;

use counterfoil_report::{MAX_ROWS, RunRow, delivery_report, run_report};

use crate::delivery::Made;
use crate::forge::{Stream, about, digest};
use crate::tools::{Pdf, dense};

/// Most memory this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn five_thousand_rows_are_one_sound_file_and_the_rest_is_counted() {
    let mut made = Made::new();
    let at = made.accepted.sealed_at;
    made.runs = (0..MAX_ROWS + 7)
        .map(|row| RunRow {
            run: format!("run_01M8A2H98X987W94EW39{row:06}"),
            at,
            purpose: "check".to_owned(),
            status: Some("completed".to_owned()),
            decisions: (1, 2, 3),
            answer: None,
        })
        .collect();
    let before = peak();
    let start = Instant::now();
    let bytes = delivery_report(&made.delivery()).unwrap();
    let took = start.elapsed();
    println!(
        "{MAX_ROWS} rows: {} KiB, {took:?}, peak {} KiB, {} KiB before",
        bytes.len() / 1_024,
        peak(),
        before
    );
    let pdf = Pdf::new(bytes);
    pdf.assert_sound();
    let text = pdf.dense();
    for row in [0, 1, MAX_ROWS / 2, MAX_ROWS - 1] {
        assert!(
            text.contains(&format!("run_01M8A2H98X987W94EW39{row:06}")),
            "{row}"
        );
    }
    assert!(!text.contains(&format!("run_01M8A2H98X987W94EW39{MAX_ROWS:06}")));
    assert!(text.contains(&dense("7 more are in index.csv")));
    assert!(text.contains(&dense(&format!("page {0} of {0}", pdf.pages()))));
}

#[test]
fn a_run_of_many_decisions_names_every_one() {
    let mut stream = Stream::new();
    stream.open("usr_1");
    for n in 0..200 {
        let rule = format!("ws.rule-{n:04}");
        stream.decide('2', "DENY", &rule, &format!("Reason number {n:04}."));
    }
    stream.close(0, 0);
    let package = stream.run();
    let start = Instant::now();
    let bytes = run_report(&package, &stream.trust(), &about()).unwrap();
    println!(
        "200 decisions: {} KiB, {:?}",
        bytes.len() / 1_024,
        start.elapsed()
    );
    let pdf = Pdf::new(bytes);
    pdf.assert_sound();
    let text = pdf.dense();
    for n in 0..200 {
        assert!(
            text.contains(&format!("Rulews.rule-{n:04}Reason“Reasonnumber{n:04}.”")),
            "{n}"
        );
    }
    assert!(text.contains(&digest('2')));
}
