//! The only file that names backends: what an engine uses where its builder was given nothing.

use std::sync::Arc;

use okdownload_connection::ConnectionFactory;
use okdownload_output::OutputStreamFactory;
use okdownload_store::DownloadStore;
use okdownload_types::{Error, Result};

#[cfg(feature = "reqwest")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it is an error")]
pub(crate) fn connection() -> Result<Arc<dyn ConnectionFactory>> {
    Ok(Arc::new(okdownload_connection_reqwest::ReqwestConnectionFactory::new()))
}

#[cfg(not(feature = "reqwest"))]
pub(crate) fn connection() -> Result<Arc<dyn ConnectionFactory>> {
    Err(missing("connection", "reqwest"))
}

#[cfg(feature = "file")]
#[expect(clippy::unnecessary_wraps, reason = "without the feature it is an error")]
pub(crate) fn output() -> Result<Arc<dyn OutputStreamFactory>> {
    Ok(Arc::new(okdownload_output_file::FileOutput::new()))
}

#[cfg(not(feature = "file"))]
pub(crate) fn output() -> Result<Arc<dyn OutputStreamFactory>> {
    Err(missing("output", "file"))
}

#[cfg(feature = "sqlite")]
pub(crate) fn store(name: Option<&str>) -> Result<Arc<dyn DownloadStore>> {
    Ok(Arc::new(okdownload_store_sqlite::SqliteStore::new(database_path(name)?)))
}

#[cfg(not(feature = "sqlite"))]
pub(crate) fn store(_name: Option<&str>) -> Result<Arc<dyn DownloadStore>> {
    Err(missing("store", "sqlite"))
}

#[cfg_attr(
    all(feature = "reqwest", feature = "file", feature = "sqlite"),
    expect(dead_code, reason = "none is missing")
)]
fn missing(part: &str, feature: &str) -> Error {
    Error::misuse(
        format!("there is no default {part}"),
        format!("give one to the builder, or enable the feature `{feature}` of okdownload"),
    )
}

/// `<state dir>/okdownload/<name>.db`, where the name is the caller's, else the program's, so that programs don't see
/// each other's tasks.
///
/// # Errors
/// [`Store`](okdownload_types::ErrorKind::Store) if the user has no home directory;
/// [`Misuse`](okdownload_types::ErrorKind::Misuse) for a name that is no file name.
#[cfg(feature = "sqlite")]
pub fn database_path(name: Option<&str>) -> Result<std::path::PathBuf> {
    use etcetera::BaseStrategy;
    let base = etcetera::choose_base_strategy().map_err(|error| {
        Error::new(okdownload_types::ErrorKind::Store, "the user's state directory cannot be found")
            .with_source(error)
            .with_advice("set HOME, or give the builder a store")
    })?;
    let state = base.state_dir().unwrap_or_else(|| base.data_dir());
    let name = match name {
        Some(name) => name.to_owned(),
        None => program_name()?,
    };
    if name.is_empty() || name.starts_with('.') || name.contains(std::path::is_separator) {
        return Err(Error::misuse("not a usable name for an engine", "use letters, digits and hyphens")
            .with_context("name", name));
    }
    Ok(state.join("okdownload").join(format!("{name}.db")))
}

#[cfg(feature = "sqlite")]
fn program_name() -> Result<String> {
    let program = std::env::current_exe().map_err(|error| {
        Error::new(okdownload_types::ErrorKind::Store, "the program's own name cannot be found")
            .with_source(error)
            .with_advice("give the builder a name")
    })?;
    Ok(program.file_stem().map_or_else(|| "program".into(), |name| name.to_string_lossy().into_owned()))
}
