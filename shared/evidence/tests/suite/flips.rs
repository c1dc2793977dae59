//! Damage of single bytes and bits: nothing of it may be accepted.

use counterfoil_evidence::verify::{Package, Trust};

use crate::second::sampled;
use crate::vectors::{folder, key, read, stream};

fn trust() -> Trust {
    Trust::new(
        key("example-run/sealer.pem"),
        stream("example-run/stream.txt"),
    )
}

#[test]
fn every_changed_bit_of_a_run_package_is_refused() {
    let trust = trust();
    let good = read("example-run/run.json");
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bad = good.clone();
            bad[at] ^= 1 << bit;
            let verdict = sampled(at * 8 + bit, Package::Document(&bad), &trust);
            assert_eq!(verdict.exit_status(), 3, "byte {at}, bit {bit}: {verdict}");
        }
    }
}

#[test]
fn every_cut_of_a_run_package_is_refused() {
    let trust = trust();
    let good = read("example-run/run.json");
    for length in 0..good.len() {
        let verdict = sampled(length, Package::Document(&good[..length]), &trust);
        assert_eq!(verdict.exit_status(), 3, "{length} bytes");
    }
}

#[test]
fn every_changed_bit_of_every_file_of_a_folder_is_refused() {
    let trust = trust();
    let good = folder("example");
    for (name, content) in &good {
        for at in 0..content.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad.get_mut(name).unwrap()[at] ^= 1 << bit;
                let verdict = sampled(at, Package::Folder(&bad), &trust);
                assert_eq!(
                    verdict.exit_status(),
                    3,
                    "{name}, byte {at}, bit {bit}: {verdict}"
                );
            }
        }
    }
}

#[test]
fn every_seventh_changed_byte_of_the_rich_packages_is_refused() {
    let keys = ["packages/sealer-1.pem", "packages/sealer-2.pem"].map(|name| key(name).into());
    let trust = Trust::of(keys.to_vec(), stream("packages/rich.stream.txt"));
    for name in ["packages/rich.run.json", "packages/rich.range.json"] {
        let good = read(name);
        for at in (0..good.len()).step_by(7) {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let verdict = sampled(at / 7, Package::Document(&bad), &trust);
            assert_eq!(verdict.exit_status(), 3, "{name}, byte {at}: {verdict}");
        }
    }
}
