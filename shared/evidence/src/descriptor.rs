//! The descriptor of a stream; its hash is the stream's name (evidence-format section 4).

use crate::code::{Code, Fault};
use crate::hash::{self, Hash};
use crate::header::hash_field;
use crate::json::{Json, object};

/// Longest canonical form, in bytes.
const MAX_DESCRIPTOR: usize = 2_048;

/// Last seal of the stream that this one continues. A claim, not checked by a verifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Predecessor {
    /// Root of that seal.
    pub root: Hash,
    /// Its seal hash.
    pub seal: Hash,
    /// Its size.
    pub size: u64,
    /// Id of the stream before.
    pub stream: Hash,
}

/// What names a stream: owner, first sealing keys, time and chance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Creation time, ms since 1970.
    pub created: u64,
    /// 32 random bytes.
    pub nonce: [u8; 32],
    /// Key hashes of the keys that may seal from the start, 1 to 8, distinct.
    pub sealers: Vec<Hash>,
    /// Commitment to the id of the owner.
    pub workspace: Hash,
    /// The stream that this one continues.
    pub predecessor: Option<Predecessor>,
}

impl Descriptor {
    /// The descriptor of a new stream of `owner_id` (`prj_…`, or `ws_…` for a workspace's own).
    pub fn for_owner(owner_id: &str, nonce: [u8; 32], created: u64, sealers: Vec<Hash>) -> Self {
        let workspace = hash::owner(owner_id, &nonce);
        Self {
            created,
            nonce,
            sealers,
            workspace,
            predecessor: None,
        }
    }

    /// The same, continuing another stream.
    #[must_use]
    pub fn continuing(mut self, predecessor: Predecessor) -> Self {
        self.predecessor = Some(predecessor);
        self
    }

    /// The descriptor as JSON.
    pub fn to_json(&self) -> Json {
        let sealers: Vec<Json> = self.sealers.iter().map(|key| Json::from(*key)).collect();
        let mut fields = vec![
            ("created", Json::uint(self.created)),
            ("nonce", Hash::new(self.nonce).into()),
            ("sealers", sealers.into()),
            ("v", Json::Int(1)),
            ("workspace", self.workspace.into()),
        ];
        if let Some(before) = &self.predecessor {
            let before = object([
                ("root", before.root.into()),
                ("seal", before.seal.into()),
                ("size", Json::uint(before.size)),
                ("stream", before.stream.into()),
            ]);
            fields.push(("predecessor", before));
        }
        object(fields)
    }

    /// Reads a descriptor; the field set is closed.
    ///
    /// # Errors
    /// `E_DESCRIPTOR`.
    pub fn from_json(json: &Json) -> Result<Self, Fault> {
        read(json).map_err(|what| Fault::new(Code::Descriptor, what))
    }

    /// The stream id.
    pub fn stream_id(&self) -> Hash {
        hash::stream_id(&self.to_json().canonical())
    }

    /// Whether the descriptor is of this owner; the id itself is not in it.
    pub fn is_owned_by(&self, owner_id: &str) -> bool {
        hash::owner(owner_id, &self.nonce) == self.workspace
    }
}

fn read(json: &Json) -> Result<Descriptor, String> {
    const FIELDS: [&str; 6] = [
        "created",
        "nonce",
        "predecessor",
        "sealers",
        "v",
        "workspace",
    ];
    let fields = json.as_object().ok_or("the descriptor is not an object")?;
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("{unknown} is not a descriptor field"));
    }
    if json.canonical().len() > MAX_DESCRIPTOR {
        return Err(format!(
            "the descriptor has more than {MAX_DESCRIPTOR} bytes"
        ));
    }
    if json.get("v") != Some(&Json::Int(1)) {
        return Err("v is not 1".to_owned());
    }
    let created = json
        .get("created")
        .and_then(Json::as_uint)
        .ok_or("created is not a time")?;
    let nonce = hash_field(json, "nonce").ok_or("nonce is not 64 hexadecimal digits")?;
    let workspace =
        hash_field(json, "workspace").ok_or("workspace is not 64 hexadecimal digits")?;
    let sealers = sealers(json).ok_or("sealers is not 1 to 8 distinct key hashes")?;
    let predecessor = match json.get("predecessor") {
        Some(before) => Some(predecessor(before).ok_or("predecessor is ill-formed")?),
        None => None,
    };
    Ok(Descriptor {
        created,
        nonce: *nonce.as_bytes(),
        sealers,
        workspace,
        predecessor,
    })
}

fn sealers(json: &Json) -> Option<Vec<Hash>> {
    let items = json.get("sealers")?.as_array()?;
    let keys: Option<Vec<Hash>> = items
        .iter()
        .map(|item| item.as_str()?.parse().ok())
        .collect();
    let keys = keys?;
    let mut distinct = keys.clone();
    distinct.sort_unstable();
    distinct.dedup();
    ((1..=8).contains(&keys.len()) && distinct.len() == keys.len()).then_some(keys)
}

fn predecessor(json: &Json) -> Option<Predecessor> {
    if json.as_object()?.len() != 4 {
        return None;
    }
    Some(Predecessor {
        root: hash_field(json, "root")?,
        seal: hash_field(json, "seal")?,
        size: json.get("size")?.as_uint()?,
        stream: hash_field(json, "stream")?,
    })
}
