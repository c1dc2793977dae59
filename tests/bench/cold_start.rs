//! How long each function takes from the start of its process to its first request for an event,
//! beside one that does nothing, and what its binary weighs:
//!
//! ```sh
//! cargo build --release --workspace --bins
//! cargo build --release -p counterfoil-lambda --example hello_world
//! cargo test -p counterfoil-tests --test cold-start -- --nocapture
//! ```
//!
//! AWS adds its own part (fetching the code, starting the sandbox), which is not measured here: only
//! the ratios carry over. Whether a binary has the policy engine in it is read from its bytes, and
//! those that have no business with it must not.

#[cfg(test)]
mod cold {
    use std::collections::BTreeMap;
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use counterfoil_lambda::config::Var;
    use counterfoil_local::FUNCTIONS;
    use flate2::Compression;
    use flate2::write::DeflateEncoder;

    const ROUNDS: usize = 21;
    /// Functions that judge nothing.
    const WITHOUT_ENGINE: [&str; 3] = ["stripe-webhook", "archive", "scheduled-reconcile"];
    /// In every binary that has the engine: a place in its source, which a panic would name.
    const ENGINE: &[u8] = b"cedar-policy-core-";

    fn release() -> PathBuf {
        let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
        let usual = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
        target.unwrap_or_else(usual).join("release")
    }

    /// Every variable of the product has a value of the right form; nothing of it is asked.
    fn settings() -> BTreeMap<&'static str, String> {
        let mut settings = BTreeMap::new();
        for variable in Var::ALL {
            let name = variable.name();
            let of = |part: &str| name.contains(part);
            let value = match name {
                _ if of("OIDC") || of("STRIPE") || of("DATABASE") || of("RETIRING") => continue,
                _ if of("URL") => "https://sqs.us-east-1.amazonaws.com/111122223333/q".to_owned(),
                _ if of("SECONDS") || of("MINUTE") => "5".to_owned(),
                "AWS_LAMBDA_RUNTIME_API" => continue,
                _ => format!("bench-{}", name.to_lowercase().replace('_', "-")),
            };
            settings.insert(name, value);
        }
        for (name, value) in [
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
        ] {
            settings.insert(name, value.to_owned());
        }
        settings
    }

    /// From the start of the process to `GET …/invocation/next`.
    fn start(binary: &Path, settings: &BTreeMap<&str, String>) -> Duration {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let api = listener.local_addr().unwrap().to_string();
        let began = Instant::now();
        let mut child = Command::new(binary)
            .env_clear()
            .envs(settings)
            .env("AWS_LAMBDA_RUNTIME_API", &api)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        listener.set_nonblocking(true).unwrap();
        let (mut stream, _) = loop {
            if let Ok(accepted) = listener.accept() {
                break accepted;
            }
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{} ended: {status}", binary.display());
            }
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{}",
                binary.display()
            );
            std::thread::sleep(Duration::from_micros(200));
        };
        stream.set_nonblocking(false).unwrap();
        let mut line = [0_u8; 64];
        let read = stream.read(&mut line).unwrap();
        let took = began.elapsed();
        let line = String::from_utf8_lossy(&line[..read]);
        assert!(
            line.starts_with("GET /2018-06-01/runtime/invocation/next"),
            "{line}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        took
    }

    fn median(mut times: Vec<Duration>) -> Duration {
        times.sort_unstable();
        times[times.len() / 2]
    }

    fn zipped(bytes: &[u8]) -> usize {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().len()
    }

    fn megabytes(bytes: usize) -> String {
        format!("{:.1} MB", bytes as f64 / 1e6)
    }

    #[test]
    fn each_function_beside_one_that_does_nothing() {
        let folder = release();
        let hello = folder.join("examples/hello_world");
        let functions = FUNCTIONS.map(|name| (name, folder.join(name)));
        let all = std::iter::once(("hello world", hello)).chain(functions);
        let all: Vec<(&str, PathBuf)> = all.collect();
        let settings = settings();
        let mut times = vec![Vec::new(); all.len()];
        // In turns, so that a busy moment of the machine hits all alike.
        for _ in 0..ROUNDS {
            for ((_, binary), times) in all.iter().zip(&mut times) {
                times.push(start(binary, &settings));
            }
        }
        let medians: Vec<Duration> = times.into_iter().map(median).collect();
        println!(
            "| function | start, median of {ROUNDS} | beside hello world | binary | zipped | policy engine |"
        );
        println!("|---|---|---|---|---|---|");
        for ((name, binary), took) in all.iter().zip(&medians) {
            let bytes = fs::read(binary).unwrap();
            let engine = memchr::memmem::find(&bytes, ENGINE).is_some();
            let ratio = took.as_secs_f64() / medians[0].as_secs_f64();
            println!(
                "| {name} | {:.1} ms | {ratio:.2} | {} | {} | {} |",
                took.as_secs_f64() * 1e3,
                megabytes(bytes.len()),
                megabytes(zipped(&bytes)),
                if engine { "linked" } else { "-" },
            );
            let without = WITHOUT_ENGINE.contains(name);
            assert!(!(engine && without), "{name} links the policy engine");
        }
    }
}
