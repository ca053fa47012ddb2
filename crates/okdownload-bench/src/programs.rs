//! The programs, and how each is told what to do: as its users would, and none of them with an advantage of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::args::{OtherArg, RunOptions, VariantArg};
use crate::content::installed;
use crate::report::Side;
use crate::works::{Kind, Place, Work};
use crate::{Result, tell};

/// One that is run.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    /// What the tables call it.
    pub(crate) label: String,
    path: PathBuf,
    tool: Tool,
    /// Which okdl it is, if it is one.
    pub(crate) okdl: Option<String>,
    /// Whether the others are compared with it.
    is_first: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Okdl(VariantArg),
    /// With sha256sum after it, instead of a digest to check; only where one is to be checked.
    OkdlThenHash,
    Other(OtherArg),
    RawRecv,
    RawSplice,
}

/// What a run has: where it gets files from, and where it may leave something.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    pub(crate) urls: &'a [String],
    pub(crate) names: &'a [String],
    /// The sha-256 of the one file.
    pub(crate) digest: Option<&'a str>,
    /// The CA to trust, in PEM; `None` where there is no TLS.
    pub(crate) ca: Option<&'a Path>,
    /// Where the files go, empty at first.
    pub(crate) out: &'a Path,
    /// The home and the state, empty at first.
    pub(crate) home: &'a Path,
}

/// All that are asked for and there.
pub(crate) fn all(options: &RunOptions) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    let is_ours = |variant: &&VariantArg| **variant != VariantArg::Isahc;
    let first = options.variants.iter().find(is_ours).copied().map(Tool::Okdl);
    for (label, path) in okdls(options)? {
        let program = |label: String, tool| Program {
            is_first: Some(tool) == first,
            label,
            path: path.clone(),
            tool,
            okdl: Some(path.display().to_string()),
        };
        for variant in &options.variants {
            let label = match variant {
                VariantArg::Process => label.clone(),
                VariantArg::Power => format!("{label}, power"),
                VariantArg::Isahc => format!("{label}, isahc"),
            };
            programs.push(program(label, Tool::Okdl(*variant)));
        }
        programs.push(program(format!("{label}, then sha256sum"), Tool::OkdlThenHash));
    }
    for other in &options.programs {
        let name = other.name();
        match installed(name) {
            Some(path) => programs.push(Program::other(name, path, Tool::Other(*other))),
            None => tell(&format!("{name} is not installed, and left out")),
        }
    }
    if options.raw {
        let path = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
        programs.push(Program::other("raw recv", path.clone(), Tool::RawRecv));
        programs.push(Program::other("raw splice", path, Tool::RawSplice));
    }
    Ok(programs)
}

/// What has this name in the folder of this program.
pub(crate) fn beside(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe().map_err(|error| format!("cannot find this program: {error}"))?;
    Ok(program.with_file_name(name))
}

/// The okdl at this path, or the one beside this program.
pub(crate) fn okdl(path: Option<&Path>) -> Result<PathBuf> {
    let path = path.map_or_else(|| beside("okdl"), |path| Ok(path.to_owned()))?;
    path.canonicalize()
        .map_err(|error| format!("no okdl at {}: {error}; build it, or say --okdl", path.display()))
}

/// Each okdl with its label: those that were named, or the one beside this program.
fn okdls(options: &RunOptions) -> Result<Vec<(String, PathBuf)>> {
    let named = options.okdl.iter().map(|text| match text.split_once('=') {
        Some((label, path)) => (label.to_owned(), PathBuf::from(path)),
        None => ("okdl".to_owned(), PathBuf::from(text)),
    });
    let mut okdls: Vec<_> = named.collect();
    if okdls.is_empty() {
        okdls.push(("okdl".to_owned(), beside("okdl")?));
    }
    for (_, path) in &mut okdls {
        *path = okdl(Some(path))?;
    }
    let mut labels: Vec<_> = okdls.iter().map(|(label, _)| label).collect();
    labels.sort();
    labels.dedup();
    if labels.len() < okdls.len() {
        return Err("two okdl have one label; say --okdl LABEL=PATH for each".into());
    }
    Ok(okdls)
}

impl OtherArg {
    fn name(self) -> &'static str {
        match self {
            Self::Curl => "curl",
            Self::Aria2c => "aria2c",
            Self::Wget2 => "wget2",
            Self::Axel => "axel",
        }
    }
}

impl Program {
    fn other(label: &str, path: PathBuf, tool: Tool) -> Self {
        Self { label: label.into(), path, tool, okdl: None, is_first: false }
    }

    /// Whose it is.
    pub(crate) fn side(&self) -> Side {
        match self.tool {
            Tool::Okdl(VariantArg::Isahc) => Side::Isahc,
            Tool::Okdl(_) => Side::Ours { is_first: self.is_first },
            Tool::OkdlThenHash => Side::ThenHash,
            Tool::Other(other) => Side::Other { is_curl: other == OtherArg::Curl },
            Tool::RawRecv => Side::RawRecv,
            Tool::RawSplice => Side::RawSplice,
        }
    }

    /// What the tables call it when it does this work.
    pub(crate) fn label_for(&self, work: &Work) -> String {
        let is_alone = self.is_alone() && work.connections > 1;
        let hash = if self.hashes(work) { ", then sha256sum" } else { "" };
        let alone = if is_alone { ", 1 connection" } else { "" };
        format!("{}{alone}{hash}", self.label)
    }

    /// Whether it fetches a file over one connection, however many it may have. (The chunks of wget2 1.99 come one after
    /// the other.)
    fn is_alone(&self) -> bool {
        matches!(self.tool, Tool::Other(OtherArg::Curl | OtherArg::Wget2))
    }

    /// Whether it can do this work, and whether its time then says anything.
    pub(crate) fn can(&self, work: &Work) -> bool {
        let is_raw = matches!(self.tool, Tool::RawRecv | Tool::RawSplice);
        let is_axel = self.tool == Tool::Other(OtherArg::Axel);
        match work.kind {
            _ if self.tool == Tool::OkdlThenHash => work.kind == Kind::Digest,
            // Each connection is limited, so one takes so many times as long as several.
            Kind::Resume | Kind::Download if self.is_alone() && work.connections > 1 && work.is_limited() => {
                false
            }
            Kind::Resume | Kind::Start | Kind::Cancel => !is_raw,
            // axel takes no CA, nor localhost for the name in a certificate.
            Kind::Download | Kind::Digest if work.server == Place::NginxTls => !is_raw && !is_axel,
            // It takes several addresses for those of one file.
            Kind::Download | Kind::Digest => !is_axel || work.files.count == 1,
        }
    }

    /// Whether it needs sha256sum to do the work: aria2c and okdl check digests themselves.
    fn hashes(&self, work: &Work) -> bool {
        let itself = matches!(self.tool, Tool::Okdl(_) | Tool::OkdlThenHash | Tool::Other(OtherArg::Aria2c));
        work.kind == Kind::Digest && !itself
    }

    /// What is run, one command after the other.
    pub(crate) fn commands(&self, work: &Work, site: &Site<'_>) -> Result<Vec<Command>> {
        let arguments = if work.files.count == 1 { self.one(work, site) } else { self.list(work, site)? };
        let mut command = Command::new(&self.path);
        command.args(arguments);
        let mut commands = vec![command];
        if self.hashes(work) || self.tool == Tool::OkdlThenHash {
            let mut hash = Command::new("sha256sum");
            hash.args(site.names.iter().map(|name| site.out.join(name)));
            commands.push(hash);
        }
        for command in &mut commands {
            surround(command, site);
        }
        Ok(commands)
    }

    /// The arguments to download one file.
    fn one(&self, work: &Work, site: &Site<'_>) -> Vec<OsString> {
        let (url, name) = (&site.urls[0], &site.names[0]);
        let path = site.out.join(name).into_os_string();
        let count = work.connections.to_string();
        let mut list = Arguments::default();
        match self.tool {
            Tool::Okdl(_) | Tool::OkdlThenHash => {
                list = self.okdl(site).say(["-x", &count, "-o"]).path(path);
                if let (Tool::Okdl(_), Some(digest)) = (self.tool, site.digest) {
                    list = list.say(["--checksum", &format!("sha-256={digest}")]);
                }
            }
            Tool::Other(OtherArg::Curl) => {
                list = list.say(["-q", "-sSf"]).trust("--cacert", site).say(["-o"]).path(path);
            }
            Tool::Other(OtherArg::Aria2c) => {
                list = aria2c(site).say(["-x", &count, "-s", &count, "-k", "1M", "-o", name]);
                if let Some(digest) = site.digest {
                    list = list.say([&format!("--checksum=sha-256={digest}")]);
                }
            }
            Tool::Other(OtherArg::Wget2) => {
                list = wget2(site).say(["--max-threads", "1", "-O"]).path(path);
            }
            Tool::Other(OtherArg::Axel) => list = list.say(["-q", "-n", &count, "-o"]).path(path),
            Tool::RawRecv | Tool::RawSplice => list = self.raw().say(["-x", &count, "-o"]).path(path),
        }
        list.say([url]).0
    }

    /// The arguments to download many files.
    fn list(&self, work: &Work, site: &Site<'_>) -> Result<Vec<OsString>> {
        let list = site.home.join("list");
        let lines = site.urls.iter().zip(site.names).map(|(url, name)| match self.tool {
            Tool::Other(OtherArg::Curl) => {
                format!("url = \"{url}\"\noutput = \"{}\"\n", site.out.join(name).display())
            }
            _ => format!("{url}\n"),
        });
        std::fs::write(&list, lines.collect::<String>())
            .map_err(|error| format!("cannot write {}: {error}", list.display()))?;
        let count = work.parallel.to_string();
        let arguments = match self.tool {
            Tool::Okdl(_) | Tool::OkdlThenHash => {
                self.okdl(site).say(["-j", &count, "-d"]).path(site.out).say(["-i"])
            }
            Tool::Other(OtherArg::Curl) => {
                Arguments::default().say(["-q", "-sSf", "-Z", "--parallel-max", &count, "-K"])
            }
            Tool::Other(OtherArg::Aria2c) => aria2c(site).say(["-j", &count, "-x", "1", "-s", "1", "-i"]),
            Tool::Other(OtherArg::Wget2) => {
                wget2(site).say(["--max-threads", &count, "-P"]).path(site.out).say(["-i"])
            }
            Tool::Other(OtherArg::Axel) => return Err("axel takes no list of files".into()),
            Tool::RawRecv | Tool::RawSplice => {
                self.raw().say(["-j", &count, "-d"]).path(site.out).say(["-i"])
            }
        };
        Ok(arguments.path(list).0)
    }

    fn okdl(&self, site: &Site<'_>) -> Arguments {
        let (durability, backend) = match self.tool {
            Tool::Okdl(VariantArg::Power) => ("power", "reqwest"),
            Tool::Okdl(VariantArg::Isahc) => ("process", "isahc"),
            _ => ("process", "reqwest"),
        };
        let list = Arguments::default().say(["-q", "--durability", durability, "--backend", backend]);
        list.trust("--cacert", site)
    }

    fn raw(&self) -> Arguments {
        Arguments::default().say([if self.tool == Tool::RawSplice { "raw-splice" } else { "raw-recv" }])
    }
}

fn aria2c(site: &Site<'_>) -> Arguments {
    let list = Arguments::default().say(["--no-conf", "-q", "--file-allocation=none"]);
    list.trust("--ca-certificate", site).say(["-d"]).path(site.out)
}

fn wget2(site: &Site<'_>) -> Arguments {
    Arguments::default().say(["-q", "--no-hsts"]).trust("--ca-certificate", site)
}

/// The same surroundings for all: nothing of the user's, no proxy, and a home and a state that are new.
fn surround(command: &mut Command, site: &Site<'_>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("LC_ALL", "C").current_dir(site.home);
    for name in ["HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"] {
        command.env(name, site.home);
    }
}

/// Arguments, some of which are paths.
#[derive(Debug, Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn say<const N: usize>(mut self, words: [&str; N]) -> Self {
        self.0.extend(words.map(OsString::from));
        self
    }

    /// The CA to trust, if there is one, behind its option.
    fn trust(self, option: &str, site: &Site<'_>) -> Self {
        match site.ca {
            Some(ca) => self.say([option]).path(ca),
            None => self,
        }
    }

    fn path(mut self, path: impl Into<OsString>) -> Self {
        self.0.push(path.into());
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::works;

    fn work(name: &str) -> Work {
        works::all(true).into_iter().find(|work| work.name == name).unwrap()
    }

    fn program(tool: Tool) -> Program {
        Program::other("it", PathBuf::from("/bin/it"), tool)
    }

    /// The command lines, without the folders.
    fn lines(tool: Tool, work: &Work, digest: Option<&str>) -> Vec<String> {
        let home = tempfile::tempdir().unwrap();
        let urls: Vec<_> =
            (0..work.files.count).map(|number| format!("https://127.0.0.1:1/{number}")).collect();
        let names: Vec<_> = (0..work.files.count).map(|number| format!("{number}.bin")).collect();
        let (ca, out) = (Some(Path::new("/ca.pem")), Path::new("/out"));
        let site = Site { urls: &urls, names: &names, digest, ca, out, home: home.path() };
        let commands = program(tool).commands(work, &site).unwrap();
        let line = |command: &Command| {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let words: Vec<_> = words.map(|word| word.to_string_lossy().into_owned()).collect();
            words.join(" ").replace(&home.path().display().to_string(), "/home")
        };
        commands.iter().map(line).collect()
    }

    #[test]
    fn command_lines_say_what_users_would() {
        use OtherArg::{Aria2c, Axel, Curl, Wget2};
        let okdl = "/bin/it -q --durability power --backend reqwest --cacert /ca.pem";
        for (tool, name, expected) in [
            (Tool::Okdl(VariantArg::Power), "one-4", format!("{okdl} -x 4 -o /out/0.bin https://127.0.0.1:1/0")),
            (Tool::Okdl(VariantArg::Power), "small", format!("{okdl} -j 16 -d /out -i /home/list")),
            (
                Tool::Other(Curl),
                "one-4",
                "/bin/it -q -sSf --cacert /ca.pem -o /out/0.bin https://127.0.0.1:1/0".into(),
            ),
            (Tool::Other(Curl), "small", "/bin/it -q -sSf -Z --parallel-max 16 -K /home/list".into()),
            (
                Tool::Other(Aria2c),
                "one-16",
                "/bin/it --no-conf -q --file-allocation=none --ca-certificate /ca.pem -d /out -x 16 -s 16 -k 1M \
                 -o 0.bin https://127.0.0.1:1/0"
                    .into(),
            ),
            (
                Tool::Other(Wget2),
                "medium",
                "/bin/it -q --no-hsts --ca-certificate /ca.pem --max-threads 8 -P /out -i /home/list".into(),
            ),
            (Tool::Other(Axel), "one-4", "/bin/it -q -n 4 -o /out/0.bin https://127.0.0.1:1/0".into()),
            (Tool::RawSplice, "one-16", "/bin/it raw-splice -x 16 -o /out/0.bin https://127.0.0.1:1/0".into()),
        ] {
            assert_eq!(lines(tool, &work(name), None), [expected], "{name}");
        }
    }

    #[test]
    fn who_checks_no_digest_has_it_checked() {
        let work = work("digest");
        let ours = lines(Tool::Okdl(VariantArg::Process), &work, Some("ab"));
        assert!(ours.len() == 1 && ours[0].contains("--checksum sha-256=ab"), "{ours:?}");
        for tool in [Tool::OkdlThenHash, Tool::Other(OtherArg::Curl), Tool::RawRecv] {
            let lines = lines(tool, &work, Some("ab"));
            assert!(lines.len() == 2 && !lines[0].contains("ab "), "{lines:?}");
            assert_eq!(lines[1], "sha256sum /out/0.bin");
        }
    }

    #[test]
    fn nobody_does_what_says_nothing() {
        use OtherArg::{Axel, Curl, Wget2};
        for (tool, name, can) in [
            (Tool::Other(Curl), "limited", false),
            (Tool::Other(Wget2), "resume", false),
            (Tool::Other(Curl), "one-16", true),
            (Tool::Other(Curl), "medium-latency", true),
            (Tool::Other(Curl), "cancel", true),
            (Tool::Other(Axel), "small", false),
            (Tool::Other(Axel), "tls-4", false),
            (Tool::Other(Axel), "unequal", true),
            (Tool::RawRecv, "tls-4", false),
            (Tool::RawRecv, "start", false),
            (Tool::RawRecv, "digest", true),
            (Tool::OkdlThenHash, "one-4", false),
            (Tool::OkdlThenHash, "digest", true),
        ] {
            assert_eq!(program(tool).can(&work(name)), can, "{tool:?} {name}");
        }
    }
}
