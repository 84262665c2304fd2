//! Pictures: how they may come, what is taken out of them, how many, and when they go.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use base64::{Engine, engine::general_purpose::STANDARD};
use common::{Contract, PNG, Person, Server};
use serde_json::{Value, json};

const BOTH: [&str; 2] = ["direct", "direct-v1"];

/// A photo of 2 x 2 pixels, as a program wrote it.
const JPEG: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAFA3PEY8MlBGQUZaVVBfeMiCeG5uePWvuZHI////////////////////////////////////////////////////2wBDAVVaWnhpeOuCguv/////////////////////////////////////////////////////////////////////////wAARCAACAAIDASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAAAAL/xAAUEAEAAAAAAAAAAAAAAAAAAAAA/8QAFQEBAQAAAAAAAAAAAAAAAAAAAgP/xAAUEQEAAAAAAAAAAAAAAAAAAAAA/9oADAMBAAIRAxEAPwCABXf/2Q==";

async fn server(contract: &str, settings: &[(&str, &str)]) -> Server {
    Server::with(&[&[("SOCKEYE_CONTRACT", contract)], settings].concat()).await
}

fn field(contract: Contract) -> &'static str {
    if contract == Contract::Direct { "profilePic" } else { "profile_picture" }
}

async fn set_picture(person: &Person, image: &str) -> common::Answer {
    person.put(&person.contract.auth("update-profile"), json!({ field(person.contract): image })).await
}

/// Where the profile picture is that this answer shows.
fn shown(person: &Person, answer: &Value) -> String {
    let user = if person.contract == Contract::Direct { answer } else { &answer["user"] };
    user[field(person.contract)].as_str().expect("an address").to_owned()
}

async fn send(person: &Person, to: &Person, image: &str) -> common::Answer {
    person.post(&format!("/api/messages/send/{}", to.id), json!({ "text": "", "image": image })).await
}

/// Where the picture is of the message in this answer.
fn sent(person: &Person, answer: &Value) -> String {
    let message = if person.contract == Contract::Direct { answer } else { &answer["data"] };
    message["image"].as_str().expect("an address").to_owned()
}

async fn load(server: &Server, url: &str) -> reqwest::Response {
    let path = url.strip_prefix(&server.url("")).expect("an absolute address of this server");
    reqwest::get(server.url(path)).await.unwrap()
}

async fn bytes_at(server: &Server, url: &str) -> Vec<u8> {
    let answer = load(server, url).await;
    assert_eq!(answer.status(), 200);
    answer.bytes().await.unwrap().to_vec()
}

#[tokio::test]
async fn base64_is_read_however_its_lines_are_broken() {
    let (_, base64) = PNG.split_once(',').unwrap();
    let picture = STANDARD.decode(base64).unwrap();
    let lines = |end: &str| {
        base64.as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line) + end).collect::<String>()
    };
    let forms = [
        format!("data:image/png;base64,{}", lines("\n")),
        format!("data:image/png;base64,{}", lines("\r\n")),
        format!("data:image/png;base64, {base64}"),
        format!("data:image/png;base64,\n{base64}"),
        format!("data:image/png;base64,{}", base64.trim_end_matches('=')),
        format!(
            "data:image/png;base64,{}",
            base64.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D")
        ),
        format!("data:image/png;charset=utf-8;base64,{base64}"),
        format!("DATA:image/png;BASE64,{base64}"),
        format!("data:;base64,{base64}"),
    ];
    for contract in BOTH {
        let server = server(contract, &[]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let mut tab = ann.connect().await;
        for form in &forms {
            let answer = send(&ann, &bob, form).await;
            assert!(answer.status < 300, "{contract}: {form:?}: {}", answer.text);
            assert_eq!(bytes_at(&server, &sent(&ann, &answer.body)).await, picture);
            let answer = set_picture(&ann, form).await;
            assert_eq!(answer.status, 200, "{contract}: {form:?}: {}", answer.text);
            assert_eq!(bytes_at(&server, &shown(&ann, &answer.body)).await, picture);
            if contract == "direct-v1" {
                let message = json!({ "to": bob.id, "text": "", "image": form });
                let ack = tab.emit_ack("sendMessage", &[message]).await;
                assert_eq!(ack[0]["status"], "ok", "{form:?}: {ack:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_photo_does_not_say_where_it_was_taken() {
    let photo = STANDARD.decode(JPEG).unwrap();
    let mut tiff = b"II*\0\x08\0\0\0\x02\0".to_vec();
    tiff.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0]); // lies on its side
    tiff.extend([0x25, 0x88, 4, 0, 1, 0, 0, 0, 38, 0, 0, 0, 0, 0, 0, 0]);
    tiff.extend(b"GPS 48.1374N 11.5755E");
    let exif = [
        b"\xff\xe1".to_vec(),
        u16::try_from(tiff.len() + 8).unwrap().to_be_bytes().to_vec(),
        b"Exif\0\0".to_vec(),
        tiff,
    ];
    let taken = [&photo[..2], &exif.concat(), &photo[2..], b"GPS in a film behind it"].concat();
    let image = format!("data:image/jpeg;base64,{}", STANDARD.encode(&taken));
    let has = |bytes: &[u8], text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
    assert!(has(&taken, b"GPS"));
    for contract in BOTH {
        let server = server(contract, &[]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let message = send(&ann, &bob, &image).await;
        let profile = set_picture(&ann, &image).await.expect(200);
        for url in [sent(&ann, &message.body), shown(&ann, &profile)] {
            let kept = bytes_at(&server, &url).await;
            assert!(!has(&kept, b"GPS"));
            assert!(has(&kept, b"\x01\x12\0\x03\0\0\0\x01\0\x06"), "which way up it is");
            assert!(kept.ends_with(&photo[2..]), "the picture itself is as it was");
        }
        let plain = format!("data:image/jpeg;base64,{JPEG}");
        let plain = send(&ann, &bob, &plain).await;
        assert_eq!(bytes_at(&server, &sent(&ann, &plain.body)).await, photo);
    }
}

#[tokio::test]
async fn a_picture_that_takes_gigabytes_to_show_is_refused() {
    let mut bomb = STANDARD.decode(PNG.split_once(',').unwrap().1).unwrap();
    bomb[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let bomb = format!("data:image/png;base64,{}", STANDARD.encode(bomb));
    for contract in BOTH {
        let server = server(contract, &[]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        for answer in [send(&ann, &bob, &bomb).await, set_picture(&ann, &bomb).await] {
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (413, &json!("image_too_large")),
                "{}",
                answer.text
            );
        }
        assert_eq!(bob.history(&ann).await.len(), 0);
    }
    let server = server("direct", &[("SOCKEYE_IMAGE_PIXELS_MAX", "3600000000")]).await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    send(&ann, &bob, &bomb).await.expect(201);
}

#[tokio::test]
async fn a_profile_picture_goes_when_another_takes_its_place() {
    for contract in BOTH {
        let server = server(contract, &[]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let message = sent(&ann, &send(&ann, &bob, PNG).await.body);
        let bobs = shown(&bob, &set_picture(&bob, PNG).await.expect(200));
        let first = shown(&ann, &set_picture(&ann, PNG).await.expect(200));
        assert_eq!(load(&server, &first).await.status(), 200);
        // What is refused replaces nothing.
        assert_eq!(set_picture(&ann, "data:image/png;base64,AAAA").await.status, 400);
        assert_eq!(load(&server, &first).await.status(), 200);
        let second = shown(&ann, &set_picture(&ann, PNG).await.expect(200));
        assert_eq!(load(&server, &first).await.status(), 404, "{contract}");
        for url in [&second, &bobs, &message] {
            let answer = load(&server, url).await;
            assert_eq!(answer.status(), 200);
            assert_eq!(answer.headers()["cache-control"], "private, max-age=31536000, immutable");
        }
    }
}

/// An account can be made with the address of any picture as its own.
#[tokio::test]
async fn nobody_deletes_a_picture_by_calling_it_theirs() {
    let server = server("direct-v1", &[]).await;
    let ann = server.person("ann").await;
    let anns = shown(&ann, &set_picture(&ann, PNG).await.expect(200));
    let mut eve = Person::nobody(&server);
    (eve.email, eve.password) = ("eve@example.org".into(), "password".into());
    let account =
        json!({ "full_name": "eve", "email": eve.email, "password": eve.password, "profile_picture": anns });
    let answer = eve.post(&eve.contract.auth("signup"), account).await.expect(201);
    assert_eq!(answer["user"]["profile_picture"], anns);
    let eve = eve.log_in().await;
    set_picture(&eve, PNG).await.expect(200);
    assert_eq!(load(&server, &anns).await.status(), 200);
}

#[tokio::test]
async fn a_users_pictures_of_a_day_are_bounded() {
    for contract in BOTH {
        // Each counts as 1 KiB.
        let server = server(contract, &[("SOCKEYE_PICTURE_BYTES_PER_DAY", "3072")]).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        for _ in 0..2 {
            assert!(send(&ann, &bob, PNG).await.status < 300);
        }
        set_picture(&ann, PNG).await.expect(200);
        for answer in [send(&ann, &bob, PNG).await, set_picture(&ann, PNG).await] {
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (429, &json!("picture_quota")),
                "{}",
                answer.text
            );
            assert!(answer.body["message"].is_string());
            let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
            assert!((1..=86_400).contains(&seconds), "{seconds}");
        }
        if contract == "direct-v1" {
            let message = json!({ "to": bob.id, "text": "", "image": PNG });
            let ack = ann.connect().await.emit_ack("sendMessage", &[message]).await;
            assert_eq!(ack[0]["code"], "picture_quota", "{ack:?}");
        }
        assert!(send(&bob, &ann, PNG).await.status < 300, "others may go on");
        ann.send(&bob, "a text").await;
        assert_eq!(bob.history(&ann).await.len(), 4);
    }
}

#[tokio::test]
async fn pictures_on_other_servers_can_be_left_out() {
    for (setting, expected) in [("on", "https://example.org/me.png"), ("off", "")] {
        let server = server("direct-v1", &[("SOCKEYE_EXTERNAL_PICTURES", setting)]).await;
        let account = json!({
            "full_name": "ann", "email": "ann@example.org", "password": "password",
            "profile_picture": "https://example.org/me.png",
        });
        let answer = Person::nobody(&server).post("/api/v1/auth/signup", account).await.expect(201);
        assert_eq!(answer["user"]["profile_picture"], expected, "{setting}");
    }
}
