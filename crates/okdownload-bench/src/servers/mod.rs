//! The servers, as processes of their own, and what they counted.

mod certificate;
mod log;
mod nginx;
mod shaped;

use std::ops::Sub;
use std::path::Path;

use crate::Result;
use crate::args::RunOptions;
use crate::works::Place;

pub(crate) use nginx::Nginx;
pub(crate) use shaped::Shaped;

/// What a server has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) requests: u64,
    /// Those that carried a request.
    pub(crate) connections: u64,
    /// Bytes of bodies, sent whether or not they arrived.
    pub(crate) bytes: u64,
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            requests: self.requests - before.requests,
            connections: self.connections - before.connections,
            bytes: self.bytes - before.bytes,
        }
    }
}

/// The server of one work.
#[derive(Debug)]
pub(crate) enum Server<'a> {
    Nginx { nginx: &'a Nginx, tls: bool },
    Shaped(Shaped),
}

impl<'a> Server<'a> {
    /// The one that the work wants: nginx is there, one of our own is started.
    pub(crate) fn of(place: Place, nginx: &'a Nginx, root: &Path) -> Result<Self> {
        Ok(match place {
            Place::Nginx => Self::Nginx { nginx, tls: false },
            Place::NginxTls => Self::Nginx { nginx, tls: true },
            Place::Shaped(shape) => Self::Shaped(Shaped::start(root, shape)?),
        })
    }

    /// Where a file is.
    pub(crate) fn url(&self, name: &str) -> String {
        match self {
            Self::Nginx { nginx, tls } => nginx.url(name, *tls),
            Self::Shaped(shaped) => shaped.url(name),
        }
    }

    /// The CA to trust, a file in PEM; `None` without TLS.
    pub(crate) fn ca(&self) -> Option<&Path> {
        match self {
            Self::Nginx { nginx, tls: true } => Some(nginx.ca()),
            _ => None,
        }
    }

    /// What it has done since it was started. nginx counts a request once it is over.
    pub(crate) fn counts(&mut self) -> Result<Counts> {
        match self {
            Self::Nginx { nginx, .. } => nginx.counts(),
            Self::Shaped(shaped) => shaped.counts(),
        }
    }
}

/// nginx, set up as asked.
pub(crate) fn nginx(folder: &Path, root: &Path, options: &RunOptions) -> Result<Nginx> {
    Nginx::start(folder, root, &options.workers)
}
