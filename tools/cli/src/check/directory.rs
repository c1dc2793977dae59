//! Stripe's objects from files, as an export leaves them: one list per kind.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use counterfoil_core::billing::{Catalog, Page, Price, Product};
use counterfoil_core::reconcile::Scan;
use memchr::memchr;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::progress::Progress;

/// A folder with `customers.ndjson`, `subscriptions.ndjson`, `prices.json`, `products.json` and
/// `product_features.json`.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
}

impl Directory {
    /// The folder, if the files are there.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let directory = Self {
            path: path.to_owned(),
        };
        for name in ["customers.ndjson", "subscriptions.ndjson"] {
            let file = path.join(name);
            ensure!(file.is_file(), "there is no file {}", file.display());
        }
        Ok(directory)
    }

    /// Prices, products and entitlement features.
    pub(super) fn catalog(&self) -> Result<Catalog> {
        let prices: Page<Price> = self.json("prices.json")?;
        let products: Page<Product> = self.json("products.json")?;
        ensure!(
            !prices.has_more && !products.has_more,
            "prices.json or products.json holds only the first page of its list"
        );
        let mut catalog = Catalog::new(prices.data, products.data);
        let features: BTreeMap<String, Value> = self.json("product_features.json")?;
        for (product, page) in &features {
            catalog
                .add_features(product, &serde_json::to_vec(page)?)
                .with_context(|| format!("product_features.json has a wrong list for {product}"))?;
        }
        Ok(catalog)
    }

    /// Hands every customer and subscription to the scan.
    pub(super) fn read(&self, scan: &mut Scan, progress: &mut Progress) -> Result<()> {
        self.lines("customers.ndjson", |line| {
            progress.step("customers read");
            scan.customer_json(line)
        })?;
        self.lines("subscriptions.ndjson", |line| {
            progress.step("subscriptions read");
            scan.subscription_json(line)
        })
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.path.join(name);
        let bytes = std::fs::read(&path)
            .with_context(|| format!("{} could not be read", path.display()))?;
        serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is not what Stripe lists", path.display()))
    }

    fn lines(
        &self,
        name: &str,
        mut each: impl FnMut(&str) -> serde_json::Result<()>,
    ) -> Result<()> {
        let path = self.path.join(name);
        let unreadable = || format!("{} could not be read", path.display());
        let mut file =
            BufReader::with_capacity(1 << 16, File::open(&path).with_context(unreadable)?);
        let mut number = 0_u64;
        let mut take = |line: &[u8]| {
            number += 1;
            // The parser's message could quote the line, which is a customer.
            ensure!(
                line.iter().all(u8::is_ascii_whitespace)
                    || std::str::from_utf8(line).is_ok_and(|line| each(line).is_ok()),
                "line {number} of {} is not a Stripe object",
                path.display()
            );
            Ok(())
        };
        // The begin of a line whose end has not been read; all others are not copied.
        let mut begun = Vec::new();
        loop {
            let mut rest = file.fill_buf().with_context(unreadable)?;
            let length = rest.len();
            if length == 0 {
                break;
            }
            while let Some((line, behind)) =
                memchr(b'\n', rest).and_then(|end| rest.split_at_checked(end + 1))
            {
                if begun.is_empty() {
                    take(line)?;
                } else {
                    begun.extend_from_slice(line);
                    take(&begun)?;
                    begun.clear();
                }
                rest = behind;
            }
            begun.extend_from_slice(rest);
            file.consume(length);
        }
        take(&begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_line_is_named_by_its_number_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let customers =
            "{\"id\":\"cus_1\"}\n\n{\"id\":\"cus_2\",\"email\":\"secret@example.com\"\n";
        std::fs::write(folder.path().join("customers.ndjson"), customers).unwrap();
        std::fs::write(folder.path().join("subscriptions.ndjson"), "").unwrap();
        let directory = Directory::open(folder.path()).unwrap();
        let mut read = Vec::new();
        let error = directory
            .lines("customers.ndjson", |line| {
                let value: Value = serde_json::from_str(line)?;
                read.push(value);
                Ok(())
            })
            .unwrap_err()
            .to_string();
        assert_eq!(read.len(), 1);
        assert!(
            error.starts_with("line 3 of ") && !error.contains("secret"),
            "{error}"
        );
    }

    #[test]
    fn lines_are_read_whole_wherever_the_file_is_cut() {
        let folder = tempfile::tempdir().unwrap();
        let line = |n: usize| "x".repeat(n * 997 % 40_000);
        for last in ["", "\n"] {
            let wanted: Vec<String> = (1..40).map(line).collect();
            let text = format!("{}{last}", wanted.join("\n"));
            std::fs::write(folder.path().join("customers.ndjson"), text).unwrap();
            std::fs::write(folder.path().join("subscriptions.ndjson"), "").unwrap();
            let directory = Directory::open(folder.path()).unwrap();
            let mut read = Vec::new();
            let each = |line: &str| {
                read.push(line.trim_end().to_owned());
                Ok(())
            };
            directory.lines("customers.ndjson", each).unwrap();
            assert_eq!(read, wanted);
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = Directory::open(folder.path()).unwrap_err().to_string();
        assert!(error.ends_with("customers.ndjson"), "{error}");
    }
}
