//! Users of a run, made through REST: sign-up, then log-in, as the contract's frontend does.

use futures_util::{StreamExt, TryStreamExt, stream};
use reqwest::Client;
use serde::Deserialize;
use serde_json::json;

use crate::errors::Failure;
use crate::target::Target;

/// A signed-in user.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// Makes `count` users, `sign_ups_max` at a time, at all gateways in turn; the order of the result is the order of their numbers.
///
/// Fails on the first refusal: limits must be raised for the tool's address, or nothing can be measured.
pub(crate) async fn make(
    target: &Target,
    run: &str,
    count: u32,
    sign_ups_max: usize,
) -> Result<Vec<Account>, Failure> {
    let http = Client::new();
    stream::iter(0..count)
        .map(|number| make_one(&http, target.url(number as usize), run, number))
        .buffered(sign_ups_max)
        .try_collect()
        .await
}

/// The texts of the messages between the account and user `other`, oldest first; of the newest `newest` at most, if
/// the server knows `limit`.
pub(crate) async fn history(
    http: &Client,
    url: &str,
    account: &Account,
    other: &str,
    newest: Option<u32>,
) -> Result<Vec<String>, Failure> {
    let limit = newest.map_or_else(String::new, |newest| format!("?limit={newest}"));
    let request = http
        .get(format!("{url}/api/messages/{other}{limit}"))
        .header("cookie", format!("token={}", account.token));
    let answer: History = json_of("reading history", 200, request).await?;
    Ok(answer.data.into_iter().map(|message| message.text.unwrap_or_default()).collect())
}

async fn make_one(http: &Client, url: &str, run: &str, number: u32) -> Result<Account, Failure> {
    let email = format!("bench-{run}-{number}@example.com");
    let password = format!("password-{run}");
    let form = json!({
        "full_name": format!("Bench {number}"), "email": email, "password": password, "profilePicture": "", "bio": "",
    });
    let sign_up = http.post(format!("{url}/api/v1/auth/signup")).json(&form);
    json_of::<Entry>("signing up", 201, sign_up).await?;
    let log_in =
        http.post(format!("{url}/api/v1/auth/login")).json(&json!({"email": email, "password": password}));
    let entry: Entry = json_of("logging in", 200, log_in).await?;
    Ok(Account { id: entry.user.id, token: entry.token })
}

async fn json_of<T: for<'de> Deserialize<'de>>(
    doing: &str,
    expected: u16,
    request: reqwest::RequestBuilder,
) -> Result<T, Failure> {
    let answer = request.send().await.map_err(Failure::rest(doing))?;
    let status = answer.status().as_u16();
    if status != expected {
        let body = answer.text().await.map_err(Failure::rest(doing))?;
        return Err(Failure::Refused { doing: doing.to_owned(), status, body });
    }
    answer.json().await.map_err(Failure::rest(doing))
}

#[derive(Debug, Deserialize)]
struct Entry {
    user: User,
    token: String,
}

#[derive(Debug, Deserialize)]
struct User {
    #[serde(rename = "_id")]
    id: String,
}

#[derive(Debug, Deserialize)]
struct History {
    data: Vec<Message>,
}

#[derive(Debug, Deserialize)]
struct Message {
    text: Option<String>,
}
