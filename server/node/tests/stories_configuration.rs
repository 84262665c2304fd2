//! Settings from the environment and from `.env`: read as they are meant, or refused by name and without their values.

mod common;

use std::{
    ffi::OsStr,
    fs,
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::Path,
    process::{Command, Output},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use common::{Server, Shape};
use hmac::{Hmac, KeyInit, Mac};

/// A process that ends by itself, with this `.env` beside it and nothing else set.
fn ended(file: &[u8], arguments: &[&[u8]], environment: &[(&[u8], &[u8])]) -> Output {
    let home = tempfile::tempdir().expect("a directory");
    fs::write(home.path().join(".env"), file).expect("written");
    ended_in(home.path(), arguments, environment)
}

fn ended_in(home: &Path, arguments: &[&[u8]], environment: &[(&[u8], &[u8])]) -> Output {
    let text = OsStr::from_bytes;
    let binary = common::text_setting("SOCKEYE_TEST_BINARY");
    Command::new(binary.as_deref().unwrap_or(env!("CARGO_BIN_EXE_sockeye")))
        .args(arguments.iter().map(|argument| text(argument)))
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (text(name), text(value))))
        .current_dir(home)
        .output()
        .expect("it starts")
}

fn said(output: &Output) -> String {
    [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat()
}

/// One process that is configured by the file, beside what the tests always set.
async fn with_file(file: &str) -> Server {
    let mut server = Server::shaped(Shape::Embedded, &[]).without("JWT_SECRET").without("SALT_ROUNDS");
    fs::write(server.nodes[0].home.join(".env"), file).expect("written");
    server.run().await;
    server
}

#[tokio::test]
async fn a_secret_with_dollars_and_blanks_signs_as_it_is() {
    for (line, secret) in [
        ("JWT_SECRET=abc$def0123456789abcdef", "abc$def0123456789abcdef"),
        ("JWT_SECRET=correct horse battery staple # ours", "correct horse battery staple"),
        ("JWT_SECRET=\"a ${HOME} \\$x 'quoted' #1\"", "a ${HOME} \\$x 'quoted' #1"),
        ("export JWT_SECRET=' blanks at the ends '", " blanks at the ends "),
    ] {
        let file = format!(
            "{line}\r\nSALT_ROUNDS=4\nEMAIL_FROM_NAME=My Chat App\nUPLOADS=C:\\Users\\me\nmy-flag=1\nno line\n"
        );
        let server = with_file(&file).await;
        let ann = server.person("ann").await;
        let (signed, signature) = ann.token.rsplit_once('.').expect("a token");
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("any key will do");
        mac.update(signed.as_bytes());
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64");
        assert!(mac.verify_slice(&signature).is_ok(), "{line}");
        assert!(!server.log().contains(secret), "{line}");
    }
}

#[tokio::test]
async fn only_the_file_of_the_working_directory_is_read() {
    let mut server = Server::shaped(Shape::Embedded, &[]).without("SALT_ROUNDS");
    let above = server.nodes[0].home.clone();
    fs::write(above.join(".env"), "SALT_ROUNDS=this stops a start\n").expect("written");
    server.nodes[0].home = above.join("below");
    fs::create_dir(&server.nodes[0].home).expect("made");
    fs::write(server.nodes[0].home.join(".env"), "SALT_ROUNDS=4\n").expect("written");
    server.run().await;
    server.person("ann").await;
    server.sigterm();
    assert!(server.end().await.status.success());
    fs::remove_file(server.nodes[0].home.join(".env")).expect("removed");
    server.run().await;
}

#[test]
fn a_file_that_cannot_be_read_refuses_to_start_and_shows_nothing_of_itself() {
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("JWT_SECRET=hunter2".bytes().flat_map(|b| [b, 0])).collect();
    let latin1 = b"# one\nNODE_ENV=production\nJWT_SECRET=hunter2\xe9\n";
    for (file, words) in [(&utf16[..], "UTF-16"), (latin1, "line 3"), (b"A=hunter2\0", "zero bytes")] {
        for arguments in [&[][..], &[&b"doctor"[..]], &[b"migrate"]] {
            let output = ended(file, arguments, &[]);
            assert_eq!(output.status.code(), Some(2), "{}", said(&output));
            assert!(said(&output).contains(".env") && said(&output).contains(words), "{}", said(&output));
            assert!(!said(&output).contains("hunter2"), "{}", said(&output));
        }
    }
    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir(home.path().join(".env")).expect("made");
    let output = ended_in(home.path(), &[], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains(".env"), "{}", said(&output));
}

#[test]
fn values_that_are_wrong_are_named_and_not_shown() {
    let file = b"CLIENT_URL=postgres://u:hunter2@h\nREDIS_URL=redis://:hunter2/@h\nSERVER_PORT=hunter2\nSOCKEYE_S3_BUCKET=b
SOCKEYE_S3_ENDPOINT=https://u:hunter2@s3.example.org\nSOCKEYE_PUBLIC_URL=https://u:hunter2@h\nMONGODB_URI=hunter2
SOCKEYE_LOG=hunter2=hunter2\nSOCKEYE_HOST=hunter2:5000\nSOCKEYE_PING_INTERVAL_MS=0\n";
    for arguments in [&[][..], &[&b"doctor"[..]]] {
        let output = ended(file, arguments, &[]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        for line in String::from_utf8_lossy(file).lines() {
            let (name, _) = line.split_once('=').expect("an assignment");
            let fit = name == "SOCKEYE_S3_BUCKET";
            assert_eq!(said(&output).contains(&format!("  {name} ")), !fit, "{name}: {}", said(&output));
        }
        assert!(!said(&output).contains("hunter2"), "{}", said(&output));
    }
}

#[test]
fn what_is_not_utf8_is_nobodys_business_unless_it_is_ours() {
    let weird: (&[u8], &[u8]) = (b"WEIRD", b"caf\xe9");
    let output = ended(b"SERVER_PORT=x", &[], &[weird, (b"caf\xe9", b"1")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("SERVER_PORT") && !said(&output).contains("WEIRD"), "{}", said(&output));
    for command in [&b"doctor"[..], b"migrate", b"healthcheck", b"serve"] {
        let output = ended(b"", &[command], &[weird, (b"JWT_SECRET", b"hunter2\xe9")]);
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("JWT_SECRET is not UTF-8"), "{}", said(&output));
        assert!(!said(&output).contains("hunter2"), "{}", said(&output));
    }
    let output = ended(b"", &[b"caf\xe9"], &[]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("unknown arguments"), "{}", said(&output));
}

#[test]
fn the_doctor_tells_of_what_is_odd_and_of_open_passwords() {
    let file = b"JWT_SECRET='abcdefghijklmnop\nSALT_ROUNDS=10#ten\nwhat is this\nKAFKA_BROKERS=0.0.0.0:1\nKAFKA_USERNAME=u
KAFKA_PASSWORD=hunter2\nMONGODB_URI=mongodb://u:hunter2@0.0.0.0:1/chat?serverSelectionTimeoutMS=500\nREDIS_URL=redis://:hunter2@0.0.0.0:1\n";
    let said = said(&ended(file, &[b"doctor"], &[]));
    for words in ["line 1", "line 2", "line 3", "KAFKA_PASSWORD", "MONGODB_URI", "REDIS_URL"] {
        let told = said.lines().any(|line| line.trim_start().starts_with("warn") && line.contains(words));
        assert!(told, "{words}: {said}");
    }
    assert!(!said.contains("hunter2") && !said.contains("abcdefghijklmnop"), "{said}");
}

#[tokio::test]
async fn what_is_kept_is_the_own_users_whatever_the_umask() {
    for (umask, mode_before) in [("000", None), ("022", None), ("000", Some(0o777)), ("022", Some(0o755))] {
        let mut server = Server::shaped(Shape::Embedded, &[]).without("JWT_SECRET");
        let data = server.data_dir();
        if let Some(mode) = mode_before {
            fs::create_dir(&data).expect("made");
            fs::set_permissions(&data, fs::Permissions::from_mode(mode)).expect("changed");
        }
        let node = &mut server.nodes[0];
        let script = format!("#!/bin/sh\numask {umask}\nexec '{}' \"$@\"\n", node.binary.display());
        node.binary = node.home.join("with-umask");
        fs::write(&node.binary, script).expect("written");
        fs::set_permissions(&node.binary, fs::Permissions::from_mode(0o755)).expect("changed");
        server.run().await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        ann.send(&bob, "a private matter").await;
        let picture = serde_json::json!({ "text": "", "image": common::PNG });
        let sent = ann.post(&format!("/api/messages/send/{}", bob.id), picture).await;
        assert!(sent.status < 300, "{}", sent.text);
        let mut found = vec![];
        open_below(&data, &mut found);
        assert!(found.iter().any(|(path, _)| path.ends_with("store.db-wal")), "{found:?}");
        assert!(
            found.iter().any(|(path, _)| path.contains("/media/") && path.ends_with(".png")),
            "{found:?}"
        );
        let open: Vec<_> = found.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
        assert!(open.is_empty(), "umask {umask}: {open:?}");
    }
}

#[tokio::test]
async fn what_an_older_version_left_open_is_closed_at_the_start() {
    let mut server = Server::shaped(Shape::Embedded, &[]).without("JWT_SECRET");
    server.run().await;
    server.person("ann").await;
    server.kill9().await;
    let data = server.data_dir();
    let mut found = vec![];
    open_below(&data, &mut found);
    for (path, _) in &found {
        let mode = if Path::new(path).is_dir() { 0o755 } else { 0o644 };
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("changed");
    }
    server.run().await;
    let mut found = vec![];
    open_below(&data, &mut found);
    let open: Vec<_> = found.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(open.is_empty(), "{open:?}");
    assert!(server.log().contains("others could read"), "{}", server.log());
}

/// The directory and all that is in it, with modes.
fn open_below(path: &Path, found: &mut Vec<(String, u32)>) {
    let told = fs::symlink_metadata(path).expect("it is there");
    found.push((path.display().to_string(), told.mode() & 0o777));
    if told.is_dir() {
        for entry in fs::read_dir(path).expect("a directory") {
            open_below(&entry.expect("an entry").path(), found);
        }
    }
}
