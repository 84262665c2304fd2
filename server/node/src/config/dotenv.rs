//! The `.env` file, read as Node's package `dotenv` (16 and 17) reads it: the deployments that Sockeye replaces use it. Nothing
//! is expanded in a value; what is no assignment is passed over. A table of cases (`tests/golden/dotenv.json`) holds both sides.
//!
//! One difference: U+2028 and U+2029 are blanks here, not ends of lines.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

/// A file that is longer was not written by hand.
const FILE_BYTES_MAX: u64 = 1_048_576;

const QUOTES: [char; 3] = ['\'', '"', '`'];

/// What a file assigns, in its order: of several assignments to a name the last one counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct DotEnv {
    pub assignments: Vec<Assignment>,
    /// Lines that are neither empty nor a comment nor part of an assignment; from 1.
    pub ignored_lines: Vec<usize>,
}

#[derive(PartialEq, Eq)]
pub struct Assignment {
    pub name: String,
    /// May be a secret.
    pub value: String,
    /// Where the name is; from 1.
    pub line: usize,
    /// What was probably meant otherwise.
    pub oddity: Option<Oddity>,
}

/// Node's dotenv reads such values the same way, without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// The value begins with a quote that is not closed: the quote is part of it.
    OpenQuote,
    /// The value ends before a `#` that no blank goes before: the rest is a comment.
    CutAtHash,
}

/// The file's assignments; `None` when there is no such file.
///
/// # Errors
/// A sentence, without a word of what is in the file, when it is there but cannot be read or decoded.
pub fn read(path: &Path) -> Result<Option<DotEnv>, String> {
    let refused = |why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
    let file = match File::open(path) {
        Ok(file) => file,
        // A link that leads nowhere is there: somebody meant a file.
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(refused(&error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| refused(&error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(refused(&format_args!("it is larger than {FILE_BYTES_MAX} bytes")));
    }
    decode(bytes).map(|text| Some(parse(&text))).map_err(|why| refused(&why))
}

fn decode(bytes: Vec<u8>) -> Result<String, String> {
    const CONVERT: &str = "save it as UTF-8 (in an editor; or iconv -f UTF-16 -t UTF-8; or, in PowerShell, Set-Content -Encoding utf8)";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(format!("it is UTF-16: {CONVERT}"));
    }
    if bytes.contains(&0) {
        return Err(format!("it has zero bytes, as UTF-16 has: {CONVERT}"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + valid.iter().filter(|&&byte| byte == b'\n').count();
        format!("line {line} is not UTF-8")
    })
}

/// Never fails: what is no assignment is passed over.
pub fn parse(text: &str) -> DotEnv {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut found = DotEnv::default();
    let (mut at, mut line) = (0, 1);
    while at < text.len() {
        let end = match assignment(&text, at) {
            Some((mut assignment, name_at, end)) => {
                assignment.line = line + newlines(&text[at..name_at]);
                found.assignments.push(assignment);
                end
            }
            None => {
                let passed = text[at..].lines().next().unwrap_or_default().trim_matches(is_blank);
                if !passed.is_empty() && !passed.starts_with('#') {
                    found.ignored_lines.push(line);
                }
                at
            }
        };
        let next = text[end..].find('\n').map_or(text.len(), |newline| end + newline + 1);
        line += newlines(&text[at..next]);
        at = next;
    }
    found
}

/// The assignment that begins on the line at `at` or, when that is blank, on the next that is not. With where its name is
/// and where its value ends.
fn assignment(text: &str, at: usize) -> Option<(Assignment, usize, usize)> {
    let start = skip_blanks(text, at);
    let exported = text[start..].strip_prefix("export").filter(|rest| rest.starts_with(is_blank));
    // `export` may itself be the name.
    let exported =
        exported.map(|rest| skip_blanks(text, text.len() - rest.len())).and_then(|at| named(text, at));
    exported.or_else(|| named(text, start))
}

fn named(text: &str, at: usize) -> Option<(Assignment, usize, usize)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let name = &text[at..];
    let name = &name[..name.find(|c| !is_name(c)).unwrap_or(name.len())];
    if name.is_empty() {
        return None;
    }
    let end = at + name.len();
    let sign = skip_blanks(text, end);
    let value_at = if text[sign..].starts_with('=') {
        sign + 1
    } else {
        let blank = text[end..].strip_prefix(':')?.chars().next().filter(|&c| is_blank(c))?;
        end + 1 + blank.len_utf8()
    };
    let (value, oddity, value_end) = value(text, value_at);
    Some((Assignment { name: name.to_owned(), value, line: 0, oddity }, at, value_end))
}

fn value(text: &str, at: usize) -> (String, Option<Oddity>, usize) {
    let quoted_at = skip_blanks(text, at);
    if let Some(quote) = text[quoted_at..].chars().next().filter(|c| QUOTES.contains(c))
        && let Some(close) = closing(text, quoted_at + 1, quote)
    {
        return (unescaped(&text[quoted_at + 1..close], quote), None, close + 1);
    }
    let end = text[at..].find(['#', '\n']).map_or(text.len(), |len| at + len);
    let raw = &text[at..end];
    let value = raw.trim_matches(is_blank);
    let quote = value.chars().next().filter(|c| QUOTES.contains(c));
    let inner = quote.and_then(|quote| value[1..].strip_suffix(quote));
    let oddity = if quote.is_some() && inner.is_none() {
        Some(Oddity::OpenQuote)
    } else if text[end..].starts_with('#') && !raw.ends_with(is_blank) {
        Some(Oddity::CutAtHash)
    } else {
        None
    };
    (unescaped(inner.unwrap_or(value), quote.unwrap_or_default()), oddity, end)
}

/// Where the quote that was opened before `at` is closed: at the first one without a backslash, or else at the last one with,
/// after which nothing follows on its line but a comment.
fn closing(text: &str, at: usize, quote: char) -> Option<usize> {
    let mut escaped = vec![];
    let mut plain = None;
    let mut chars = text[at..].char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        if c == '\\'
            && let Some((offset, _)) = chars.next_if(|&(_, next)| next == quote)
        {
            escaped.push(at + offset);
        } else if c == quote {
            plain = Some(at + offset);
            break;
        }
    }
    plain.into_iter().chain(escaped.into_iter().rev()).find(|&close| ends_line(text, close + 1))
}

fn ends_line(text: &str, at: usize) -> bool {
    let rest = skip_blanks(text, at);
    rest == text.len() || text[rest..].starts_with('#') || text[at..rest].contains('\n')
}

/// Only in double quotes, and only ends of lines.
fn unescaped(value: &str, quote: char) -> String {
    if quote == '"' { value.replace("\\n", "\n").replace("\\r", "\r") } else { value.to_owned() }
}

fn skip_blanks(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start_matches(is_blank).len()
}

/// JavaScript's `\s`.
fn is_blank(c: char) -> bool {
    c == '\u{feff}' || (c.is_whitespace() && c != '\u{85}')
}

fn newlines(text: &str) -> usize {
    text.bytes().filter(|&byte| byte == b'\n').count()
}

impl std::fmt::Debug for Assignment {
    /// Without the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assignment")
            .field("name", &self.name)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        text: String,
        values: BTreeMap<String, String>,
    }

    fn values(text: &str) -> BTreeMap<String, String> {
        parse(text).assignments.into_iter().map(|one| (one.name, one.value)).collect()
    }

    /// `protocol-tests/lib/dotenv.test.ts` holds the same table against the real package.
    #[test]
    fn every_case_of_the_table_is_read_as_node_reads_it() {
        let cases: Vec<Case> =
            serde_json::from_str(include_str!("../../tests/golden/dotenv.json")).expect("a table");
        assert!(cases.len() > 1000, "{}", cases.len());
        for case in cases {
            assert_eq!(values(&case.text), case.values, "{:?}", case.text);
        }
    }

    #[test]
    fn secrets_are_taken_as_they_are() {
        let text = "JWT_SECRET=abc$def0123\nMONGODB_URI=mongodb://u:p4ss word@h/chat\nDIR=C:\\Users\\me\nmy-flag=1\n";
        let values = values(text);
        assert_eq!(values["JWT_SECRET"], "abc$def0123");
        assert_eq!(values["MONGODB_URI"], "mongodb://u:p4ss word@h/chat");
        assert_eq!(values["DIR"], "C:\\Users\\me");
        assert_eq!(values["my-flag"], "1");
    }

    #[test]
    fn lines_and_oddities_are_told() {
        let found = parse("A=1\n\nnothing here\nB='a\nb'\n# c\nC=\"open\nD=a#b\nE=a #b\n");
        let told: Vec<_> = found.assignments.iter().map(|one| (one.line, one.oddity)).collect();
        let odd = [Some(Oddity::OpenQuote), Some(Oddity::CutAtHash)];
        assert_eq!(told, [(1, None), (4, None), (7, odd[0]), (8, odd[1]), (9, None)]);
        assert_eq!(found.ignored_lines, [3]);
        assert!(!format!("{found:?}").contains("open"), "values are not shown");
    }

    #[test]
    fn a_file_that_is_missing_is_none_and_one_that_is_damaged_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".env");
        assert_eq!(read(&path), Ok(None));
        let refusal = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path).unwrap_err()
        };
        assert!(refusal(b"# one\nA=s3cr\xe9t\n").ends_with("line 2 is not UTF-8"));
        assert!(!refusal(b"A=s3cr\xe9t\n").contains("s3cr"));
        assert!(refusal(b"\xff\xfeA\0=\x001\0").contains("UTF-16"));
        assert!(refusal(b"\xfe\xff\0A\0=\x001").contains("UTF-16"));
        assert!(refusal(b"A\0=\x001\0\n\0").contains("UTF-16"));
        assert!(refusal(&vec![b'#'; 1_048_577]).contains("larger"));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(read(&path).unwrap_err().contains("cannot be read"));
        fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink(dir.path().join("nowhere"), &path).unwrap();
        assert!(read(&path).unwrap_err().contains("cannot be read"));
    }
}
