//! The connection suite, on what this factory can do.

use std::sync::Arc;

use custom_connection::HyperConnectionFactory;
use okdownload_connection::ConnectionFactory;
use okdownload_testkit::suite::connection::Setup;
use okdownload_types::{Error, ErrorKind, Result};

fn factory(setup: &Setup) -> Result<Arc<dyn ConnectionFactory>> {
    let tls = setup.ca_pem.is_some() || setup.client_certificate.is_some() || setup.http2;
    if tls || setup.proxy.is_some() || setup.environment {
        return Err(Error::new(ErrorKind::Unsupported, "no TLS, no proxy, no HTTP/2"));
    }
    Ok(Arc::new(HyperConnectionFactory::default()))
}

okdownload_testkit::connection_suite!(factory);
