//! A factory with a layer around it is a factory like any other.

use std::sync::Arc;

use layers::{Count, Counted};
use okdownload::Result;
use okdownload::connection::{ConnectionFactory, ReqwestConnectionFactory};
use okdownload_testkit::suite::connection::Setup;

fn factory(setup: &Setup) -> Result<Arc<dyn ConnectionFactory>> {
    let mut inner = ReqwestConnectionFactory::new().http2(setup.http2)?;
    if let Some(pem) = &setup.ca_pem {
        inner = inner.root_certificates_pem(pem.as_bytes())?;
    }
    if let Some((certificate, key)) = &setup.client_certificate {
        inner = inner.client_certificate(certificate, key)?;
    }
    if let Some(url) = &setup.proxy {
        inner = inner.proxy(url.as_str())?;
    } else if !setup.environment {
        inner = inner.no_proxy()?;
    }
    Ok(Arc::new(Counted::new(inner, Count::default())))
}

okdownload_testkit::connection_suite!(factory);
