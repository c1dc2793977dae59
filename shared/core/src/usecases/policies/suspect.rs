//! Which refused bundles ring: those that nobody who may sign has signed to come next.

use counterfoil_evidence::hash::digest_string;
use counterfoil_evidence::json::Json;
use counterfoil_policy::bundle::{Bundle, Envelope};
use counterfoil_policy::check::Claim;

use crate::bundles::PolicyState;

/// Whether a bundle that is refused has no signature by a key of the workspace, or one over something
/// else than what came, or was signed for another workspace, or is an older one that comes back. Mistakes
/// in what somebody who may has signed are theirs.
pub(super) fn is_suspect(claim: &Claim<'_>, state: &PolicyState) -> bool {
    if claim.keys.is_empty() {
        // Nobody can sign yet.
        return false;
    }
    let envelope = serde_json::from_str::<Envelope>(claim.signature).ok();
    let Some(signed) = envelope.and_then(|envelope| envelope.verify(claim.keys).ok()) else {
        return true;
    };
    let manifest = Json::parse(claim.manifest.as_bytes());
    let came = manifest.map(|manifest| digest_string(&manifest.canonical()));
    let Some(digest) = came.ok().filter(|came| *came == signed.bundle) else {
        return true;
    };
    // The manifest is what was signed; the files may be others.
    let text = claim.manifest.as_bytes();
    let Ok(bundle) = Bundle::read(text, claim.files.clone()) else {
        return Bundle::differs(text, claim.files);
    };
    let manifest = bundle.manifest();
    let elsewhere = manifest.workspace.as_deref() != Some(claim.workspace);
    let older = manifest.version <= claim.active_version && claim.active != Some(&digest);
    signed != bundle.statement() || elsewhere || older || state.revoked.contains_key(&digest)
}
