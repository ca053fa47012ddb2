//! nginx, on free ports of 127.0.0.1, in a folder of its own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use super::{Counts, certificate, log};
use crate::content::installed;
use crate::{Result, tell};

#[derive(Debug)]
pub(crate) struct Nginx {
    process: Child,
    port: u16,
    tls_port: u16,
    log: PathBuf,
    ca: PathBuf,
    version: String,
}

impl Nginx {
    /// Serves `root`; all that it needs is in `folder`.
    pub(super) fn start(folder: &Path, root: &Path, workers: &str) -> Result<Self> {
        let program = installed("nginx").ok_or("nginx is neither on PATH nor in /usr/sbin; install it")?;
        let cannot = |error: std::io::Error| format!("cannot set up nginx in {}: {error}", folder.display());
        let certificates =
            certificate::new().map_err(|error| format!("cannot make a certificate: {error}"))?;
        let path = |name: &str| folder.join(name);
        for (name, text) in [
            ("ca.pem", &certificates.ca),
            ("server.pem", &certificates.server),
            ("key.pem", &certificates.key),
        ] {
            std::fs::write(path(name), text).map_err(cannot)?;
        }
        let (port, tls_port) = free_ports().map_err(cannot)?;
        let text = configuration(folder, root, workers, [port, tls_port]);
        std::fs::write(path("nginx.conf"), text).map_err(cannot)?;
        let mut command = Command::new(&program);
        command.arg("-p").arg(folder).arg("-c").arg(path("nginx.conf")).arg("-e").arg(path("error.log"));
        let process = command.stdin(Stdio::null()).spawn().map_err(cannot)?;
        let (log, ca) = (path("access.log"), path("ca.pem"));
        let mut nginx = Self { process, port, tls_port, log, ca, version: version(&program) };
        nginx.wait_until_it_listens(&path("error.log"))?;
        Ok(nginx)
    }

    fn wait_until_it_listens(&mut self, errors: &Path) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let has_ended = self.process.try_wait().is_ok_and(|status| status.is_some());
            if has_ended || begin.elapsed() > Duration::from_secs(10) {
                let why = std::fs::read_to_string(errors).unwrap_or_default();
                return Err(format!("nginx does not start: {}", why.trim()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    pub(super) fn url(&self, name: &str, tls: bool) -> String {
        let (scheme, port) = if tls { ("https", self.tls_port) } else { ("http", self.port) };
        format!("{scheme}://127.0.0.1:{port}/{name}")
    }

    /// The CA to trust, a file in PEM.
    pub(crate) fn ca(&self) -> &Path {
        &self.ca
    }

    /// As it calls itself.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Waits until nothing more is logged: a request is logged once it is over, which for one that was broken off is
    /// when nginx notices.
    pub(super) fn counts(&self) -> Result<Counts> {
        let cannot = |error| format!("cannot read {}: {error}", self.log.display());
        let length = || std::fs::metadata(&self.log).map(|data| data.len()).map_err(cannot);
        let (mut before, begin) = (length()?, Instant::now());
        loop {
            std::thread::sleep(Duration::from_millis(60));
            let now = length()?;
            if now == before || begin.elapsed() > Duration::from_secs(5) {
                break;
            }
            before = now;
        }
        let lines = std::fs::read_to_string(&self.log).map_err(cannot)?;
        log::count(&lines).ok_or_else(|| format!("{} is not as it was asked for", self.log.display()))
    }

    /// Forgets what was counted, so that the log stays small.
    pub(crate) fn forget(&self) -> Result<()> {
        // nginx appends, so it goes on at the beginning.
        std::fs::File::create(&self.log)
            .map(drop)
            .map_err(|error| format!("cannot empty nginx's log: {error}"))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Not SIGKILL, which its workers would survive.
        let asked = kill_process(Pid::from_child(&self.process), Signal::TERM);
        if let Err(error) = asked.map_err(Into::into).and_then(|()| self.process.wait().map(drop)) {
            tell(&format!("cannot end nginx: {error}"));
        }
    }
}

fn version(program: &Path) -> String {
    let said = Command::new(program).arg("-v").output().map(|output| output.stderr).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().replace("nginx version: ", "");
    if said.is_empty() { "nginx".into() } else { said }
}

/// Two ports that nobody has. Somebody might take them before nginx does, which then says so.
fn free_ports() -> std::io::Result<(u16, u16)> {
    let (one, other) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    Ok((one.local_addr()?.port(), other.local_addr()?.port()))
}

/// As most servers are set up; nothing but the log is special, which is written at once.
fn configuration(folder: &Path, root: &Path, workers: &str, [port, tls_port]: [u16; 2]) -> String {
    // As root it would give its workers to somebody else, who may not read our files.
    let user = if geteuid().is_root() { "user root root;" } else { "" };
    let bodies = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let bodies = bodies.map(|name| format!("    {name}_temp_path \"{}\";\n", folder.join(name).display()));
    format!(
        "daemon off;
{user}
worker_processes {workers};
pid \"{folder}/nginx.pid\";
error_log \"{folder}/error.log\" crit;
events {{ worker_connections 1024; }}
http {{
{bodies}    log_format bench '{format}';
    access_log \"{folder}/access.log\" bench;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_requests 100000;
    ssl_certificate \"{folder}/server.pem\";
    ssl_certificate_key \"{folder}/key.pem\";
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:TLS:1m;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        listen 127.0.0.1:{tls_port} ssl backlog=1024;
        root \"{root}\";
    }}
}}
",
        folder = folder.display(),
        root = root.display(),
        format = log::FORMAT,
        bodies = bodies.concat(),
    )
}
