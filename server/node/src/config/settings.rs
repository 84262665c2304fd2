//! Reads settings by name, remembers every name it was asked for, and collects what is wrong instead of stopping at the
//! first problem.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    fmt::Display,
    ops::RangeInclusive,
    path::Path,
    str::FromStr,
    time::Duration,
};

use super::dotenv::{self, DotEnv, Oddity};

/// The file beside us that fills in what the environment does not say. Of the working directory only: what lies in a
/// directory above was not meant for us.
const FILE: &str = ".env";

/// 100 years: no duration is longer, so that no timer and no date overflows.
const MILLIS_MAX: u64 = 100 * 365 * 24 * 3600 * 1000;

/// A day. A longer time-out or interval is a mistake; and clients' timers, which count in 31 bits, end at 24 days.
pub const DAY: Duration = Duration::from_secs(24 * 3600);

/// Where settings come from: the process's environment, or a map in tests.
#[derive(Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    /// Set in the environment to something that is not UTF-8.
    undecodable: BTreeSet<String>,
    file: DotEnv,
    asked: RefCell<Vec<&'static str>>,
    problems: RefCell<Vec<String>>,
    warnings: RefCell<Vec<String>>,
}

impl Settings {
    /// The process's environment; `.env` in the working directory fills in what is not set there.
    pub fn from_environment() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let environment = std::env::vars_os();
        Self::from_sources(environment, Path::new(FILE))
    }

    /// A file that is missing is no problem; one that cannot be read or decoded is.
    fn from_sources(environment: impl Iterator<Item = (OsString, OsString)>, file: &Path) -> Self {
        let mut settings = Self::default();
        match dotenv::read(file) {
            Ok(found) => settings.file = found.unwrap_or_default(),
            Err(problem) => settings.problem(problem),
        }
        for one in &settings.file.assignments {
            settings.values.insert(one.name.clone(), one.value.clone());
        }
        for (name, value) in environment {
            // A name that is not UTF-8 is none of ours.
            let Ok(name) = name.into_string() else { continue };
            match value.into_string() {
                Ok(value) => {
                    settings.values.insert(name, value);
                }
                Err(_) => {
                    settings.values.remove(&name);
                    settings.undecodable.insert(name);
                }
            }
        }
        settings
    }

    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self { values, ..Self::default() }
    }

    /// The trimmed text; an empty one counts as not set.
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.verbatim(name).map(|value| value.trim().to_owned())
    }

    /// The text as it is, with blanks at its ends: a secret must be the one that others have. One of blanks only counts as
    /// not set.
    pub fn verbatim(&self, name: &'static str) -> Option<String> {
        let is_new = !self.asked.borrow().contains(&name);
        self.asked.borrow_mut().push(name);
        if is_new && self.undecodable.contains(name) {
            self.problem(format!("{name} is not UTF-8"));
        }
        self.values.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    /// What begins with `prefix`: for a library that reads settings of its own. Not among what was asked for.
    pub fn starting_with(&self, prefix: &str) -> Vec<(String, String)> {
        let found = self.values.range(prefix.to_owned()..).take_while(|(name, _)| name.starts_with(prefix));
        found.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// A whole number within a range, ends included.
    pub fn bounded<T>(&self, name: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: FromStr + PartialOrd + Display,
    {
        self.read(name, default, |text| {
            let number = text.parse().ok().filter(|number| range.contains(number));
            number.ok_or_else(|| format!("is a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// A number of things, at least one.
    pub fn positive(&self, name: &'static str, default: usize, max: usize) -> usize {
        self.bounded(name, default, 1..=max)
    }

    /// A duration from 1 ms on, of at most `max`.
    pub fn positive_duration(&self, name: &'static str, default_ms: u64, max: Duration) -> Duration {
        self.duration_within(name, default_ms, Duration::from_millis(1)..=max)
    }

    /// A duration within a range, ends included.
    pub fn duration_within(
        &self,
        name: &'static str,
        default_ms: u64,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.read(name, Duration::from_millis(default_ms), |text| duration(text, &range))
    }

    /// The same, without a default.
    pub fn optional_duration(&self, name: &'static str, range: RangeInclusive<Duration>) -> Option<Duration> {
        self.read(name, None, |text| duration(text, &range).map(Some))
    }

    pub fn parse<T: FromStr<Err: Display>>(&self, name: &'static str, default: T) -> T {
        self.read(name, default, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// Milliseconds, or a duration such as `7d`, `15m`, `500ms`; 0 must have a meaning, or see
    /// [`Settings::positive_duration`].
    pub fn millis(&self, name: &'static str, default: u64) -> u64 {
        self.read(name, default, parse_millis)
    }

    pub fn duration(&self, name: &'static str, default_ms: u64) -> Duration {
        Duration::from_millis(self.millis(name, default_ms))
    }

    /// `on`/`off` (also `true`/`false`, `1`/`0`).
    pub fn switch(&self, name: &'static str, default: bool) -> bool {
        self.read(name, default, |text| match text {
            "on" | "true" | "1" => Ok(true),
            "off" | "false" | "0" => Ok(false),
            _ => Err("is on or off".to_owned()),
        })
    }

    /// One of the given words.
    pub fn choice<T: Copy>(&self, name: &'static str, default: T, choices: &[(&str, T)]) -> T {
        self.read(name, default, |text| {
            let found = choices.iter().find(|(word, _)| *word == text);
            let words = || choices.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
            found.map(|&(_, value)| value).ok_or_else(|| format!("is one of: {}", words()))
        })
    }

    pub fn read<T>(
        &self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some(text) = self.text(name) else { return default };
        parse(&text).unwrap_or_else(|problem| {
            self.problem(format!("{name} {problem}"));
            default
        })
    }

    /// Something that keeps the process from starting, as a sentence that names the setting. Never with its value: it may
    /// be a secret.
    pub fn problem(&self, sentence: impl Into<String>) {
        self.problems.borrow_mut().push(sentence.into());
    }

    /// Something that an operator should look at, as a sentence that names the setting, never with its value.
    pub fn warning(&self, sentence: impl Into<String>) {
        self.warnings.borrow_mut().push(sentence.into());
    }

    /// Everything to look at: what was warned of, and what is odd in the `.env` file about settings that were asked for.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.borrow().clone();
        warnings.extend(self.odd_lines());
        warnings
    }

    fn odd_lines(&self) -> Vec<String> {
        let asked = self.asked();
        let mut seen = BTreeMap::new();
        let mut odd = vec![];
        for one in &self.file.assignments {
            let (name, line) = (one.name.as_str(), one.line);
            if !asked.contains(&name) {
                continue;
            }
            match one.oddity {
                Some(Oddity::OpenQuote) => odd.push(format!(
                    "{FILE}, line {line}: the quote that the value of {name} begins with is not closed, and is part of it"
                )),
                Some(Oddity::CutAtHash) => odd.push(format!(
                    "{FILE}, line {line}: the value of {name} ends before the #; put it in quotes if the # belongs to it"
                )),
                None => {}
            }
            if let Some(first) = seen.insert(name, line) {
                odd.push(format!(
                    "{FILE}, line {line}: {name} was set on line {first} already; the later one counts"
                ));
            }
        }
        match self.file.ignored_lines[..] {
            [] => {}
            [line] => odd.push(format!("{FILE}, line {line} is no setting and was passed over")),
            [first, ..] => odd.push(format!(
                "{FILE}: {} lines are no settings and were passed over, the first is line {first}",
                self.file.ignored_lines.len()
            )),
        }
        odd
    }

    pub fn into_problems(self) -> Vec<String> {
        self.problems.into_inner()
    }

    /// Every name asked for so far, sorted, each once.
    pub fn asked(&self) -> Vec<&'static str> {
        let mut names = self.asked.borrow().clone();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// `1500`, `1500ms`, `15m`, `7d`, `1h 30m`; at most 100 years.
pub fn parse_millis(text: &str) -> Result<u64, String> {
    let millis = match text.parse() {
        Ok(millis) => Some(millis),
        Err(_) if text.bytes().all(|byte| byte.is_ascii_digit()) => None,
        Err(_) => {
            let duration = humantime::parse_duration(text)
                .map_err(|_| "is a duration such as 500ms, 15m or 7d, or milliseconds".to_owned())?;
            u64::try_from(duration.as_millis()).ok()
        }
    };
    millis.filter(|&millis| millis <= MILLIS_MAX).ok_or_else(|| "is too long a duration".to_owned())
}

fn duration(text: &str, range: &RangeInclusive<Duration>) -> Result<Duration, String> {
    let duration = Duration::from_millis(parse_millis(text)?);
    if range.contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [range.start(), range.end()].map(|&end| humantime::format_duration(end));
    Err(format!("is a duration from {least} to {most}"))
}

/// Without values.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("names", &self.values.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_collected_and_defaults_used() {
        let settings = Settings::from_pairs([("A", "x"), ("B", "maybe"), ("C", " 15m "), ("D", "")]);
        assert_eq!(settings.parse("A", 5u16), 5);
        assert!(settings.switch("B", true));
        assert_eq!(settings.millis("C", 0), 900_000);
        assert_eq!(settings.text("D"), None);
        assert_eq!(settings.asked(), ["A", "B", "C", "D"]);
        let problems = settings.into_problems();
        assert_eq!(problems.len(), 2);
        assert!(problems[1].starts_with("B is on or off"), "{problems:?}");
    }

    #[test]
    fn durations_are_milliseconds_or_words() {
        assert_eq!(parse_millis("250"), Ok(250));
        assert_eq!(parse_millis("7d"), Ok(604_800_000));
        assert!(parse_millis("soon").is_err());
    }

    #[test]
    fn numbers_and_durations_have_a_range() {
        let settings = Settings::from_pairs([
            ("A", "0"),
            ("B", "11"),
            ("C", "0"),
            ("D", "25h"),
            ("E", "18446744073709551616"),
            ("F", "10"),
            ("G", "1s"),
        ]);
        assert_eq!(settings.positive("A", 3, 10), 3);
        assert_eq!(settings.positive("B", 3, 10), 3);
        assert_eq!(settings.positive_duration("C", 5, DAY), Duration::from_millis(5));
        assert_eq!(settings.positive_duration("D", 5, DAY), Duration::from_millis(5));
        assert_eq!(settings.millis("E", 5), 5);
        assert_eq!(settings.positive("F", 3, 10), 10);
        assert_eq!(settings.positive_duration("G", 5, DAY), Duration::from_secs(1));
        assert_eq!(
            settings.into_problems(),
            [
                "A is a whole number from 1 to 10",
                "B is a whole number from 1 to 10",
                "C is a duration from 1ms to 1day",
                "D is a duration from 1ms to 1day",
                "E is too long a duration",
            ]
        );
    }

    /// What a process with this environment and this `.env` has.
    fn settings(environment: &[(&[u8], &[u8])], file: &str) -> Settings {
        use std::os::unix::ffi::OsStringExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        std::fs::write(&path, file).unwrap();
        let text = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
        Settings::from_sources(environment.iter().map(|(name, value)| (text(name), text(value))), &path)
    }

    #[test]
    fn the_environment_wins_over_the_file_even_when_it_is_empty() {
        let settings = settings(&[(b"A", b"1"), (b"B", b"")], "A=2\nB=2\nC=2\nC=3");
        assert_eq!(settings.text("A").as_deref(), Some("1"));
        assert_eq!(settings.text("B"), None);
        assert_eq!(settings.text("C").as_deref(), Some("3"));
    }

    #[test]
    fn what_is_not_utf8_matters_only_where_it_is_ours() {
        let settings =
            settings(&[(b"WEIRD", b"caf\xe9"), (b"caf\xe9", b"1"), (b"OURS", b"s\xe9cret")], "OURS=1");
        assert_eq!(settings.text("OURS"), None);
        assert_eq!(settings.text("OURS"), None);
        assert_eq!(settings.into_problems(), ["OURS is not UTF-8"]);
    }

    #[test]
    fn blanks_at_the_ends_are_part_of_a_secret() {
        let settings = settings(&[], "A=' abc '\nB='  '");
        assert_eq!(settings.verbatim("A").as_deref(), Some(" abc "));
        assert_eq!(settings.text("A").as_deref(), Some("abc"));
        assert_eq!(settings.verbatim("B"), None);
    }

    #[test]
    fn odd_lines_of_ours_are_warned_of_without_their_values() {
        let file = "A='s3cr\nB=s3cr#t\nC=1\nC=s3cr\nOTHER=a#b\ns3cr\n";
        let settings = settings(&[], file);
        for name in ["A", "B", "C"] {
            settings.text(name);
        }
        let warnings = settings.warnings();
        assert_eq!(warnings.len(), 4, "{warnings:?}");
        for (warning, words) in
            warnings.iter().zip(["line 1", "line 2", "line 4: C was set on line 3", "line 6"])
        {
            assert!(warning.contains(words) && !warning.contains("s3cr"), "{warning}");
        }
        assert!(settings.into_problems().is_empty());
    }
}
