//! A second DynamoDB, by other authors: what both emulators agree on is the best that can be had
//! without AWS. Nothing depends on it: where `dynoxide` is not on the path, its tests say so and end.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableOutput;
use aws_sdk_dynamodb::types::{BillingMode, GlobalSecondaryIndex};
use counterfoil_aws::Clients;

const PROGRAM: &str = "dynoxide";
/// Ends the server when the pipe from this process closes.
const LIFELINE: &str = r#""$@" & server=$!; read _; kill $server; wait $server"#;
const POLL: Duration = Duration::from_millis(20);

/// A running server with an empty database in memory. It ends with this process.
pub(crate) struct Second {
    endpoint: String,
    shell: Child,
}

impl Second {
    /// `None` where the program is not installed.
    pub(crate) fn start() -> Option<Self> {
        let version = Command::new(PROGRAM).arg("--version").output();
        if version.is_err() {
            eprintln!("{PROGRAM} is not on the path: nothing runs against a second DynamoDB");
            return None;
        }
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let mut shell = Command::new("/bin/sh")
            .args(["-c", LIFELINE, "sh", PROGRAM, "--log", "quiet"])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert!(shell.try_wait().unwrap().is_none(), "{PROGRAM} has ended");
            std::thread::sleep(POLL);
        }
        let endpoint = format!("http://127.0.0.1:{port}");
        Some(Self { endpoint, shell })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Makes every table of `from`, which has them from the template. Streams, recovery and
    /// encryption are left out: the second server knows no such thing, or nothing here needs it.
    pub(crate) async fn copy_tables(&self, from: &Client) {
        let here = Clients::for_endpoint(&self.endpoint, "test").await.dynamodb;
        let tables = from.list_tables().send().await.unwrap();
        for name in tables.table_names() {
            let found = from.describe_table().table_name(name).send().await.unwrap();
            copy_table(&here, found).await;
        }
    }
}

async fn copy_table(to: &Client, found: DescribeTableOutput) {
    let table = found.table.unwrap();
    let indexes = table.global_secondary_indexes.unwrap_or_default();
    let indexes = indexes.into_iter().map(|index| {
        GlobalSecondaryIndex::builder()
            .set_index_name(index.index_name)
            .set_key_schema(index.key_schema)
            .set_projection(index.projection)
            .build()
            .unwrap()
    });
    let indexes: Vec<_> = indexes.collect();
    to.create_table()
        .set_table_name(table.table_name)
        .set_key_schema(table.key_schema)
        .set_attribute_definitions(table.attribute_definitions)
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .billing_mode(BillingMode::PayPerRequest)
        .send()
        .await
        .unwrap();
}

impl Drop for Second {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // A shell that cannot be waited for is already gone.
        let _ = self.shell.wait();
    }
}
