//! The head of a response, as bytes that may be wrong.

use bytes::Bytes;

/// A change to a head.
#[derive(Clone, Debug)]
pub(super) enum HeadEdit {
    Add(String, Vec<u8>),
    Remove(String),
    Raw(Bytes),
}

impl HeadEdit {
    pub(super) fn is_named(&self, name: &str) -> bool {
        match self {
            Self::Add(own, _) | Self::Remove(own) => own.eq_ignore_ascii_case(name),
            Self::Raw(line) => is_named(line, name),
        }
    }
}

/// Header lines in order, nothing of them checked.
#[derive(Debug, Default)]
pub(super) struct Head {
    lines: Vec<Vec<u8>>,
}

impl Head {
    pub(super) fn add(&mut self, name: &str, value: impl AsRef<[u8]>) {
        self.lines.push([name.as_bytes(), b": ", value.as_ref()].concat());
    }

    pub(super) fn apply(&mut self, edits: &[HeadEdit]) {
        for edit in edits {
            match edit {
                HeadEdit::Add(name, value) => self.add(name, value),
                HeadEdit::Remove(name) => self.lines.retain(|line| !is_named(line, name)),
                HeadEdit::Raw(line) => self.lines.push(line.to_vec()),
            }
        }
    }

    /// The values of all lines of that name.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let lines = self.lines.iter().filter(move |line| is_named(line, name));
        lines.map(|line| line.get(name.len() + 1..).unwrap_or_default().trim_ascii())
    }

    /// The whole head, ready to be sent.
    pub(super) fn to_bytes(&self, status_line: &[u8]) -> Vec<u8> {
        let mut bytes = [status_line, b"\r\n"].concat();
        for line in &self.lines {
            bytes.extend_from_slice(line);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }
}

fn is_named(line: &[u8], name: &str) -> bool {
    line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
        && line.get(name.len()) == Some(&b':')
}

/// The usual reason phrase of a status.
pub(super) fn reason_of(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("Unknown")
}
