//! The description of a download.

use std::fmt;
use std::num::{NonZeroU32, NonZeroU64};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, header};
use percent_encoding::percent_decode_str;
use url::Url;

use crate::mirror::{self, Mirror};
use crate::{Digest, Error, ErrorKind, Result, Target, TaskId, is_secret, redacted};

/// What to do if something that is not this download has the final name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnExists {
    /// Keep it and end with [`AlreadyExists`](ErrorKind::AlreadyExists).
    #[default]
    Error,
    /// Keep it and end as completed.
    Skip,
    /// Replace it, once the download is whole.
    Overwrite,
    /// Take the next free name: `name (1).ext`.
    Rename,
    /// Replace it if the server has another version. Also asks the server about files that we know to be complete.
    Update,
}

/// What a finished or recorded download survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Durability {
    /// The loss of power: data and names are synced to the disk.
    #[default]
    Power,
    /// The death of the process: nothing is synced.
    Process,
}

/// Name and password for Basic authentication (RFC 7617), sent to the task's own origin only. Never shown, logged or
/// stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// How long things may take. Waiting of our own making (rate limits, a slow disk) does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// To connect, TLS included. Default 30 s.
    pub connect: Duration,
    /// From the request to the head of the response. Default 30 s. Where a connection must be made first, nobody says
    /// when it was there, so what is left of the time to connect comes on top. A request that has been without an answer
    /// for a tenth of this gives its block to a connection that was served and has nothing to do.
    pub head: Duration,
    /// Without a byte of the body. Default 30 s.
    pub stall: Duration,
    /// For the whole run. Default none. What is there when it is over is kept; the error is not temporary.
    pub total: Option<Duration>,
    /// The least speed that is put up with. Default any.
    pub lowest_speed: Option<LowestSpeed>,
}

/// The least speed of a download. While several connections bring bytes, each has to bring its share.
///
/// A response that is slower for a whole window is given up, and asked for again as after any temporary failure; but
/// what came so slowly is no progress, so the download ends when the failures that it forgives are used up. Waiting for
/// a connection or for a response's head has limits of its own, and is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LowestSpeed {
    /// The speed, averaged over the window.
    pub bytes_per_second: NonZeroU64,
    /// How long it may be lower. Default 30 s.
    pub window: Duration,
}

impl LowestSpeed {
    /// This speed, over half a minute.
    pub const fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes_per_second, window: Duration::from_secs(30) }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        let half_minute = Duration::from_secs(30);
        Self { connect: half_minute, head: half_minute, stall: half_minute, total: None, lowest_speed: None }
    }
}

/// A download: what to fetch, where to put it, and how. Plain data, cheap to clone.
///
/// Two tasks are equal if their [ids](DownloadTask::id) are: same URL, same target.
#[derive(Clone)]
pub struct DownloadTask {
    id: TaskId,
    url: Url,
    target: Target,
    options: Arc<Options>,
}

#[derive(Debug, Clone)]
struct Options {
    method: Method,
    headers: HeaderMap,
    body: Option<Bytes>,
    credentials: Option<Credentials>,
    mirrors: Vec<Mirror>,
    priority: i32,
    connection_count: Option<NonZeroU32>,
    preallocate: Option<bool>,
    progress_interval: Duration,
    pass_if_already_completed: bool,
    on_exists: Option<OnExists>,
    durability: Option<Durability>,
    digest: Option<Digest>,
    restart_on_mismatch: bool,
    ignore_server_digest: bool,
    trust_length: bool,
    rate_limit: Option<NonZeroU64>,
    retries: u32,
    redirects: u32,
    allow_insecure_redirects: bool,
    timeouts: Timeouts,
    tags: Extensions,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: Method::GET,
            headers: HeaderMap::new(),
            body: None,
            credentials: None,
            mirrors: Vec::new(),
            priority: 0,
            connection_count: None,
            preallocate: None,
            progress_interval: Duration::from_millis(200),
            pass_if_already_completed: true,
            on_exists: None,
            durability: None,
            digest: None,
            restart_on_mismatch: false,
            ignore_server_digest: false,
            trust_length: false,
            rate_limit: None,
            retries: 5,
            redirects: 10,
            allow_insecure_redirects: false,
            timeouts: Timeouts::default(),
            tags: Extensions::new(),
        }
    }
}

/// Shared by all tasks that want nothing special: there may be very many.
static DEFAULT: LazyLock<Arc<Options>> = LazyLock::new(Arc::default);

impl DownloadTask {
    /// Starts the description of a download of `url` to `target`.
    pub fn builder(url: impl AsRef<str>, target: Target) -> DownloadTaskBuilder {
        DownloadTaskBuilder {
            url: url.as_ref().to_owned(),
            target,
            filename: None,
            filename_from_response: None,
            options: DEFAULT.clone(),
            error: None,
        }
    }

    /// The download of `url` to the file `path`, with default options.
    ///
    /// # Errors
    /// See [`DownloadTaskBuilder::build`].
    pub fn to_file(url: impl AsRef<str>, path: impl Into<std::path::PathBuf>) -> Result<Self> {
        Self::builder(url, Target::file(path)).build()
    }

    /// The download of `url` into the directory `path`, named by the response, with default options.
    ///
    /// # Errors
    /// See [`DownloadTaskBuilder::build`].
    pub fn to_directory(url: impl AsRef<str>, path: impl Into<std::path::PathBuf>) -> Result<Self> {
        Self::builder(url, Target::directory(path)).build()
    }

    /// A builder with all that this task has, to change some of it.
    pub fn to_builder(&self) -> DownloadTaskBuilder {
        DownloadTaskBuilder {
            url: self.url.to_string(),
            target: self.target.clone(),
            filename: None,
            filename_from_response: None,
            options: self.options.clone(),
            error: None,
        }
    }

    /// The stable hash of URL and target.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The URL, without userinfo and fragment.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Where it goes; always absolute.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.options.method
    }

    /// The user's headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.options.headers
    }

    /// The request's body.
    pub fn body(&self) -> Option<&Bytes> {
        self.options.body.as_ref()
    }

    /// Name and password for the URL's own origin.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.options.credentials.as_ref()
    }

    /// The other places that have the file, in the order in which they are asked.
    pub fn mirrors(&self) -> &[Mirror] {
        &self.options.mirrors
    }

    /// Higher starts sooner. It orders waiting tasks and never stops a running one.
    pub fn priority(&self) -> i32 {
        self.options.priority
    }

    /// How many connections the user wants, whatever the strategy says.
    pub fn connection_count(&self) -> Option<NonZeroU32> {
        self.options.connection_count
    }

    /// Whether the user wants the space to be allocated before bytes come.
    pub fn preallocate(&self) -> Option<bool> {
        self.options.preallocate
    }

    /// The least time between two progress events.
    pub fn progress_interval(&self) -> Duration {
        self.options.progress_interval
    }

    /// Whether a download that is known to be complete ends at once.
    pub fn pass_if_already_completed(&self) -> bool {
        self.options.pass_if_already_completed
    }

    /// What the user wants if something else has the final name.
    pub fn on_exists(&self) -> Option<OnExists> {
        self.options.on_exists
    }

    /// What the user wants the download to survive.
    pub fn durability(&self) -> Option<Durability> {
        self.options.durability
    }

    /// The digest that the file must have.
    pub fn digest(&self) -> Option<&Digest> {
        self.options.digest.as_ref()
    }

    /// Whether a file that turns out to have the wrong digest is fetched anew, once.
    pub fn restart_on_mismatch(&self) -> bool {
        self.options.restart_on_mismatch
    }

    /// Whether the digests that servers tell are passed over.
    pub fn ignore_server_digest(&self) -> bool {
        self.options.ignore_server_digest
    }

    /// Whether an equal length is enough to put bytes of two responses together.
    pub fn trust_length(&self) -> bool {
        self.options.trust_length
    }

    /// The most bytes a second.
    pub fn rate_limit(&self) -> Option<NonZeroU64> {
        self.options.rate_limit
    }

    /// How many failures in a row, without progress between them, are forgiven.
    pub fn retries(&self) -> u32 {
        self.options.retries
    }

    /// How many redirects in a row are followed.
    pub fn redirects(&self) -> u32 {
        self.options.redirects
    }

    /// Whether a redirect may lead from https to http.
    pub fn allow_insecure_redirects(&self) -> bool {
        self.options.allow_insecure_redirects
    }

    /// How long things may take.
    pub fn timeouts(&self) -> Timeouts {
        self.options.timeouts
    }

    /// The tag of this type.
    pub fn tag<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.options.tags.get()
    }

    /// Target and options as text, for [`BreakpointInfo::options`](crate::BreakpointInfo::options). Secrets, tags and a
    /// body are left out.
    pub fn to_stored(&self) -> String {
        crate::stored::write(self)
    }

    /// Whether it can only be started again by someone who brings its secrets along: they are never stored.
    pub fn needs_credentials(&self) -> bool {
        self.options.credentials.is_some()
            || self.options.mirrors.iter().any(|mirror| mirror.credentials().is_some())
            || self.options.headers.iter().any(|(name, value)| is_secret(name, value))
    }
}

impl PartialEq for DownloadTask {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for DownloadTask {}

impl std::hash::Hash for DownloadTask {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// Shows neither header values nor the URL's query: both may hold secrets.
impl fmt::Debug for DownloadTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadTask")
            .field("id", &self.id)
            .field("url", &redacted(&self.url))
            .field("target", &self.target)
            .field("priority", &self.options.priority)
            .finish_non_exhaustive()
    }
}

/// Builds a [`DownloadTask`]. What is wrong with the values shows at [`build`](DownloadTaskBuilder::build).
#[derive(Clone)]
#[must_use]
pub struct DownloadTaskBuilder {
    url: String,
    target: Target,
    filename: Option<String>,
    filename_from_response: Option<bool>,
    options: Arc<Options>,
    error: Option<Error>,
}

/// Shows as little as the task will.
impl fmt::Debug for DownloadTaskBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownloadTaskBuilder").field("target", &self.target).finish_non_exhaustive()
    }
}

impl DownloadTaskBuilder {
    /// The options, to change them: from now on this task's own.
    fn options(&mut self) -> &mut Options {
        Arc::make_mut(&mut self.options)
    }

    /// Another URL.
    pub fn url(mut self, url: impl AsRef<str>) -> Self {
        url.as_ref().clone_into(&mut self.url);
        self
    }

    /// Another target.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// The name within the target's directory.
    pub fn filename(mut self, name: impl Into<String>) -> Self {
        self.filename = Some(name.into());
        self
    }

    /// `true`: the target is a directory and the response gives the name. `false`: the name must be known now.
    pub fn filename_from_response(mut self, wanted: bool) -> Self {
        self.filename_from_response = Some(wanted);
        self
    }

    /// The request's method; default GET. Anything but GET is fetched over one connection and never resumed.
    pub fn method(mut self, method: Method) -> Self {
        self.options().method = method;
        self
    }

    /// The request's body; default none.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.options().body = Some(body.into());
        self
    }

    /// Adds a header. Mark values [sensitive](HeaderValue::set_sensitive) that must be neither stored nor sent to
    /// another origin.
    pub fn header<N, V>(mut self, name: N, value: V) -> Self
    where
        N: TryInto<HeaderName, Error: Into<http::Error>>,
        V: TryInto<HeaderValue, Error: Into<http::Error>>,
    {
        let added = name.try_into().map_err(Into::into).and_then(|name| {
            self.options().headers.try_append(name, value.try_into().map_err(Into::into)?).map_err(Into::into)
        });
        if let Err(error) = added {
            let advice = "a name is a token, and a value has no line breaks (RFC 9110 §5)";
            self.error.get_or_insert(Error::misuse("not a usable header", advice).with_source(error));
        }
        self
    }

    /// Replaces all headers.
    pub fn headers(mut self, headers: HeaderMap) -> Self {
        self.options().headers = headers;
        self
    }

    /// Name and password for Basic authentication at the URL's own origin.
    pub fn credentials(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.options().credentials = Some(Credentials { user: user.into(), password: password.into() });
        self
    }

    /// Adds another place that has the same file, http or https; may be called repeatedly. Only for GET without a body.
    ///
    /// You say by this that all the URLs are of one file. It is no part of the task's identity: id, listing and limits
    /// per host know the task's own URL only.
    ///
    /// **Which is asked.** The task's URL first. If that fails in whatever way but by our own fault (no connection, an
    /// error status, no answer in time, a broken response), the next one is asked at once; only when all have failed in
    /// a row does [`retries`](Self::retries) count, and a wait come. What can't get better (404, another length,
    /// another version) leaves a place out for the rest of the run, with a warning that names it; what can is tried
    /// again later.
    ///
    /// **Whose bytes meet.** The first good answer decides the length and the version, and no file is ever put together
    /// of two versions: another place's bytes are used only if the length is equal and so is a strong `ETag`, or if the
    /// task has a [`digest`](Self::digest), which is checked before the file gets its name. (With
    /// [`trust_length`](Self::trust_length) also if neither has a strong validator.) Equal dates of two servers prove
    /// nothing, and neither do those digests that servers tell. Where several connections are used, their blocks go
    /// round all places for which that holds.
    ///
    /// So without a digest, and with different `ETag`s, all bytes come from one place. If that is given up in the
    /// middle, the download starts over from another one, once
    /// ([`ResumeFailedCause`](crate::ResumeFailedCause) says why); more [`retries`](Self::retries) put that off.
    ///
    /// **What it is told.** Headers, but not those that hold secrets, and not the task's credentials: they go to the
    /// task's own origin. Userinfo in a mirror's URL goes to that mirror's origin only; it is neither shown nor stored,
    /// so such a task [needs credentials](DownloadTask::needs_credentials) to be started again. A mirror that is there
    /// already takes the userinfo of one that is added with the same URL.
    pub fn mirror(mut self, url: impl AsRef<str>) -> Self {
        match parse_url(url.as_ref()) {
            Ok((url, credentials)) => Mirror::new(url, credentials).join(&mut self.options().mirrors),
            Err(error) => {
                self.error.get_or_insert(error.with_context("which", "a mirror"));
            }
        }
        self
    }

    /// Higher starts sooner; default 0.
    pub fn priority(mut self, priority: i32) -> Self {
        self.options().priority = priority;
        self
    }

    /// How many connections to use, whatever the strategy says.
    pub fn connection_count(mut self, count: NonZeroU32) -> Self {
        self.options().connection_count = Some(count);
        self
    }

    /// Whether to allocate the space before bytes come; default: what the process-file strategy says.
    pub fn preallocate(mut self, wanted: bool) -> Self {
        self.options().preallocate = Some(wanted);
        self
    }

    /// The least time between two progress events; default 200 ms. Zero means as often as there is something new.
    pub fn progress_interval(mut self, interval: Duration) -> Self {
        self.options().progress_interval = interval;
        self
    }

    /// Whether a download that is known to be complete ends at once, without a request; default yes. If not, it is
    /// fetched again, and replaces the file once it is whole.
    pub fn pass_if_already_completed(mut self, wanted: bool) -> Self {
        self.options().pass_if_already_completed = wanted;
        self
    }

    /// What to do if something else has the final name; default: what the process-file strategy says.
    pub fn on_exists(mut self, action: OnExists) -> Self {
        self.options().on_exists = Some(action);
        self
    }

    /// What the download survives; default: what the process-file strategy says.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.options().durability = Some(durability);
        self
    }

    /// The digest that the file must have before it gets its name.
    pub fn digest(mut self, digest: Digest) -> Self {
        self.options().digest = Some(digest);
        self
    }

    /// Whether a file that turns out to have the wrong digest is fetched anew, once and from one place alone, before that
    /// is an error; default no. If bytes of an earlier run are in it, it is in any case.
    pub fn restart_on_mismatch(mut self, wanted: bool) -> Self {
        self.options().restart_on_mismatch = wanted;
        self
    }

    /// Whether the digests that servers tell (`Repr-Digest`, `Content-Digest`, `Content-MD5`) are passed over; default
    /// no. For a server whose digest is wrong. The task's own [`digest`](Self::digest) is checked all the same.
    pub fn ignore_server_digest(mut self, wanted: bool) -> Self {
        self.options().ignore_server_digest = wanted;
        self
    }

    /// Whether an equal length is enough to put bytes of two responses together, where the server gives no strong
    /// validator; default no. If the resource changes without changing its length, the file is wrong.
    pub fn trust_length(mut self, wanted: bool) -> Self {
        self.options().trust_length = wanted;
        self
    }

    /// The most bytes a second; default unlimited.
    pub fn rate_limit(mut self, bytes_per_second: Option<NonZeroU64>) -> Self {
        self.options().rate_limit = bytes_per_second;
        self
    }

    /// How many failures in a row, without progress between them, are forgiven; default 5. Progress is more bytes than
    /// this run ever had. Connections that are lost together are one failure, and a further connection that is refused
    /// while another one is served is none.
    pub fn retries(mut self, retries: u32) -> Self {
        self.options().retries = retries;
        self
    }

    /// How many redirects in a row are followed; default 10.
    pub fn redirects(mut self, limit: u32) -> Self {
        self.options().redirects = limit;
        self
    }

    /// Whether a redirect may lead from https to http; default no.
    pub fn allow_insecure_redirects(mut self, wanted: bool) -> Self {
        self.options().allow_insecure_redirects = wanted;
        self
    }

    /// How long things may take.
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.options().timeouts = timeouts;
        self
    }

    /// Attaches a value of your own, one for each type.
    pub fn tag<T: Clone + Send + Sync + 'static>(mut self, tag: T) -> Self {
        self.options().tags.insert(tag);
        self
    }

    /// The task.
    ///
    /// # Errors
    /// [`Misuse`](ErrorKind::Misuse), with advice, for a URL that is not http or https, an empty path, a header that
    /// the engine must set itself, a name that does not fit the target, or a mirror of what is not simply GET.
    pub fn build(self) -> Result<DownloadTask> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let mut options = self.options;
        let (url, userinfo) = parse_url(&self.url)?;
        if options.credentials.is_none() && userinfo.is_some() {
            Arc::make_mut(&mut options).credentials = userinfo;
        }
        check_headers(&options.headers)?;
        if !options.mirrors.is_empty() {
            mirror::check_request(&options.method, options.body.as_ref())?;
            Arc::make_mut(&mut options).mirrors.retain(|mirror| *mirror.url() != url);
        }
        let target = self.target.local()?;
        let target = name_target(target, self.filename, self.filename_from_response)?.absolute()?;
        let id = TaskId::of(&url, &target);
        Ok(DownloadTask { id, url, target, options })
    }
}

/// Reads the URL and takes userinfo and fragment out of it.
fn parse_url(text: &str) -> Result<(Url, Option<Credentials>)> {
    let advice = "give an address like https://example.com/file";
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::misuse("the URL is empty", advice));
    }
    // A URL parser takes line breaks out, so that two lines become one address that nobody gave.
    if text.contains(char::is_control) {
        return Err(Error::misuse("the URL has a control character in it, perhaps a line break", advice));
    }
    // The text may hold a password, so it is not shown.
    let mut url = Url::parse(text).map_err(|error| Error::misuse("not a URL", advice).with_source(error))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(
            Error::misuse("only http and https are supported", advice).with_context("scheme", url.scheme())
        );
    }
    let decode = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let named = !url.username().is_empty() || url.password().is_some();
    let credentials = named.then(|| Credentials {
        user: decode(url.username()),
        password: decode(url.password().unwrap_or_default()),
    });
    url.set_fragment(None);
    let stripped = url.set_username("").and_then(|()| url.set_password(None));
    stripped.map_err(|()| Error::new(ErrorKind::Unexpected, "cannot take the userinfo out of the URL"))?;
    Ok((url, credentials))
}

/// Headers whose value follows from what the engine asks for; a user's value would make the answer mean another thing.
const OURS: [HeaderName; 12] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::UPGRADE,
    header::TE,
];

fn check_headers(headers: &HeaderMap) -> Result<()> {
    match headers.keys().find(|name| OURS.contains(name)) {
        Some(name) => {
            Err(Error::misuse("the engine sets this header itself", "leave it out")
                .with_context("header", name))
        }
        None => Ok(()),
    }
}

fn name_target(target: Target, filename: Option<String>, from_response: Option<bool>) -> Result<Target> {
    let wrong = |message: &'static str, advice: &'static str| Err(Error::misuse(message, advice));
    match (target, filename, from_response) {
        (Target::Named(_), _, Some(true)) => {
            wrong("the response can name a file only within a directory", "give a directory as the target")
        }
        (Target::InDirectory(_), None, Some(false)) => {
            wrong("the file has no name", "give a filename, or let the response name it")
        }
        (Target::InDirectory(directory), Some(name), None | Some(false)) => {
            let plain =
                !name.is_empty() && name != "." && name != ".." && !name.contains(std::path::is_separator);
            if plain && !name.contains('\0') {
                Ok(Target::Named(directory.join(&name)))
            } else {
                Err(Error::misuse("not a file name", "give one path component, or a path as the target")
                    .with_context("name", name))
            }
        }
        (Target::Named(location), Some(name), _) if location.file_name().as_deref() != Some(&name) => {
            wrong("the target has another name already", "give the directory as the target")
        }
        (target, _, _) => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(url: &str) -> Result<DownloadTask> {
        DownloadTask::to_file(url, "/tmp/a")
    }

    #[test]
    fn userinfo_becomes_credentials_and_is_stripped() {
        let task = file("http://me:p%40ss@h/a?x=1#frag").unwrap();
        assert_eq!(task.url().as_str(), "http://h/a?x=1");
        let credentials = task.credentials().unwrap();
        assert_eq!((credentials.user.as_str(), credentials.password.as_str()), ("me", "p@ss"));
        assert!(task.needs_credentials());
        let shown = format!("{task:?} {credentials:?}");
        assert!(!shown.contains("p@ss") && !shown.contains("x=1") && !shown.contains("me:"), "{shown}");
    }

    #[test]
    fn bad_urls_are_misuse() {
        for url in ["", "   ", "nonsense", "ftp://h/a", "file:///a", "http://", "http://h:99999/"] {
            assert_eq!(file(url).unwrap_err().kind(), ErrorKind::Misuse, "{url}");
        }
    }

    #[test]
    fn urls_of_several_lines_are_refused_and_not_shown() {
        for url in
            ["http://h/s3cret\r\nX-Evil: 1", "http://h/\n/s3cret", "http://s3cret\t@h/", "http://h/s3cret\0"]
        {
            let error = file(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{url:?}");
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }

    #[test]
    fn mirrors_are_options_and_judged_like_the_url() {
        let task = |mirrors: &[&str]| {
            let builder = DownloadTask::builder("http://h/a", Target::file("/t"));
            mirrors.iter().fold(builder, DownloadTaskBuilder::mirror).build()
        };
        let plain = task(&[]).unwrap();
        let full =
            task(&["http://m/a#x", "http://h/a", "https://me:s3cret@n/a?k=s3cret", "http://m/a"]).unwrap();
        let urls: Vec<_> = full.mirrors().iter().map(|mirror| mirror.url().as_str()).collect();
        assert_eq!(urls, ["http://m/a", "https://n/a?k=s3cret"]);
        assert_eq!((full.id(), &full), (plain.id(), &plain));
        assert!(!plain.needs_credentials() && full.needs_credentials());
        assert_eq!(full.mirrors()[1].credentials().map(|c| c.user.as_str()), Some("me"));
        assert!(!format!("{:?}", full.mirrors()).contains("s3cret"));
        assert_eq!(full.to_builder().url("http://g/a").build().unwrap().mirrors(), full.mirrors());
        // What a record does not keep is added to it.
        let again = task(&["http://m/a"]).unwrap().to_builder().mirror("http://u:p@m/a").build().unwrap();
        assert_eq!(again.mirrors().len(), 1);
        assert!(again.needs_credentials());
        for bad in ["", "m/a", "ftp://m/a", "http://me:s3cret@m:99999/"] {
            let error = task(&["http://m/a", bad]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{bad}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
        for builder in [full.to_builder().method(Method::POST), full.to_builder().body("x")] {
            assert_eq!(builder.build().unwrap_err().kind(), ErrorKind::Misuse);
        }
    }

    #[test]
    fn headers_of_the_engine_are_refused() {
        for name in ["Range", "if-match", "IF-RANGE", "accept-encoding"] {
            let error = DownloadTask::builder("http://h/a", Target::file("/t"))
                .header(name, "x")
                .build()
                .unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Misuse, "{name}");
        }
    }

    #[test]
    fn header_injection_is_refused() {
        for (name, value) in [("a", "b\r\nc: d"), ("a\r\nb", "c"), ("a b", "c"), ("a", "b\0")] {
            let error = DownloadTask::builder("http://h/a", Target::file("/t")).header(name, value).build();
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Misuse, "{name:?} {value:?}");
        }
    }

    #[test]
    fn repeated_headers_append() {
        let task = DownloadTask::builder("http://h/a", Target::file("/t"));
        let task = task.header("k1", "v1").header("k1", "v2").header("k2", "v2").build().unwrap();
        assert_eq!(task.headers().get_all("k1").iter().count(), 2);
        assert_eq!(task.headers().get_all("k2").iter().count(), 1);
    }

    #[test]
    fn name_and_directory() {
        let task = |target, name: Option<&str>, from| {
            let builder = DownloadTask::builder("http://h/a", target);
            let builder = match name {
                Some(name) => builder.filename(name),
                None => builder,
            };
            match from {
                Some(from) => builder.filename_from_response(from),
                None => builder,
            }
            .build()
        };
        let directory = || Target::directory("/d");
        assert_eq!(task(directory(), Some("n"), None).unwrap().target(), &Target::file("/d/n"));
        assert_eq!(task(directory(), Some("n"), Some(true)).unwrap().target(), &directory());
        assert_eq!(task(directory(), None, None).unwrap().target(), &directory());
        assert_eq!(task(Target::file("/d/n"), Some("n"), None).unwrap().target(), &Target::file("/d/n"));
        for error in [
            task(directory(), None, Some(false)),
            task(Target::file("/f"), None, Some(true)),
            task(Target::file("/f"), Some("n"), None),
            task(directory(), Some("../n"), None),
            task(directory(), Some("/n"), None),
            task(directory(), Some(".."), None),
            task(directory(), Some(""), None),
        ] {
            assert_eq!(error.unwrap_err().kind(), ErrorKind::Misuse);
        }
    }

    #[test]
    fn same_url_and_target_is_the_same_task() {
        assert_eq!(file("http://h/a").unwrap(), file("http://u@h/a#f").unwrap());
        assert_ne!(file("http://h/a").unwrap(), file("http://h/b").unwrap());
        let named =
            DownloadTask::builder("http://h/a", Target::directory("/tmp")).filename("a").build().unwrap();
        assert_eq!(named, file("http://h/a").unwrap());
    }

    #[test]
    fn tags_are_found_by_type() {
        let task =
            DownloadTask::builder("http://h/a", Target::file("/t")).tag(7_u8).tag("x").build().unwrap();
        assert_eq!((task.tag::<u8>(), task.tag::<&str>(), task.tag::<u16>()), (Some(&7), Some(&"x"), None));
    }
}
