//! People get accounts, come and go, and look like something.

mod common;

use common::{Contract, PNG, Person, Server, Shape, embedded_only};
use serde_json::json;

const BOTH: [&str; 2] = ["direct", "direct-v1"];

async fn server(contract: &str) -> Server {
    Server::with(&[("SOCKEYE_CONTRACT", contract)]).await
}

fn me(person: &Person) -> String {
    person.contract.auth(if person.contract == Contract::Direct { "check" } else { "check-auth" })
}

#[tokio::test]
async fn whoever_signs_up_is_signed_in_and_can_log_in_again() {
    for contract in BOTH {
        let server = server(contract).await;
        let ann = server.person("ann").await;
        ann.get(&me(&ann)).await.expect(200);
        let again = ann.log_in().await;
        assert_eq!(again.id, ann.id);
        assert_ne!(again.token, ann.token, "every log-in is a session of its own");
        let answer = again.get(&me(&again)).await;
        assert!(!answer.text.contains("password"), "{}", answer.text);
        answer.expect(200);
    }
}

#[tokio::test]
async fn an_address_has_one_account_even_when_two_sign_up_at_once() {
    let server = server("direct").await;
    let nobody = Person::nobody(&server);
    let body = json!({ "fullName": "twin", "email": "twin@example.org", "password": "secret of twins" });
    let path = nobody.contract.auth("signup");
    let (one, other) = tokio::join!(nobody.post(&path, body.clone()), nobody.post(&path, body));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 400], "{} {}", one.text, other.text);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_look_the_same() {
    for contract in BOTH {
        let server = server(contract).await;
        let ann = server.person("ann").await;
        let nobody = Person::nobody(&server);
        let path = nobody.contract.auth("login");
        let wrong = nobody.post(&path, json!({ "email": ann.email, "password": "not this one" })).await;
        let unknown =
            nobody.post(&path, json!({ "email": "x@example.org", "password": "not this one" })).await;
        assert_eq!((wrong.status, &wrong.text), (unknown.status, &unknown.text));
        assert_eq!(
            wrong.expect(400)["message"],
            "Invalid credentials".replace("credentials", credentials(contract))
        );
    }
}

fn credentials(contract: &str) -> &str {
    if contract == "direct" { "credentials" } else { "Credentials" }
}

#[tokio::test]
async fn after_log_out_the_token_is_dead_and_other_sessions_are_not() {
    for contract in BOTH {
        let server = server(contract).await;
        let ann = server.person("ann").await;
        let phone = ann.log_in().await;
        ann.log_out().await;
        ann.get(&me(&ann)).await.expect(401);
        phone.get(&me(&phone)).await.expect(200);
    }
}

#[tokio::test]
async fn an_account_survives_a_restart_and_so_does_a_log_out() {
    let mut server = server("direct-v1").await;
    let ann = server.person("ann").await;
    let phone = ann.log_in().await;
    ann.log_out().await;
    server.kill9().await;
    server.run().await;
    ann.get(&me(&ann)).await.expect(401);
    phone.get(&me(&phone)).await.expect(200);
    phone.log_in().await;
}

#[tokio::test]
async fn a_profile_picture_is_shown_to_others_from_an_address_that_loads() {
    for (contract, field) in [("direct", "profilePic"), ("direct-v1", "profile_picture")] {
        let server = server(contract).await;
        let (ann, bob) = (server.person("ann").await, server.person("bob").await);
        let answer = ann.put(&ann.contract.auth("update-profile"), json!({ field: PNG })).await.expect(200);
        let user = if contract == "direct" { &answer } else { &answer["user"] };
        let url = user[field].as_str().expect("an address").to_owned();
        assert_eq!(bob.people().await[0][field], url);
        let picture = bob.get(url.strip_prefix(&server.url("")).expect("an absolute address")).await;
        assert_eq!(picture.headers["content-type"], "image/png");
        assert_eq!(picture.headers["cross-origin-resource-policy"], "cross-origin");
        picture.expect(200);
    }
}

#[tokio::test]
async fn everybody_sees_everybody_else() {
    for contract in BOTH {
        let server = server(contract).await;
        let people = [server.person("ann").await, server.person("bob").await, server.person("cid").await];
        for viewer in &people {
            let seen: Vec<String> = viewer
                .people()
                .await
                .iter()
                .map(|user| user["_id"].as_str().unwrap_or_default().into())
                .collect();
            let mut others: Vec<String> =
                people.iter().filter(|other| other.id != viewer.id).map(|other| other.id.clone()).collect();
            if Shape::chosen() == Shape::Cluster {
                // In order of ids; those of several gateways follow each other by the second only.
                others.sort_unstable();
            }
            assert_eq!(seen, others);
        }
    }
}

#[tokio::test]
async fn after_the_secret_was_changed_everybody_is_logged_in_and_recovers() {
    let mut server = server("direct-v1").await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let old = server.jwt_secret();
    let mut page = bob.connect().await;
    ann.send(&bob, "before").await;
    assert_eq!(page.texts_until("before").await, ["before"]);
    let set = |server: &mut Server, name, value: Option<&str>| {
        server.nodes.iter_mut().for_each(|node| node.set(name, value));
    };
    page.cut();
    set(&mut server, "JWT_SECRET", Some("Vb3-Hq8Zr2Tn6Kc9Xw1Ys5Lf7Dm4Gp0Je-Ua"));
    set(&mut server, "JWT_SECRET_PREVIOUS", Some(&old));
    server.restart().await;
    ann.get(&me(&ann)).await.expect(200);
    let new = ann.log_in().await;
    ann.send(&bob, "meanwhile").await;
    page.reconnect().await.expect("let in again");
    assert!(page.recovered, "the `pid` of before is known");
    assert_eq!(page.texts_until("meanwhile").await, ["meanwhile"]);

    set(&mut server, "JWT_SECRET_PREVIOUS", None);
    server.restart().await;
    ann.get(&me(&ann)).await.expect(401);
    new.get(&me(&new)).await.expect(200);
}

#[tokio::test]
async fn a_log_in_renews_a_hash_that_costs_less_than_new_ones_when_it_should() {
    if embedded_only("it looks into the embedded store's file") {
        return;
    }
    let mut server = server("direct-v1").await;
    let (ann, bob) = (server.person("ann").await, server.person("bob").await);
    let costs = |server: &Server| {
        let read = |file| std::fs::read(server.data_dir().join(file)).unwrap_or_default();
        let bytes = [read("store.db"), read("store.db-wal")].concat();
        ["$2b$04$", "$2b$05$"].map(|cost| bytes.windows(cost.len()).any(|window| window == cost.as_bytes()))
    };
    let set = |server: &mut Server, name, value| {
        server.nodes.iter_mut().for_each(|node| node.set(name, Some(value)));
    };
    set(&mut server, "SALT_ROUNDS", "5");
    server.restart().await;
    ann.log_in().await;
    assert_eq!(costs(&server), [true, false], "not unasked");
    set(&mut server, "SOCKEYE_REHASH_PASSWORDS", "on");
    server.restart().await;
    ann.log_in().await;
    assert_eq!(costs(&server), [true, true]);
    ann.log_in().await;
    bob.log_in().await;
}
