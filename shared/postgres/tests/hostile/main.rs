//! Servers that attack: each is cut off in bounded time and memory, with an error that says why, and
//! none gets the password.
//!
//! One process and one test, because the peak memory of the whole process is measured.

#[cfg(test)]
mod server;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use counterfoil_core::ports::AppDatabase;
    use counterfoil_core::redacted::Redacted;
    use counterfoil_postgres::{Limits, Network, PgDatabase, PostgresError};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio_rustls::rustls::{ServerConfig, crypto};

    use super::server::{Act, Hostile, ask_for, columns, described, head, message, ready, row};

    const PASSWORD: &str = "s3cret-of-the-role";
    /// How long a call may take in this test; the product waits longer.
    const PATIENCE: Duration = Duration::from_secs(2);
    /// What the client may hold while a server offers gigabytes: one row of the largest size and what
    /// grows with it.
    const MEMORY: u64 = 64 << 20;

    fn database() -> PgDatabase {
        PgDatabase::new()
            .within(Network::loopback())
            .with_limits(Limits {
                lookup: PATIENCE,
                connect: PATIENCE,
                ..Limits::default()
            })
    }

    async fn attack(acts: Vec<Act>, tls: Option<&(TlsAcceptor, String)>, query: &str) -> Attack {
        let acceptor = tls.map(|(acceptor, _)| acceptor.clone());
        let server = Hostile::start(acts, acceptor).await;
        let pem = tls.map(|(_, pem)| format!("\n{pem}")).unwrap_or_default();
        let url = format!(
            "postgres://app:{PASSWORD}@localhost:{}/shop{query}{pem}",
            server.port
        );
        let begun = Instant::now();
        let Err(error) = database().inspect(&Redacted::new(url)).await else {
            panic!("it connected")
        };
        let took = begun.elapsed();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(PASSWORD), "{shown}");
        let error = error.source.unwrap();
        let error = error.downcast_ref::<PostgresError>().unwrap().clone();
        Attack {
            error,
            took,
            heard: server.heard(),
        }
    }

    struct Attack {
        error: PostgresError,
        took: Duration,
        heard: Vec<u8>,
    }

    /// The most memory that this process ever had in RAM.
    fn peak() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.unwrap().trim().trim_end_matches(" kB");
        kilobytes.trim().parse::<u64>().unwrap() * 1024
    }

    fn say(parts: &[Vec<u8>]) -> Act {
        Act::Say(parts.concat())
    }

    /// Logged in, and the first statement of the client was received.
    fn asked() -> Vec<Act> {
        vec![say(&[ask_for(0, b""), ready()]), Act::Hear]
    }

    /// The same, and the statement is about to be executed.
    fn executing() -> Vec<Act> {
        [
            asked(),
            vec![
                say(&[described(), ready()]),
                Act::Hear,
                say(&[message(b'2', b"")]),
            ],
        ]
        .concat()
    }

    fn then(mut acts: Vec<Act>, more: impl IntoIterator<Item = Act>) -> Vec<Act> {
        acts.extend(more);
        acts
    }

    /// An attack: what it is called, what the server does, what the error says.
    type Row = (&'static str, Vec<Act>, &'static str);

    fn notice() -> Vec<u8> {
        let text = [b'x'; 500];
        message(b'N', &[&b"SNOTICE\0C00000\0M"[..], &text, b"\0\0"].concat())
    }

    fn megabyte() -> Vec<u8> {
        vec![b'x'; 1 << 20]
    }

    /// Before the session.
    fn greetings() -> Vec<Row> {
        vec![
            ("garbage", vec![Act::Forever(megabyte())], "larger than any"),
            ("silence", vec![], "cannot be reached"),
            ("an end", vec![Act::Close], "cannot be reached"),
            (
                "a trickle",
                vec![Act::Trickle(vec![b'N'; 4096])],
                "cannot be reached|larger than any",
            ),
            (
                "slow log-in",
                vec![Act::Trickle(ask_for(0, &[0; 200]))],
                "cannot be reached",
            ),
            (
                "a length of zero",
                vec![say(&[head(b'S', 0)])],
                "without its length",
            ),
            (
                "a large greeting",
                vec![say(&[head(b'E', 1 << 30)]), Act::Forever(megabyte())],
                "larger than any",
            ),
            (
                "notices before the session",
                vec![say(&[ask_for(0, b"")]), Act::Forever(notice())],
                "notices without end",
            ),
            (
                "settings without end",
                vec![
                    say(&[ask_for(0, b"")]),
                    Act::Forever(message(b'S', b"a\0b\0")),
                ],
                "notices without end",
            ),
            (
                "types without end",
                vec![say(&[ask_for(0, b""), ready()]), Act::TypesWithoutEnd],
                "types without end",
            ),
            (
                "an error that quotes",
                vec![say(&[message(
                    b'E',
                    b"SFATAL\0C28P01\0Mpassword s3cret\0\0",
                )])],
                "refused the user",
            ),
        ]
    }

    /// For an answer to a question.
    fn answers() -> Vec<Row> {
        vec![
            (
                "notices for an answer",
                then(asked(), [Act::Forever(notice())]),
                "notices without end",
            ),
            (
                "a large description",
                then(
                    asked(),
                    [say(&[head(b'T', 1 << 30)]), Act::Forever(megabyte())],
                ),
                "larger than any",
            ),
            (
                "65,535 columns",
                then(asked(), [say(&[described(), columns(&vec![25; 65_535])])]),
                "larger than any",
            ),
            (
                "an answer of another kind",
                then(asked(), [say(&[message(b'C', b"OK\0"), ready()])]),
                "breaks the protocol",
            ),
            (
                "answers that nobody asked for",
                then(asked(), [Act::Forever(ready())]),
                "breaks the protocol|nobody asked for",
            ),
            (
                "a second log-in",
                then(asked(), [say(&[ask_for(3, b"")])]),
                "log in again",
            ),
        ]
    }

    /// In the middle of an execution.
    fn executions() -> Vec<Row> {
        vec![
            (
                "a row of 2 GB",
                then(
                    executing(),
                    [
                        say(&[head(b'D', i32::MAX.unsigned_abs())]),
                        Act::Forever(megabyte()),
                    ],
                ),
                "larger than any",
            ),
            (
                "a row of 16 MB",
                then(
                    executing(),
                    [say(&[head(b'D', 16 << 20)]), Act::Forever(megabyte())],
                ),
                "more than a query",
            ),
            (
                "rows without end",
                then(
                    executing(),
                    [Act::Forever(row(&[&[b'x'; 100]]).repeat(1_000))],
                ),
                "more than a query",
            ),
            (
                "tiny rows without end",
                then(executing(), [Act::Forever(row(&[]).repeat(10_000))]),
                "more than a query",
            ),
            (
                "a copy for an answer",
                then(
                    executing(),
                    [
                        say(&[message(b'H', &[0, 0, 0])]),
                        Act::Forever(message(b'd', b"x").repeat(10_000)),
                    ],
                ),
                "breaks the protocol|more than a query",
            ),
            (
                "a copy the other way",
                then(executing(), [say(&[message(b'G', &[0, 0, 0])])]),
                "breaks the protocol|in time",
            ),
            (
                "an end in the middle of a row",
                then(
                    executing(),
                    [say(&[head(b'D', 1000), vec![0; 10]]), Act::Close],
                ),
                "was lost",
            ),
            (
                "silence in the middle of a row",
                then(executing(), [say(&[head(b'D', 1000), vec![0; 10]])]),
                "in time",
            ),
            (
                "a trickle of a row",
                then(
                    executing(),
                    [say(&[head(b'D', 1000)]), Act::Trickle(vec![0; 1000])],
                ),
                "in time",
            ),
        ]
    }

    fn rows() -> Vec<Row> {
        [greetings(), answers(), executions()].concat()
    }

    #[test]
    fn every_attack_ends_in_bounded_time_and_memory() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            // What a first connection loads is not the attacker's.
            attack(vec![Act::Close], None, "").await;
            let before = peak();
            for (what, acts, expected) in rows() {
                let Attack { error, took, heard } = attack(acts, None, "").await;
                let shown = error.to_string();
                assert!(
                    expected.split('|').any(|it| shown.contains(it)),
                    "{what}: {shown}"
                );
                assert!(took < PATIENCE * 2, "{what} took {took:?}");
                assert!(!contains(&heard, PASSWORD), "{what}");
                let grown = peak() - before;
                assert!(grown < MEMORY, "{what}: {grown} bytes");
            }
            logins().await;
            encrypted().await;
        });
    }

    fn contains(bytes: &[u8], text: &str) -> bool {
        bytes.windows(text.len()).any(|it| it == text.as_bytes())
    }

    fn pieces(bytes: &[u8]) -> usize {
        bytes.split(|it| *it == b'p').count()
    }

    async fn logins() {
        for kind in [2, 3, 5, 6, 7, 8, 9] {
            let Attack { error, heard, .. } =
                attack(vec![say(&[ask_for(kind, b"salt")])], None, "").await;
            assert!(
                matches!(error, PostgresError::AuthMethod { .. }),
                "{kind}: {error}"
            );
            assert!(!contains(&heard, PASSWORD), "{kind}");
            // A message with a password begins with `p`, and so do bytes of the greeting.
            let messages = pieces(&heard);
            let startup = b"user\0app\0database\0shop\0application_name\0counterfoil";
            assert_eq!(messages, pieces(startup), "{kind}");
        }
        let plain = attack(vec![], None, "?sslmode=verify-full").await;
        assert!(
            matches!(plain.error, PostgresError::Unreachable { .. }),
            "{}",
            plain.error
        );
    }

    fn certificate() -> (TlsAcceptor, String) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let pem = made.cert.pem();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let chain = vec![CertificateDer::from(made.cert.der().to_vec())];
        let provider = Arc::new(crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        (TlsAcceptor::from(Arc::new(config)), pem)
    }

    async fn encrypted() {
        let tls = certificate();
        // Inside verified TLS the password is no more for the server's eyes than outside.
        for kind in [0, 3, 5] {
            let acts = vec![say(&[ask_for(kind, b"salt")])];
            let Attack { error, heard, .. } = attack(acts, Some(&tls), "").await;
            assert!(
                matches!(error, PostgresError::AuthMethod { .. }),
                "{kind}: {error}"
            );
            assert!(!contains(&heard, PASSWORD), "{kind}");
        }
        let unbound = vec![say(&[ask_for(10, b"SCRAM-SHA-256\0\0")])];
        let bound = attack(unbound, Some(&tls), "?channel_binding=require").await;
        assert!(
            bound.error.to_string().contains("does not bind"),
            "{}",
            bound.error
        );
        assert!(!contains(&bound.heard, "SCRAM"));
    }
}
