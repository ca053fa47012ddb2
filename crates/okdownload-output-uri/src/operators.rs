//! One operator of OpenDAL for each service and authority, made when it is first asked for.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use okdownload_types::Result;
use opendal::layers::TimeoutLayer;
use opendal::{Operator, OperatorRegistry};

use crate::place::Remote;
use crate::{error, scheme};

/// For a question: is it there, remove it, rename it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// For a piece of an upload: 8 MiB at 30 KiB/s.
const PIECE_TIMEOUT: Duration = Duration::from_secs(300);

type Options = BTreeMap<String, String>;

/// What the user said, and what was made of it.
#[derive(Default)]
pub(crate) struct Operators {
    options: BTreeMap<String, Options>,
    given: BTreeMap<(String, String), Operator>,
    made: Mutex<BTreeMap<(String, String), Operator>>,
    #[cfg(feature = "_http")]
    client: std::sync::OnceLock<reqwest::Client>,
}

/// Without the options' values: there are secrets among them.
impl fmt::Debug for Operators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |options: &Options| options.keys().cloned().collect::<Vec<_>>();
        let options: BTreeMap<_, _> = self.options.iter().map(|(scheme, all)| (scheme, names(all))).collect();
        f.debug_struct("Operators")
            .field("options", &options)
            .field("given", &self.given.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Operators {
    pub(crate) fn set_option(&mut self, scheme: &str, key: &str, value: String) {
        let options = self.options.entry(scheme.to_ascii_lowercase()).or_default();
        options.insert(key.to_ascii_lowercase(), value);
    }

    pub(crate) fn give(&mut self, scheme: &str, authority: &str, operator: Operator) {
        self.given.insert((scheme.to_ascii_lowercase(), authority.to_owned()), operator);
    }

    /// The operator for this place. Makes it if need be, which reads the environment and asks nobody.
    pub(crate) fn get(&self, remote: &Remote) -> Result<Operator> {
        let key = (remote.scheme.clone(), remote.authority.clone());
        if let Some(operator) = self.given.get(&key) {
            return Ok(operator.clone());
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(operator) = made.get(&key) {
            return Ok(operator.clone());
        }
        let operator = self.make(remote)?;
        made.insert(key, operator.clone());
        Ok(operator)
    }

    fn make(&self, remote: &Remote) -> Result<Operator> {
        let service = scheme::service(&remote.scheme)?;
        opendal::install_default();
        let mut options = self.options.get(&remote.scheme).cloned().unwrap_or_default();
        if service == "fs" {
            options.entry("root".to_owned()).or_insert_with(|| "/".to_owned());
        }
        let base = format!("{service}://{}/", remote.authority);
        let operator =
            OperatorRegistry::get().load((base, options)).map_err(|e| error::settings(remote, &e))?;
        let operator = self.connect(operator)?;
        Ok(operator.layer(TimeoutLayer::new().with_timeout(ANSWER_TIMEOUT).with_io_timeout(PIECE_TIMEOUT)))
    }

    /// All operators of one output share their connections, and no others do: connections belong to the runtime that
    /// made them, and another output's may be gone.
    #[cfg(feature = "_http")]
    fn connect(&self, operator: Operator) -> Result<Operator> {
        use opendal::HttpTransporter;
        use opendal_http_transport_reqwest::ReqwestTransport;

        use crate::transport::Retrying;

        let client = match self.client.get() {
            Some(client) => client,
            None => {
                let made = reqwest::Client::builder().connect_timeout(Duration::from_secs(30)).build();
                let made = made.map_err(error::client)?;
                self.client.get_or_init(|| made)
            }
        };
        let transport = HttpTransporter::new(Retrying(ReqwestTransport::new(client.clone())));
        let context = operator.base_context().with_http_transport(transport);
        Ok(operator.with_context(context))
    }

    #[cfg(not(feature = "_http"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as above")]
    fn connect(&self, operator: Operator) -> Result<Operator> {
        Ok(operator)
    }
}

/// Whether what is being written appears only once it is whole. Services that can rename show it at once; all others
/// that are compiled in make an object of an upload when it is completed.
pub(crate) fn hides_parts(operator: &Operator) -> bool {
    !operator.info().capability().rename
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let mut operators = Operators::default();
        operators.set_option("S3", "secret_access_key", "hunter2".into());
        let text = format!("{operators:?}");
        assert!(text.contains("secret_access_key") && !text.contains("hunter2"), "{text}");
    }

    #[cfg(all(feature = "memory", feature = "fs"))]
    #[test]
    fn an_authority_has_one_operator() {
        let operators = Operators::default();
        let get = |scheme: &str, authority: &str| {
            let remote = Remote { scheme: scheme.into(), authority: authority.into(), key: String::new() };
            operators.get(&remote).unwrap()
        };
        assert!(hides_parts(&get("memory", "a")) && !hides_parts(&get("fs", "")));
        assert_eq!(get("fs", "").info().root(), "/");
        get("memory", "a");
        get("memory", "b");
        assert_eq!(operators.made.lock().unwrap().len(), 3);
    }
}
