//! Which schemes there are, and which of them are compiled in.

use okdownload_types::{Error, ErrorKind};

/// A scheme, and the service of OpenDAL behind it.
struct Scheme {
    name: &'static str,
    service: &'static str,
    /// The feature of this crate that brings it.
    feature: &'static str,
    built: bool,
}

macro_rules! schemes {
    ($($name:literal => $service:literal),+ $(,)?) => {
        &[$(Scheme { name: $name, service: $service, feature: $service, built: cfg!(feature = $service) }),+]
    };
}

const SCHEMES: &[Scheme] = schemes! {
    "azblob" => "azblob",
    "azdls" => "azdls",
    "b2" => "b2",
    "cos" => "cos",
    "fs" => "fs",
    "gcs" => "gcs",
    "gs" => "gcs",
    "memory" => "memory",
    "obs" => "obs",
    "oss" => "oss",
    "s3" => "s3",
    "sftp" => "sftp",
    "swift" => "swift",
    "webdav" => "webdav",
};

/// The name of OpenDAL's service for this scheme (in small letters).
pub(crate) fn service(scheme: &str) -> Result<&'static str, Error> {
    let known = SCHEMES.iter().find(|known| known.name == scheme);
    match known {
        Some(known) if known.built => Ok(known.service),
        Some(known) => Err(unsupported(
            scheme,
            format!("build with the feature `{}` of okdownload-output-uri", known.feature),
        )),
        None => Err(unsupported(scheme, format!("this program can write to {}", built()))),
    }
}

/// The schemes that are compiled in, for people.
fn built() -> String {
    let names: Vec<_> = SCHEMES.iter().filter(|scheme| scheme.built).map(|scheme| scheme.name).collect();
    if names.is_empty() { "no scheme".to_owned() } else { names.join(", ") }
}

fn unsupported(scheme: &str, advice: String) -> Error {
    Error::new(ErrorKind::Unsupported, "this program cannot write to this kind of place")
        .with_context("scheme", scheme)
        .with_advice(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_what_is_missing_is_told_what_to_do() {
        let error = service("gopher").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.advice().unwrap().contains(&built()), "{error}");
        for scheme in SCHEMES.iter().filter(|scheme| !scheme.built) {
            let text = service(scheme.name).unwrap_err().to_string();
            assert!(text.contains(&format!("feature `{}`", scheme.feature)), "{text}");
        }
    }

    /// A service that OpenDAL calls otherwise would be found missing only by who uses it.
    #[test]
    fn opendal_knows_every_service_that_is_built() {
        opendal::init_default_registry();
        let known = opendal::OperatorRegistry::get().schemes();
        for scheme in SCHEMES.iter().filter(|scheme| scheme.built) {
            assert!(known.contains(scheme.service), "{}", scheme.service);
        }
    }
}
