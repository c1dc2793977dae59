//! `counterfoil verify`: an auditor's offline check of a package (evidence-format section 13).
//!
//! It needs no account and no network: the package, the public key and the stream id, the latter two
//! obtained from elsewhere. Exit status: 0 accepted at the required level, 3 refused, 2 not decided.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use counterfoil_evidence::hash::{Hash, sha256};
use counterfoil_evidence::seal::SealKey;
use counterfoil_evidence::verify::{Package, PinnedKey, Trust, Verdict, seals_of, verify};

/// Verifies an evidence package offline
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLE:
  counterfoil verify run.json --key key.pem --stream a9b1b25b277f…

EXIT STATUS:
  0  accepted at the required level
  3  refused; the first line names the code of the first check that failed
  2  not decided: usage, unreadable input, or the level was not reached")]
pub(crate) struct Args {
    /// A JSON document, a folder or a tar archive
    package: PathBuf,
    /// Public key that may have sealed, as PEM; repeat for each generation
    #[arg(long, value_name = "PEM")]
    key: Vec<PathBuf>,
    /// The stream that the package must be of: 64 hexadecimal digits
    #[arg(long, value_name = "ID")]
    stream: Option<String>,
    /// What the origin of the seals starts with
    #[arg(long, value_name = "PREFIX")]
    origin: Option<String>,
    /// After a compromise: the largest size that this key may seal
    #[arg(long, value_name = "KEYHASH=N")]
    cap: Vec<String>,
    /// A seal that was kept: the package must contain that history
    #[arg(long, value_name = "FILE")]
    min_seal: Vec<PathBuf>,
    /// An earlier package of the same stream
    #[arg(long, value_name = "PACKAGE")]
    prior: Vec<PathBuf>,
    /// Every version of every seal from locked storage, one file each
    #[arg(long, value_name = "DIR")]
    seal_dir: Option<PathBuf>,
    /// An output file of a run, checked against its digest
    #[arg(long, value_name = "REF=FILE")]
    output: Vec<String>,
    /// A trust file instead of --key and --stream
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "stream"])]
    trust: Option<PathBuf>,
    /// The assurance level that is required
    #[arg(long, value_name = "1-4", value_parser = clap::value_parser!(u8).range(1..=4))]
    level: Option<u8>,
    /// The most bytes that are read
    #[arg(long, value_name = "N")]
    max_bytes: Option<u64>,
    /// Print the verdict as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(verdict) => {
            print(&verdict, args.json);
            ExitCode::from(verdict.exit_status())
        }
        Err(error) => {
            eprintln!("not decided: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn print(verdict: &Verdict, json: bool) {
    if json {
        println!("{}", verdict.to_json().canonical_text());
        return;
    }
    println!("{}", verdict.first_line());
    for line in verdict.lines() {
        println!("{line}");
    }
}

fn run(args: &Args) -> Result<Verdict> {
    let trust = trust(args)?;
    let input = Input::read(&args.package, &trust)?;
    Ok(verify(input.package(), &trust))
}

fn trust(args: &Args) -> Result<Trust> {
    let mut trust = if let Some(file) = &args.trust {
        Trust::from_json(&read(file)?)?
    } else {
        let stream = args.stream.as_deref();
        let stream = stream.context("give --stream: the id that the operator told you")?;
        let stream: Hash = stream
            .parse()
            .context("--stream must be 64 hexadecimal digits")?;
        ensure!(
            !args.key.is_empty(),
            "give --key: the public key that the operator told you"
        );
        let keys = args
            .key
            .iter()
            .map(|file| pinned(file))
            .collect::<Result<Vec<_>>>()?;
        Trust::of(keys, stream)
    };
    for cap in &args.cap {
        let (hash, size) = cap.split_once('=').context("--cap is KEYHASH=N")?;
        let hash: Hash = hash
            .parse()
            .context("--cap names a key by 64 hexadecimal digits")?;
        let size = size.parse().context("--cap ends in a size")?;
        let key = trust
            .keys
            .iter_mut()
            .find(|pinned| pinned.key.hash() == hash);
        key.context("--cap names a key that is not given")?.max_size = Some(size);
    }
    if let Some(origin) = &args.origin {
        trust.prefix.clone_from(origin);
    }
    if let Some(level) = args.level {
        trust.level = level;
    }
    if let Some(max_bytes) = args.max_bytes {
        trust.limits.max_bytes = max_bytes;
    }
    for output in &args.output {
        let (reference, file) = output.split_once('=').context("--output is REF=FILE")?;
        trust
            .outputs
            .push((reference.to_owned(), sha256(&read(Path::new(file))?)));
    }
    for file in &args.min_seal {
        trust.anchors.push(text(file)?);
    }
    if let Some(folder) = &args.seal_dir {
        for (_, file) in files(folder)? {
            trust.versions.push(text(&file)?);
        }
    }
    for prior in &args.prior {
        let input = Input::read(prior, &trust)?;
        let seals = seals_of(input.package(), &trust);
        let seals = seals.map_err(|fault| {
            anyhow::anyhow!("{} is no package to compare with: {fault}", prior.display())
        })?;
        trust.anchors.extend(seals);
    }
    Ok(trust)
}

fn pinned(file: &Path) -> Result<PinnedKey> {
    let pem = text(file)?;
    let key = SealKey::from_pem(&pem);
    Ok(key
        .with_context(|| format!("{} is no P-256 public key in PEM", file.display()))?
        .into())
}

/// A package in memory.
enum Input {
    File(Vec<u8>),
    Folder(BTreeMap<String, Vec<u8>>),
}

impl Input {
    fn read(path: &Path, trust: &Trust) -> Result<Self> {
        if !path.is_dir() {
            let size = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
            let max = trust.limits.max_bytes;
            ensure!(
                size.len() <= max,
                "{} is larger than --max-bytes {max}",
                path.display()
            );
            return Ok(Self::File(read(path)?));
        }
        let mut folder = BTreeMap::new();
        for (name, file) in files(path)? {
            if file.is_dir() {
                for (inner, file) in files(&file)? {
                    folder.insert(format!("{name}/{inner}"), read(&file)?);
                }
            } else {
                folder.insert(name, read(&file)?);
            }
        }
        Ok(Self::Folder(folder))
    }

    fn package(&self) -> Package<'_> {
        match self {
            Self::File(bytes) => Package::of_file(bytes),
            Self::Folder(files) => Package::Folder(files),
        }
    }
}

fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let listed = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut files = Vec::new();
    for entry in listed {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            bail!("{} has a file whose name is not text", folder.display());
        };
        files.push((name, entry.path()));
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

fn text(file: &Path) -> Result<String> {
    let bytes = read(file)?;
    String::from_utf8(bytes).with_context(|| format!("{} is not text", file.display()))
}
