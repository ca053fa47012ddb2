//! Files with a client's certificate or its key.

use std::path::Path;

use okdownload_types::{Error, Result};

/// Reads a file with a client's certificate or its key, in PEM.
///
/// # Errors
/// If it can't be read; the error names the path.
pub fn pem_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|native| {
        Error::io("cannot read the client certificate or its key", native)
            .with_context("path", path.display())
    })
}
