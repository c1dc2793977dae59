//! `counterfoil verify`: an auditor's offline check of a package (evidence-format section 13).
//!
//! It needs no account and no network: the package, the public key and the stream id, the latter two
//! obtained from elsewhere. Exit status: 0 accepted at the required level, 3 refused, 2 not decided.

mod authority;
mod input;
mod outer;
mod plain;
#[cfg(test)]
mod tests;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::Args as ClapArgs;
use counterfoil_evidence::hash::{Hash, sha256};
use counterfoil_evidence::json::Json;
use counterfoil_evidence::seal::{Seal, SealKey, Witness, is_prefix};
use counterfoil_evidence::verify::{PinnedKey, TimestampAuthority, Trust, Verdict};

use authority::OpenSsl;
use input::{Input, list};

use crate::output::say;
use crate::replay::{self, Outcome};

/// Verifies an evidence package offline
#[derive(Debug, ClapArgs)]
#[command(after_help = "EXAMPLES:
  counterfoil verify run.json --key key.pem --stream ID
  counterfoil verify october.tar --key key.pem --stream ID --prior september.tar
  counterfoil verify october.tar --key key.pem --stream ID --min-seal seal.txt --level 3
  mkdir delivery && tar -xf everything.tar -C delivery
  counterfoil verify delivery --key key.pem --stream ID --replay delivery

Of a delivery (what `counterfoil export` fetches in bulk) its evidence.tar is verified, in the archive or unpacked.
Key and stream id must come from elsewhere than the package.

EXIT STATUS:
  0  accepted at the required level
  3  refused; the first line names the code of the first check that failed
  2  not decided: usage, unreadable input, or the level was not reached")]
pub(crate) struct Args {
    /// A JSON document, a folder, a tar archive or a compressed one (tar.gz), or a delivery
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
    /// A witness whose cosignatures count, as name+id+key; repeat for each
    #[arg(long, value_name = "VKEY")]
    witness: Vec<String>,
    /// How many of the witnesses must have signed the last seal; without it, all
    #[arg(long, value_name = "K")]
    quorum: Option<u64>,
    /// Certificates of the time-stamp authority, as PEM; tokens are checked by the openssl command
    #[arg(long, value_name = "PEM")]
    tsa_ca: Option<PathBuf>,
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
    /// An unpacked delivery: findings and decisions are derived again from the inputs kept in it
    #[arg(long, value_name = "DIR")]
    replay: Option<PathBuf>,
    /// Print the verdict as one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn main(args: &Args) -> ExitCode {
    match run(args) {
        Ok(decided) => {
            print(args, &decided);
            report_contradiction(&decided.verdict, args.json);
            let differs = matches!(decided.replayed, Some(Err(_)));
            ExitCode::from(if differs {
                3
            } else {
                decided.verdict.exit_status()
            })
        }
        Err(error) => {
            eprintln!("not decided: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// What was found out.
#[derive(Debug)]
struct Decided {
    verdict: Verdict,
    replayed: Option<Outcome>,
    /// The package is the `evidence.tar` of a delivery.
    of_delivery: bool,
    /// The auditor brought a seal.
    gave_anchor: bool,
}

fn print(args: &Args, decided: &Decided) {
    let verdict = &decided.verdict;
    let replayed = decided.replayed.as_ref();
    if args.json {
        let mut object = verdict.to_json();
        if let Json::Object(fields) = &mut object {
            if let Some(replayed) = replayed {
                fields.insert("replay".to_owned(), replay::to_json(replayed));
            }
            if decided.of_delivery {
                fields.insert("member".to_owned(), outer::EVIDENCE.into());
            }
        }
        say(object.canonical_text());
        return;
    }
    match replayed {
        Some(Err(what)) => say(format_args!("FAIL E_REPLAY {what}")),
        _ => say(verdict.first_line()),
    }
    if let (Ok(accepted), false) = (&verdict.result, matches!(replayed, Some(Err(_)))) {
        say(plain::sentence(accepted, decided.gave_anchor));
    }
    if decided.of_delivery {
        say(plain::OF_DELIVERY);
    }
    for line in verdict.lines() {
        say(line);
    }
    for line in replayed.map(replay::lines).unwrap_or_default() {
        say(line);
    }
    if verdict.is_short_of_level() {
        eprintln!(
            "not decided: level {} is required and was not reached; give an anchor (--min-seal, \
             --prior), witnesses or a time-stamp authority, or lower --level",
            verdict.required
        );
    }
}

/// Two valid seals that contradict each other are proof against the holder of the key: they are kept.
fn report_contradiction(verdict: &Verdict, json: bool) {
    let Some(notes) = &verdict.contradiction else {
        return;
    };
    match keep(Path::new(""), &notes.0, &notes.1) {
        Ok(name) if json => eprintln!("both seals were written to {name}"),
        Ok(name) => say(format_args!("proof: {}", Json::from(name).canonical_text())),
        Err(error) => eprintln!("the contradicting seals could not be written: {error:#}"),
    }
}

/// Writes both notes into a file that is named after them.
fn keep(folder: &Path, one: &str, other: &str) -> Result<String> {
    let text = format!(
        "Two seals of one stream, each with a valid signature, that cannot both be true.\n\n\
         ---- first seal ----\n{one}---- second seal ----\n{other}---- end ----\n"
    );
    let digest = sha256(text.as_bytes()).to_string();
    let short = digest.get(..16).unwrap_or_default();
    let name = format!("contradicting-seals-{short}.txt");
    let path = folder.join(&name);
    if fs::read(&path).is_ok_and(|kept| kept == text.as_bytes()) {
        return Ok(name);
    }
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&path)
        .with_context(|| format!("writing {name}"))?;
    file.write_all(text.as_bytes())?;
    Ok(name)
}

fn run(args: &Args) -> Result<Decided> {
    let trust = trust(args)?;
    let authority = args.tsa_ca.as_ref().map(|file| {
        read(file)?;
        Ok::<_, anyhow::Error>(OpenSsl::new(file.clone()))
    });
    let authority = authority.transpose()?;
    let authority = authority
        .as_ref()
        .map::<&dyn TimestampAuthority, _>(|authority| authority);
    let input = Input::open(&args.package, &trust)?;
    let inputs = args.replay.as_deref().map(replay::folder).transpose()?;
    let verdict = input.verify(&trust, authority)?;
    let replayed = match &inputs {
        Some(inputs) if verdict.is_accepted() => Some(input.replay(inputs, &trust)?),
        _ => None,
    };
    Ok(Decided {
        verdict,
        replayed,
        of_delivery: input.is_of_delivery(),
        gave_anchor: !(trust.anchors.is_empty() && trust.versions.is_empty()),
    })
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
        ensure!(
            is_prefix(origin),
            "--origin must be 1 to 128 visible characters without + and end in /s/"
        );
        trust.prefix.clone_from(origin);
    }
    for witness in &args.witness {
        let witness = Witness::parse(witness).with_context(|| format!("--witness {witness}"))?;
        trust.witnesses.push(witness);
    }
    if let Some(quorum) = args.quorum {
        trust.quorum = quorum;
    }
    trust.check()?;
    if let Some(level) = args.level {
        trust.level = level;
    }
    if let Some(max_bytes) = args.max_bytes {
        trust.limits.max_bytes = max_bytes;
    }
    for output in &args.output {
        let (reference, file) = output.rsplit_once('=').context("--output is REF=FILE")?;
        trust
            .outputs
            .push((reference.to_owned(), sha256(&read(Path::new(file))?)));
    }
    if trust.anchors.iter().any(|note| Seal::parse(note).is_err()) {
        bail!("--trust: an element of anchors is no seal; {SEAL}");
    }
    for file in &args.min_seal {
        let note = text(file)?;
        let seal = Seal::parse(&note);
        seal.with_context(|| format!("--min-seal {} is no seal; {SEAL}", file.display()))?;
        trust.anchors.push(note);
    }
    if let Some(folder) = &args.seal_dir {
        for (_, file) in list(folder)? {
            trust.versions.push(text(&file)?);
        }
        ensure!(
            !trust.versions.is_empty(),
            "--seal-dir {} is empty; give the folder with every version of every seal, one file each",
            folder.display()
        );
    }
    for prior in &args.prior {
        let no_package = || format!("--prior {} is no package", prior.display());
        let seals = Input::open(prior, &trust).and_then(|input| Ok(input.seals(&trust)?));
        trust.anchors.extend(seals.with_context(no_package)?);
    }
    Ok(trust)
}

/// What a seal is, for whoever gave something else.
const SEAL: &str =
    "give its exact bytes, body, empty line and signatures, as `jq -j .note` prints them";

fn pinned(file: &Path) -> Result<PinnedKey> {
    let pem = text(file)?;
    let key = SealKey::from_pem(&pem);
    Ok(key
        .with_context(|| format!("{} is no P-256 public key in PEM", file.display()))?
        .into())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("reading {}", file.display()))
}

fn text(file: &Path) -> Result<String> {
    let bytes = read(file)?;
    String::from_utf8(bytes).with_context(|| format!("{} is not text", file.display()))
}
