//! What holds for every setting there is.

use super::*;

/// Numbers and durations whose 0 has a meaning, and which.
const ZERO_MEANS: [(&str, &str); 6] = [
    ("PORT", "a free port"),
    ("SERVER_PORT", "a free port"),
    ("SOCKEYE_DRAIN_MS", "all connections at once"),
    ("SOCKEYE_OPS_PORT", "a free port"),
    ("SOCKEYE_PRESENCE_COALESCE_MS", "every change at once"),
    ("SOCKEYE_TRUST_PROXY_HOPS", "no proxy"),
];

fn all_names() -> Vec<&'static str> {
    let settings = Settings::default();
    Config::from_settings(&settings);
    settings.asked()
}

fn problems(name: &str, value: &str) -> Vec<String> {
    Config::read(Settings::from_pairs([(name, value)])).err().unwrap_or_default()
}

/// Those that take a number: found by what they do, so that none can be forgotten.
fn numbers() -> Vec<&'static str> {
    let takes = |name: &str, value| problems(name, value).is_empty();
    let mut names = all_names();
    names.retain(|name| !takes(name, "junk") && ["7", "10000"].iter().any(|number| takes(name, number)));
    names
}

#[test]
fn a_number_that_cannot_work_is_refused_by_name() {
    let numbers = numbers();
    assert!(numbers.len() >= 27, "{numbers:?}");
    for name in numbers {
        for value in ["-1", "18446744073709551615", "18446744073709551616", "1.5", "1e9", "0x10", "nan"] {
            let problems = problems(name, value);
            assert!(problems.len() == 1 && problems[0].starts_with(name), "{name}={value}: {problems:?}");
        }
        let has_meaning = ZERO_MEANS.iter().any(|(known, _)| *known == name);
        assert_eq!(problems(name, "0").is_empty(), has_meaning, "{name}=0: {:?}", problems(name, "0"));
    }
}

#[test]
fn a_rate_that_lets_nothing_through_or_overflows_is_refused_by_name() {
    for name in all_names().into_iter().filter(|name| problems(name, "1/1s").is_empty()) {
        if problems(name, "junk").is_empty() {
            continue;
        }
        for value in
            ["0/1s", "1/0", "-1/1s", "1/18446744073709551615", "1/1s/9999999999999999", "4294967296/1s"]
        {
            let problems = problems(name, value);
            assert!(problems.len() == 1 && problems[0].starts_with(name), "{name}={value}: {problems:?}");
        }
    }
}

#[test]
fn whatever_is_put_into_a_setting_is_never_said() {
    let secrets = [
        "hunter2",
        "-hunter2",
        "hunter2/5m",
        "1/hunter2",
        "postgres://user:hunter2@db.example.org/chat",
        "http://user:hunter2@example.org",
        "https://hunter2.example.org/hunter2?hunter2#hunter2",
        "capacitor://hunter2/x",
        "redis://:hunter2/x@redis.example.org",
        "redis://:hunter2@redis.example.org",
        "mongodb://user:hunter2@mongo.example.org/chat",
        "mongodb://user:hunter2/@",
        "hunter2@kafka.example.org:9092",
        "kafka.example.org:hunter2",
        "[hunter2]=hunter2=hunter2",
        "sockeye=hunter2,hunter2",
        "hunter2 \u{e9} \u{7f} / .. \\ hunter2",
        "'hunter2",
    ];
    let mut told = 0;
    for name in all_names() {
        for secret in secrets {
            for companion in [("NODE_ENV", "production"), ("KAFKA_USERNAME", "user"), ("NOTHING", "")] {
                let settings = Settings::from_pairs([companion, (name, secret)]);
                let config = Config::from_settings(&settings);
                let said = [config.warnings.clone(), config.unusable_files(), config.odd_files()].concat();
                let shown =
                    if SECRET.contains(&name) { format!("{config:?} {settings:?}") } else { String::new() };
                let problems = settings.into_problems();
                told += problems.len();
                for sentence in said.iter().chain(&problems).chain([&shown]) {
                    assert!(!sentence.contains("hunter2"), "{name}={secret}: {sentence}");
                }
            }
        }
    }
    assert!(told > 500, "{told}");
}

/// What is not even shown for debugging.
const SECRET: [&str; 8] = [
    "JWT_SECRET",
    "MONGODB_URI",
    "MONGO_URI",
    "REDIS_URL",
    "KAFKA_USERNAME",
    "KAFKA_PASSWORD",
    "SOCKEYE_S3_ACCESS_KEY",
    "SOCKEYE_S3_SECRET_KEY",
];

#[test]
fn what_cannot_work_together_is_refused() {
    for (pairs, wanted) in [
        (&[("SOCKEYE_COOKIE_SAMESITE", "none")][..], "SOCKEYE_COOKIE_SECURE"),
        (&[("SOCKEYE_COOKIE_SAMESITE", "none"), ("SOCKEYE_COOKIE_SECURE", "never")], "SOCKEYE_COOKIE_SECURE"),
        (&[("SERVER_PORT", "9100"), ("SOCKEYE_OPS_PORT", "9100")], "SOCKEYE_OPS_PORT"),
        (&[("PORT", "7000"), ("SOCKEYE_OPS_PORT", "7000")], "SERVER_PORT"),
        (&[("SOCKEYE_PUBLIC_URL", "https://chat.example.org/chat")], "SOCKEYE_PUBLIC_URL"),
        (&[("SOCKEYE_TRANSPORTS", ",")], "SOCKEYE_TRANSPORTS"),
        (&[("SOCKEYE_LOG", "sockeye=loud")], "SOCKEYE_LOG"),
        (&[("REDIS_URL", "127.0.0.1:6379")], "REDIS_URL"),
        (&[("REDIS_URL", "redis://:pass/word@127.0.0.1")], "REDIS_URL"),
        (&[("MONGODB_URI", "127.0.0.1:27017/chat")], "MONGODB_URI"),
        (&[("MONGO_URI", "mongodb:///chat")], "MONGO_URI"),
        (&[("KAFKA_BROKERS", ", ,")], "KAFKA_BROKERS"),
        (&[("KAFKA_BROKERS", "kafka:port")], "KAFKA_BROKERS"),
        (
            &[("KAFKA_TOPIC", "a topic"), ("KAFKA_BROKERS", "h"), ("MONGODB_URI", "mongodb://h")],
            "KAFKA_TOPIC",
        ),
        (&[("SOCKEYE_S3_BUCKET", "s3://media")], "SOCKEYE_S3_BUCKET"),
        (&[("SOCKEYE_S3_BUCKET", "media"), ("SOCKEYE_S3_PREFIX", "a/../b")], "SOCKEYE_S3_PREFIX"),
        (&[("SOCKEYE_S3_BUCKET", "media"), ("SOCKEYE_S3_ENDPOINT", "s3.example.org")], "SOCKEYE_S3_ENDPOINT"),
    ] {
        let problems = Config::read(Settings::from_pairs(pairs.iter().copied())).expect_err("refused");
        assert!(problems.len() == 1 && problems[0].contains(wanted), "{pairs:?}: {problems:?}");
    }
    let fit = [("SOCKEYE_COOKIE_SAMESITE", "none"), ("SOCKEYE_COOKIE_SECURE", "always")];
    assert!(Config::read(Settings::from_pairs(fit)).is_ok());
    let both_free = [("SERVER_PORT", "0"), ("SOCKEYE_OPS_PORT", "0")];
    assert!(Config::read(Settings::from_pairs(both_free)).is_ok());
}

#[test]
fn addresses_in_all_their_forms_are_taken() {
    for (name, value) in [
        ("KAFKA_BROKERS", " PLAINTEXT://a.example:9092 , b_2:9093,[::1]:9092,"),
        ("REDIS_URL", "rediss://user:p%2Fw@redis.example.org:6380/3"),
        ("REDIS_URL", "redis+unix:///run/redis.sock"),
        ("MONGODB_URI", "mongodb+srv://u:p@cluster.example.org/chat?retryWrites=true"),
        ("MONGODB_URI", "mongodb://a:1,b:2,[::1]:3/?replicaSet=rs0"),
        ("MONGODB_URI", "mongodb://h"),
        ("SOCKEYE_S3_ENDPOINT", "https://project.example.org/storage/v1/s3"),
    ] {
        let problems = problems(name, value);
        assert!(problems.iter().all(|problem| problem.contains("is not")), "{name}={value}: {problems:?}");
    }
}

#[test]
fn passwords_that_go_out_in_clear_text_are_told() {
    let cluster = |pairs: &[(&'static str, &'static str)]| {
        let defaults = [
            ("KAFKA_BROKERS", "kafka.example.org:9092"),
            ("MONGODB_URI", "mongodb://mongo.example.org/chat"),
            ("REDIS_URL", "redis://redis.example.org"),
        ];
        Config::read(Settings::from_pairs(defaults.into_iter().chain(pairs.iter().copied())))
            .unwrap()
            .warnings
    };
    assert!(cluster(&[]).is_empty(), "no passwords");
    let kafka = [("KAFKA_USERNAME", "user"), ("KAFKA_PASSWORD", "hunter2")];
    for (pairs, wanted) in [
        (&kafka[..], "KAFKA_PASSWORD"),
        (&[kafka[0], kafka[1], ("SOCKEYE_KAFKA_SASL", "scram-sha-512")], "KAFKA_PASSWORD"),
        (&[("REDIS_URL", "redis://:hunter2@redis.example.org")], "REDIS_URL"),
        (&[("MONGODB_URI", "mongodb://user:hunter2@127.0.0.1,mongo.example.org/chat")], "MONGODB_URI"),
        (&[("MONGODB_URI", "mongodb+srv://user:hunter2@mongo.example.org/?tls=false")], "MONGODB_URI"),
    ] {
        let warnings = cluster(pairs);
        assert!(warnings.len() == 1 && warnings[0].starts_with(wanted), "{pairs:?}: {warnings:?}");
        assert!(!warnings[0].contains("hunter2"));
    }
    for pairs in [
        &[kafka[0], kafka[1], ("SOCKEYE_KAFKA_TLS", "on")][..],
        &[kafka[0], kafka[1], ("KAFKA_BROKERS", "localhost:9092,127.0.0.1:9093")],
        &[("REDIS_URL", "rediss://:hunter2@redis.example.org")],
        &[("REDIS_URL", "redis://:hunter2@[::1]:6379")],
        &[("MONGODB_URI", "mongodb://user:hunter2@mongo.example.org/chat?tls=true")],
        &[("MONGODB_URI", "mongodb+srv://user:hunter2@mongo.example.org")],
        &[("MONGODB_URI", "mongodb://user:hunter2@localhost:27017,127.0.0.1:2")],
    ] {
        assert_eq!(cluster(pairs), Vec::<String>::new(), "{pairs:?}");
    }
}
