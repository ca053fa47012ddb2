//! The connection suite.

use std::sync::Arc;

use okdownload_connection::ConnectionFactory;
use okdownload_connection_reqwest::ReqwestConnectionFactory;
use okdownload_testkit::suite::connection::Setup;
use okdownload_types::Result;

fn factory(setup: &Setup) -> Result<Arc<dyn ConnectionFactory>> {
    let mut factory = ReqwestConnectionFactory::new().http2(setup.http2)?;
    if let Some(pem) = &setup.ca_pem {
        factory = factory.root_certificates_pem(pem.as_bytes())?;
    }
    if let Some((certificate, key)) = &setup.client_certificate {
        factory = factory.client_certificate(certificate, key)?;
    }
    if let Some(url) = &setup.proxy {
        factory = factory.proxy(url.as_str())?;
    } else if !setup.environment {
        factory = factory.no_proxy()?;
    }
    Ok(Arc::new(factory))
}

okdownload_testkit::connection_suite!(factory);
