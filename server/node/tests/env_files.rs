//! `.env.example` and `.env.docker` list exactly what the configuration reads.

use std::{collections::BTreeSet, fs, path::Path};

use sockeye::config::{Config, Settings};

#[test]
fn example_files_list_every_setting_and_no_other() {
    let settings = Settings::default();
    Config::from_settings(&settings);
    let read: BTreeSet<String> = settings.asked().into_iter().map(str::to_owned).collect();
    for file in [".env.example", ".env.docker"] {
        let listed = names_in(file);
        let missing: Vec<_> = read.difference(&listed).collect();
        let unknown: Vec<_> = listed.difference(&read).collect();
        assert!(
            missing.is_empty() && unknown.is_empty(),
            "{file}: missing {missing:?}, not read {unknown:?}"
        );
    }
}

#[test]
fn a_copy_of_the_example_file_starts() {
    let text = text_of(".env.example");
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    Config::read(Settings::from_pairs(pairs)).expect("a copy of .env.example starts");
}

#[test]
fn the_container_file_asks_for_a_secret_before_it_starts() {
    let text = text_of(".env.docker");
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let problems = Config::read(Settings::from_pairs(pairs)).expect_err("no secret is in the file");
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with("JWT_SECRET"), "{problems:?}");
}

/// `NAME=value` and, for what is left at its default, `#NAME=value`.
fn names_in(file: &str) -> BTreeSet<String> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    text_of(file)
        .lines()
        .filter_map(|line| line.trim_start_matches('#').split_once('='))
        .map(|(name, _)| name.to_owned())
        .filter(|name| is_name(name))
        .collect()
}

fn text_of(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
