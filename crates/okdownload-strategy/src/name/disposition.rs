//! `Content-Disposition` (RFC 6266), read as browsers do.

use percent_encoding::percent_decode;

use super::safe::safe_file_name;

/// The file name in the value of a `Content-Disposition` header, as the server means it: it may be a path, and nothing
/// in it is to be trusted before [`safe_file_name`](crate::safe_file_name) has seen it.
///
/// `filename*` (RFC 8187, in UTF-8 or ISO-8859-1) comes before `filename`; one that can't be decoded counts as missing.
/// Of repeated parameters the first counts. Mistakes are read as browsers do: any or no disposition type, missing
/// blanks, values with blanks and no quotes, no closing quote, bytes outside of ASCII (UTF-8, else ISO-8859-1).
/// Encoded words (RFC 2047), percent signs in `filename`, and continuations (RFC 2231) are taken as they stand, as RFC
/// 6266 has it.
pub fn disposition_file_name(value: &[u8]) -> Option<String> {
    let (mut plain, mut extended) = (None, None);
    for (name, value) in (Parameters { rest: value }) {
        if name.eq_ignore_ascii_case(b"filename") {
            plain.get_or_insert(value);
        } else if name.eq_ignore_ascii_case(b"filename*") {
            extended.get_or_insert(value);
        }
    }
    // One that leaves nothing to call a file by is as good as missing.
    let extended = extended.and_then(|value| decode_extended(&value));
    let extended = extended.filter(|name| safe_file_name(name).is_some());
    let name = extended.or_else(|| plain.map(text));
    name.filter(|name| !name.trim().is_empty())
}

/// The parameters of a header value: each name with its unquoted value. What has no `=`, as the disposition type, is
/// passed over.
struct Parameters<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parameters<'a> {
    type Item = (&'a [u8], Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let end = position(self.rest, |b| matches!(b, b'=' | b';'));
            let (name, rest) = self.rest.split_at(end);
            let Some((b'=', rest)) = rest.split_first() else {
                self.rest = rest.get(1..).unwrap_or_default();
                continue;
            };
            let value = self.value(rest.trim_ascii_start());
            return Some((name.trim_ascii(), value));
        }
        None
    }
}

impl<'a> Parameters<'a> {
    /// The value that `rest` starts with; goes on behind the semicolon after it.
    fn value(&mut self, rest: &'a [u8]) -> Vec<u8> {
        let quoted = rest.strip_prefix(b"\"").map(unquote);
        let after_quotes = quoted.as_ref().map_or(rest, |(_, after)| after);
        let (bare, rest) = after_quotes.split_at(position(after_quotes, |b| b == b';'));
        self.rest = rest.get(1..).unwrap_or_default();
        quoted.map_or_else(|| bare.trim_ascii_end().to_vec(), |(value, _)| value)
    }
}

/// A quoted string behind its opening quote (RFC 9110 §5.6.4), and what follows it.
fn unquote(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => value.extend(bytes.next()),
            byte => value.push(*byte),
        }
    }
    (value, bytes.as_slice())
}

fn position(bytes: &[u8], is_end: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|byte| is_end(*byte)).unwrap_or(bytes.len())
}

/// `charset'language'percent-encoded` (RFC 8187 §3.2).
fn decode_extended(value: &[u8]) -> Option<String> {
    let mut parts = value.splitn(3, |byte| *byte == b'\'');
    let (charset, _language, encoded) = (parts.next()?, parts.next()?, parts.next()?);
    let mut escapes = encoded.split(|byte| *byte == b'%').skip(1);
    if !escapes.all(|rest| rest.len() >= 2 && rest[..2].iter().all(u8::is_ascii_hexdigit)) {
        return None;
    }
    let decoded: Vec<u8> = percent_decode(encoded).collect();
    let name = if charset.eq_ignore_ascii_case(b"utf-8") {
        String::from_utf8(decoded).ok()?
    } else if charset.eq_ignore_ascii_case(b"iso-8859-1") {
        latin1(&decoded)
    } else {
        return None;
    };
    Some(name).filter(|name| !name.trim().is_empty())
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| latin1(error.as_bytes()))
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(table: &[(&[u8], Option<&str>)]) {
        for (value, expected) in table {
            let shown = String::from_utf8_lossy(value);
            assert_eq!(disposition_file_name(value).as_deref(), *expected, "{shown}");
        }
    }

    #[test]
    fn plain_names() {
        check(&[
            (b"attachment; filename=\"foo.html\"", Some("foo.html")),
            (b"attachment; filename=foo.html", Some("foo.html")),
            (b"inline; filename=foo.html", Some("foo.html")),
            (b"form-data; name=x; filename=foo.html", Some("foo.html")),
            (b"foobar; filename=foo.html", Some("foo.html")),
            (b"filename=foo.html", Some("foo.html")),
            (b"; filename=foo.html", Some("foo.html")),
            (b"ATTACHMENT;FILENAME=foo.html", Some("foo.html")),
            (b"attachment  ;\tFileName\t=\t\"foo.html\"  ;", Some("foo.html")),
            (b"attachment; filename=\"f\\oo \\\"a\\\\b\\\".html\"", Some("foo \"a\\b\".html")),
            (b"attachment; filename=\"a;b.html\"", Some("a;b.html")),
            (b"attachment; x=\"filename=no\"; filename=yes", Some("yes")),
            (b"attachment; filename=\"/etc/passwd\"", Some("/etc/passwd")),
            (b"attachment; filename=first; filename=second", Some("first")),
        ]);
    }

    #[test]
    fn mistakes() {
        check(&[
            (b"", None),
            (b"attachment", None),
            (b"attachment; filename", None),
            (b"attachment; filename=", None),
            (b"attachment; filename=\"\"", None),
            (b"attachment; filename=\"  \"", None),
            (b"attachment; filename=foo bar.html", Some("foo bar.html")),
            (b"attachment; filename=foo bar.html ;x=y", Some("foo bar.html")),
            (b"attachment; filename=\"foo.html", Some("foo.html")),
            (b"attachment; filename=\"foo.html\\", Some("foo.html")),
            (b"attachment; filename=\"foo.html\" junk; x=y", Some("foo.html")),
            (b"attachment; filename=\"foo-%41.html\"", Some("foo-%41.html")),
            (b"attachment; filename==?UTF-8?B?YQ==?=", Some("=?UTF-8?B?YQ==?=")),
            (b"attachment; filename=\"foo-\xc3\xa4.html\"", Some("foo-\u{e4}.html")),
            (b"attachment; filename=foo-\xe4.html", Some("foo-\u{e4}.html")),
            (b"attachment; xfilename=foo.html", None),
            (b"attachment; filename*0=foo.; filename*1=html", None),
        ]);
    }

    #[test]
    fn extended_names() {
        check(&[
            (b"attachment; filename*=UTF-8''foo-%c3%a4-%e2%82%ac.html", Some("foo-\u{e4}-\u{20ac}.html")),
            (b"attachment; filename*=utf-8'de'%C3%A4", Some("\u{e4}")),
            (b"attachment; filename*=iso-8859-1''foo-%E4.html", Some("foo-\u{e4}.html")),
            (b"attachment; filename=plain; filename*=UTF-8''extended", Some("extended")),
            (b"attachment; filename*=UTF-8''extended; filename=plain", Some("extended")),
            (b"attachment; filename*=UTF-8''one; filename*=UTF-8''two", Some("one")),
            (b"attachment; FILENAME*=\"UTF-8''quoted%20name\"", Some("quoted name")),
            (b"attachment; filename *= UTF-8''foo", None),
            (b"attachment; filename*=UTF-8''a'b", Some("a'b")),
            (b"attachment; filename*=UTF-8''bad-%E4.html; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8''bad-%; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8''bad-%4; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8''bad-%zz; filename=plain", Some("plain")),
            (b"attachment; filename*=koi8-r''foo; filename=plain", Some("plain")),
            (b"attachment; filename*=''foo; filename=plain", Some("plain")),
            (b"attachment; filename*=foo; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8''; filename=plain", Some("plain")),
            (b"attachment; filename*=UTF-8''bad-%E4", None),
        ]);
    }
}
