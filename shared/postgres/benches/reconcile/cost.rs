//! What a process has cost.

use std::process::{Command, Stdio};

/// CPU seconds and peak memory of one process.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cost {
    /// User and system.
    pub(crate) cpu: f64,
    /// Bytes.
    pub(crate) peak: u64,
    /// What the process says that it has compared.
    pub(crate) customers: u64,
}

/// Runs the command under the shell's `time`; a line `peak BYTES customers N` of the command itself
/// tells the rest.
pub(crate) fn of(command: &mut Command) -> Cost {
    let mut timed = Command::new("bash");
    timed
        .args(["-c", "TIMEFORMAT='cpu %U %S'; time \"$@\"", "bash"])
        .arg(command.get_program())
        .args(command.get_args())
        .envs(
            command
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let said = timed.output().unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&said.stdout),
        String::from_utf8_lossy(&said.stderr),
    );
    assert!(said.status.success(), "{out}{err}");
    let mut cost = Cost::default();
    for line in out.lines().chain(err.lines()) {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["cpu", user, system] => {
                let seconds = |text: &str| text.parse::<f64>().unwrap();
                cost.cpu = seconds(user) + seconds(system);
            }
            ["peak", bytes, "customers", number] => {
                cost.peak = bytes.parse().unwrap();
                cost.customers = number.parse().unwrap();
            }
            _ => {}
        }
    }
    cost
}

/// The middle one.
pub(crate) fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Says what [`of`] reads.
pub(crate) fn tell(customers: u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
    let peak = kilobytes
        .and_then(|text| text.parse::<u64>().ok())
        .unwrap_or(0)
        * 1024;
    println!("peak {peak} customers {customers}");
}
