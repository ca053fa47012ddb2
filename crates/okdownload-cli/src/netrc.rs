//! Names and passwords for machines, in the form that ftp gave them (the GNU manual's "The .netrc file"), with curl's
//! quotes and comments.
//!
//! ```text
//! # comment
//! machine example.com login me password "a \"b\""
//! default login anonymous password me@example.com
//! ```

use okdownload::Credentials;

/// What a netrc file says.
#[derive(Debug, Default)]
pub(crate) struct Netrc {
    machines: Vec<(String, Credentials)>,
    others: Option<Credentials>,
}

/// What is wrong on which line. Its text may hold a password, and is not shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct BadLine {
    pub(crate) line: usize,
    pub(crate) problem: &'static str,
}

impl Netrc {
    /// Reads a file's text.
    pub(crate) fn parse(text: &str) -> Result<Self, BadLine> {
        let mut words = Words { rest: text, line: 1 };
        let mut netrc = Self::default();
        // Whose name and password follow.
        let mut entry: Option<&mut Credentials> = None;
        while let Some(word) = words.keyword()? {
            match (word.as_str(), &mut entry) {
                ("machine", _) => {
                    netrc.machines.push((words.value()?, nobody()));
                    entry = netrc.machines.last_mut().map(|(_, credentials)| credentials);
                }
                ("default", _) => entry = Some(netrc.others.insert(nobody())),
                ("login", Some(entry)) => entry.user = words.value()?,
                ("password", Some(entry)) => entry.password = words.value()?,
                // Of no use in HTTP.
                ("account", Some(_)) => drop(words.value()?),
                ("macdef", _) => words.skip_macro(),
                ("login" | "password" | "account", None) => {
                    return Err(words.bad("there is no machine before this"));
                }
                _ => {
                    return Err(words.bad("machine, default, login, password, account or macdef is expected"));
                }
            }
        }
        Ok(netrc)
    }

    /// Name and password for this host: of the first entry that names it, else of the default.
    pub(crate) fn find(&self, host: &str) -> Option<&Credentials> {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let named = self.machines.iter().find(|(machine, _)| machine.eq_ignore_ascii_case(host));
        let found = named.map(|(_, credentials)| credentials).or(self.others.as_ref())?;
        Some(found).filter(|found| !found.user.is_empty() || !found.password.is_empty())
    }
}

fn nobody() -> Credentials {
    Credentials { user: String::new(), password: String::new() }
}

/// The words of the text, one after the other.
struct Words<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Words<'a> {
    /// The next word that is in no comment; `None` at the end.
    fn keyword(&mut self) -> Result<Option<String>, BadLine> {
        self.skip_blanks();
        while self.rest.starts_with('#') {
            self.take(self.rest.find('\n').unwrap_or(self.rest.len()));
            self.skip_blanks();
        }
        if self.rest.is_empty() { Ok(None) } else { self.word().map(Some) }
    }

    /// The word that belongs to a keyword; it may begin with `#`.
    fn value(&mut self) -> Result<String, BadLine> {
        self.skip_blanks();
        if self.rest.is_empty() { Err(self.bad("the last word needs a value")) } else { self.word() }
    }

    fn word(&mut self) -> Result<String, BadLine> {
        if !self.rest.starts_with('"') {
            let end = self.rest.find(char::is_whitespace).unwrap_or(self.rest.len());
            return Ok(self.take(end).to_owned());
        }
        let (mut word, mut escaped) = (String::new(), false);
        for (at, c) in self.rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => word.push(unescaped(c)),
                '"' => {
                    self.take(at + 1);
                    return Ok(word);
                }
                '\\' => {}
                _ => word.push(c),
            }
            escaped = !escaped && c == '\\';
        }
        Err(self.bad("a quote is not closed"))
    }

    /// A macro's name, and all up to an empty line.
    fn skip_macro(&mut self) {
        let end = self.rest.find("\n\n").into_iter().chain(self.rest.find("\r\n\r\n")).min();
        self.take(end.unwrap_or(self.rest.len()));
    }

    fn skip_blanks(&mut self) {
        let end = self.rest.find(|c: char| !c.is_whitespace()).unwrap_or(self.rest.len());
        self.take(end);
    }

    /// The next so many bytes.
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }

    fn bad(&self, problem: &'static str) -> BadLine {
        BadLine { line: self.line, problem }
    }
}

fn unescaped(c: char) -> char {
    match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    fn found(text: &str, host: &str) -> Option<(String, String)> {
        let netrc = Netrc::parse(text).unwrap();
        netrc.find(host).map(|found| (found.user.clone(), found.password.clone()))
    }

    #[test]
    fn machines() {
        const FILE: &str = "# mine\n  # too\nmachine a login me password #1\nmacdef init\ncd /pub\nmachine x login y\n\n\
            machine b\n\tlogin\n you account z password \"p \\\"q\\\\\\t\"\r\nmachine a login second\n\
            machine ::1 password p\ndefault login any password thing";
        for (host, expected) in [
            ("a", ("me", "#1")),
            ("A", ("me", "#1")),
            ("b", ("you", "p \"q\\\t")),
            ("[::1]", ("", "p")),
            ("x", ("any", "thing")),
            ("a.b", ("any", "thing")),
        ] {
            let expected = (expected.0.to_owned(), expected.1.to_owned());
            assert_eq!(found(FILE, host), Some(expected), "{host}");
        }
        assert_eq!(found("machine a login me", "b"), None);
        assert_eq!(found("machine a", "a"), None);
        assert_eq!(found("", "a"), None);
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line) in [
            ("login me", 1),
            ("machine a\nlogin me s3cret", 2),
            ("machine a\n\nlogin", 3),
            ("machine", 1),
            ("machine a password \"s3cret\nx\"", 1),
            ("machine a password \"s3cret\\", 1),
            ("Machine a", 1),
        ] {
            let bad = Netrc::parse(text).unwrap_err();
            assert_eq!(bad.line, line, "{text:?}");
            assert!(!bad.problem.contains("s3cret"), "{bad:?}");
        }
    }

    /// As it stands in a file.
    fn quoted(text: &str) -> String {
        let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        format!("\"{escaped}\"")
    }

    fn text(most: usize) -> impl Strategy<Value = String> {
        prop::collection::vec(any::<char>(), 0..most).prop_map(String::from_iter)
    }

    /// Much of what means something, and anything.
    fn file() -> impl Strategy<Value = String> {
        const WORDS: &[&str] = &[
            "machine", "default", "login", "password", "account", "macdef", "#", "\"", "\\", "\n", "\n\n",
            " ", "\r\n", "\u{2028}",
        ];
        let word = prop_oneof![4 => prop::sample::select(WORDS).prop_map(str::to_owned), 1 => text(6)];
        (prop::collection::vec(word, 0..12), any::<bool>())
            .prop_map(|(words, blanks)| words.join(if blanks { " " } else { "" }))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 5_000, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default()
        })]

        #[test]
        fn any_text_is_read_or_refused(text in file()) {
            match Netrc::parse(&text) {
                Ok(netrc) => drop(netrc.find("h").cloned()),
                Err(bad) => assert!((1..=1 + text.matches('\n').count()).contains(&bad.line), "{text:?}: {bad:?}"),
            }
        }

        #[test]
        fn what_is_quoted_is_read(user in text(12), password in text(12)) {
            let file = format!("machine h login {} password {}\n", quoted(&user), quoted(&password));
            let expected = Some((user, password)).filter(|(user, password)| !user.is_empty() || !password.is_empty());
            assert_eq!(found(&file, "h"), expected);
        }
    }
}
