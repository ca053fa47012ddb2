//! Names that a server made up. It may be hostile, or from another system.

use http::header::CONTENT_DISPOSITION;
use http::{HeaderMap, HeaderValue, Version};
use okdownload_strategy::{DownloadStrategy, NameFacts, safe_file_name};
use okdownload_types::ResponseHead;
use url::Url;

use super::fresh;

/// The longest name that common file systems take, in bytes.
const NAME_MAX: usize = 255;

const NAMES: [&str; 40] = [
    "a.bin",
    "/etc/passwd",
    "../../../etc/passwd",
    "..",
    ".",
    "...",
    "a/..",
    "..\\..\\windows\\system.ini",
    "C:\\autoexec.bat",
    "C:a",
    "\\\\server\\share\\a",
    "//server/share/a",
    "a/",
    "a\\",
    "/",
    "",
    " ",
    ". . .",
    "a:stream",
    "con",
    "CON.txt",
    "NUL .txt",
    "com1",
    "LPT9.tar.gz",
    "COM\u{b2}",
    "aux.",
    "PRN ",
    "conin$",
    "a\r\nset-cookie: b",
    "a\0.exe",
    "\u{7f}",
    "a\u{85}b",
    "gpj.\u{202e}exe",
    "\u{200b}",
    "\u{feff}a",
    "a\u{2028}b",
    "%2e%2e%2fa",
    "~root",
    ".bashrc",
    "a. . ",
];

/// The names that the strategy gives to what hostile servers say, each with what was said.
fn given(strategy: &dyn DownloadStrategy) -> Vec<(String, String)> {
    let long = ["x", "\u{e9}", "\u{1f600}", "a."].map(|piece| piece.repeat(400));
    let device = format!("CON{}.txt", " ".repeat(300));
    let names = NAMES.into_iter().map(str::to_owned).chain(long).chain([device]);
    let mut given = Vec::new();
    for name in names {
        let quoted = name.replace('\\', "\\\\");
        let escaped: String = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let headers = [
            format!("attachment; filename=\"{quoted}\""),
            format!("attachment; filename={name}"),
            format!("inline; filename*=UTF-8''{escaped}"),
        ];
        for header in headers {
            // What no header can hold, no server can say.
            if let Ok(value) = HeaderValue::from_bytes(header.as_bytes()) {
                given.push((file_name(strategy, "http://h/", Some(value)), header));
            }
        }
        let url = format!("http://h/a/{escaped}");
        given.push((file_name(strategy, &url, None), url));
    }
    given
}

fn file_name(strategy: &dyn DownloadStrategy, url: &str, disposition: Option<HeaderValue>) -> String {
    let url: Url = url.parse().unwrap();
    let headers: HeaderMap = disposition.into_iter().map(|value| (CONTENT_DISPOSITION, value)).collect();
    let head = ResponseHead::new(url.clone(), 200, Version::HTTP_11, headers);
    fresh(strategy).file_name(&NameFacts::new(&url, &head))
}

fn assert_each(strategy: &dyn DownloadStrategy, holds: impl Fn(&str) -> bool) {
    for (name, said) in given(strategy) {
        assert!(holds(&name), "{name:?} for {said:?}");
    }
}

/// A name is one component on every system: no separator, no drive, no way up.
pub fn names_stay_in_their_directory(strategy: &dyn DownloadStrategy) {
    assert_each(strategy, |name| !name.contains(['/', '\\', ':']) && name != "." && name != "..");
}

/// To Windows, such a name is a device in every directory, whatever follows its first dot.
pub fn names_of_devices_are_avoided(strategy: &dyn DownloadStrategy) {
    const DEVICES: [&str; 6] = ["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"];
    const PORTS: [&str; 2] = ["COM", "LPT"];
    assert_each(strategy, |name| {
        let stem = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
        let number = PORTS.iter().find_map(|port| stem.strip_prefix(port));
        let is_port = number.is_some_and(|n| n.chars().count() == 1 && n.chars().all(char::is_numeric));
        !DEVICES.contains(&stem.as_str()) && !is_port
    });
}

/// Nothing in it is hidden, controls, or turns the order of the letters around: [`safe_file_name`] finds nothing left
/// to do.
pub fn names_show_what_they_are(strategy: &dyn DownloadStrategy) {
    assert_each(strategy, |name| safe_file_name(name).as_deref() == Some(name));
}

/// File systems take it, and its part's name as well.
pub fn names_fit(strategy: &dyn DownloadStrategy) {
    assert_each(strategy, |name| name.len() + ".okdownload".len() <= NAME_MAX);
}

/// Also where nothing names the file.
pub fn there_is_always_a_name(strategy: &dyn DownloadStrategy) {
    assert_each(strategy, |name| !name.trim().is_empty());
    for url in ["http://h", "http://h/", "http://h/a/", "http://h/?a=b", "http://h/%00", "data:,a"] {
        assert!(!file_name(strategy, url, None).trim().is_empty(), "{url}");
    }
}
