//! The connection suite.

use std::sync::Arc;

use okdownload_connection::ConnectionFactory;
use okdownload_connection_isahc::IsahcConnectionFactory;
use okdownload_testkit::suite::connection::Setup;
use okdownload_types::Result;

fn factory(setup: &Setup) -> Result<Arc<dyn ConnectionFactory>> {
    let mut factory = match &setup.proxy {
        Some(url) => IsahcConnectionFactory::new().proxy(url.as_str())?,
        None => IsahcConnectionFactory::new().no_proxy()?,
    };
    if let Some(pem) = &setup.ca_pem {
        factory = factory.root_certificates_pem(pem.as_bytes())?;
    }
    Ok(Arc::new(factory))
}

okdownload_testkit::connection_suite!(factory);
