//! Reads settings by name, remembers every name it was asked for, and collects what is wrong instead of stopping at the
//! first problem.

use std::{cell::RefCell, collections::BTreeMap, fmt::Display, str::FromStr, time::Duration};

/// Where settings come from: the process's environment, or a map in tests.
#[derive(Debug, Default)]
pub struct Settings {
    values: BTreeMap<String, String>,
    asked: RefCell<Vec<&'static str>>,
    problems: RefCell<Vec<String>>,
}

impl Settings {
    /// The process's environment; `.env` in the working directory fills in what is not set there.
    pub fn from_environment() -> Self {
        // A file that is missing is no problem; one that is damaged is, and is named.
        let problem = match dotenvy::dotenv() {
            Err(dotenvy::Error::LineParse(line, _)) => {
                let name = line.split('=').next().unwrap_or_default().trim().to_owned();
                Some(format!(".env: the line of {name:?} cannot be read"))
            }
            _ => None,
        };
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the environment")]
        let values = std::env::vars().collect();
        Self { values, problems: RefCell::new(problem.into_iter().collect()), ..Self::default() }
    }

    pub fn from_pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let values = pairs.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Self { values, ..Self::default() }
    }

    /// The trimmed text; an empty one counts as not set.
    pub fn text(&self, name: &'static str) -> Option<String> {
        self.asked.borrow_mut().push(name);
        self.values.get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    pub fn parse<T: FromStr<Err: Display>>(&self, name: &'static str, default: T) -> T {
        self.read(name, default, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// Milliseconds, or a duration such as `7d`, `15m`, `500ms`.
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

/// `1500`, `1500ms`, `15m`, `7d`, `1h 30m`.
pub fn parse_millis(text: &str) -> Result<u64, String> {
    if let Ok(millis) = text.parse() {
        return Ok(millis);
    }
    let duration = humantime::parse_duration(text)
        .map_err(|_| "is a duration such as 500ms, 15m or 7d, or milliseconds".to_owned())?;
    u64::try_from(duration.as_millis()).map_err(|_| "is too long a duration".to_owned())
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
}
