//! scratch
#![allow(clippy::unwrap_used)]
use async_trait::async_trait;
use okdownload_connection::*;
use okdownload_connection_reqwest::ReqwestConnectionFactory;
use okdownload_testkit::suite::connection::Setup;
use okdownload_types::*;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

static M: LazyLock<String> = LazyLock::new(|| std::env::var("MUTANT").unwrap_or_default());
fn is(m: &str) -> bool {
    *M == m
}

fn make(setup: &Setup) -> Result<ReqwestConnectionFactory> {
    let mut factory = match &setup.proxy {
        Some(url) if !is("noproxy") => ReqwestConnectionFactory::new().proxy(url.as_str())?,
        _ => ReqwestConnectionFactory::new().no_proxy()?,
    };
    if let Some(pem) = &setup.ca_pem {
        factory = factory.root_certificates_pem(pem.as_bytes())?;
    }
    if is("insecure") {
        factory = ReqwestConnectionFactory::from_builder(|| {
            reqwest::Client::builder().no_proxy().danger_accept_invalid_certs(true)
        });
    }
    Ok(factory)
}
fn factory(setup: &Setup) -> Result<Arc<dyn ConnectionFactory>> {
    Ok(Arc::new(F(make(setup)?, setup.clone(), Arc::new(tokio::sync::Semaphore::new(1)))))
}
#[derive(Debug)]
struct F(ReqwestConnectionFactory, Setup, Arc<tokio::sync::Semaphore>);
#[derive(Debug)]
struct C {
    inner: Option<Box<dyn Connected>>,
    permit: Option<tokio::sync::OwnedSemaphorePermit>,
    head: ResponseHead,
    done: bool,
    pre: Vec<bytes::Bytes>,
}
fn err(e: Error) -> Error {
    if is("alltemp") {
        e.temporary()
    } else if is("allperm") {
        e.permanent()
    } else if is("leak-url") {
        e.with_context("u", "s3cret")
    } else {
        e
    }
}
#[async_trait]
impl ConnectionFactory for F {
    async fn connect(&self, mut r: ConnectRequest) -> Result<Box<dyn Connected>> {
        if is("ua") {
            r.headers.entry("user-agent").or_insert("x".parse().unwrap());
        }
        if is("dropheader") {
            r.headers.remove("if-range");
        }
        if is("timeout") {
            r.connect_timeout = Duration::from_secs(30);
        }
        if is("nobody") {
            r.body = None;
        }
        let permit = if is("serial") { Some(self.2.clone().acquire_owned().await.unwrap()) } else { None };
        let f = if is("fresh") { make(&self.1)? } else { self.0.clone() };
        let mut inner = if is("detached") {
            tokio::spawn(async move { f.connect(r).await }).await.unwrap().map_err(err)?
        } else {
            let mut c = f.connect(r.clone()).await.map_err(err)?;
            if is("retry") && c.head().status >= 500 {
                c = f.connect(r.clone()).await?
            }
            if is("follow") && c.head().status == 302 {
                let mut r = r.clone();
                r.url = r.url.join("/elsewhere").unwrap();
                c = f.connect(r).await?
            }
            c
        };
        let mut pre = vec![];
        if is("buffer") {
            while let Some(b) = inner.chunk().await.map_err(err)? {
                pre.push(b)
            }
            pre.reverse();
        }
        let mut head = inner.head().clone();
        if is("nolen") {
            head.headers.remove("content-encoding");
        }
        Ok(Box::new(C { inner: Some(inner), permit, head, done: false, pre }))
    }
}
#[async_trait]
impl Connected for C {
    fn head(&self) -> &ResponseHead {
        &self.head
    }
    async fn chunk(&mut self) -> Result<Option<bytes::Bytes>> {
        if let Some(b) = self.pre.pop() {
            return Ok(Some(b));
        }
        let r = self.inner.as_mut().unwrap().chunk().await.map_err(err);
        if is("lossy") {
            tokio::task::yield_now().await;
        }
        let r = if is("swallow") && r.is_err() { Ok(None) } else { r };
        if is("eager-err") {
            if let Ok(Some(b)) = &r {
                if b.len() < 3 {
                    return Ok(None);
                }
            }
        }
        self.done = true;
        r
    }
}
impl Drop for C {
    fn drop(&mut self) {
        if is("leak") {
            std::mem::forget(self.inner.take());
        }
        let _ = &self.permit;
    }
}
okdownload_testkit::connection_suite!(factory);
