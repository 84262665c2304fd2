//! Somebody with an account, and what they do over REST.

use std::net::SocketAddr;

use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{Addresses, Client, Dial, PATIENCE, Server};

/// Whose vocabulary the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contract {
    Direct,
    DirectV1,
}

impl Contract {
    pub fn auth(self, route: &str) -> String {
        match self {
            Self::Direct => format!("/api/auth/{route}"),
            Self::DirectV1 => format!("/api/v1/auth/{route}"),
        }
    }

    pub fn cookie(self) -> &'static str {
        match self {
            Self::Direct => "jwt",
            Self::DirectV1 => "token",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "fullName",
            Self::DirectV1 => "full_name",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Person {
    pub id: String,
    pub email: String,
    pub password: String,
    /// The token of the last log-in.
    pub token: String,
    pub contract: Contract,
    /// Every request goes to the next of them.
    addresses: Addresses,
    http: reqwest::Client,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: header::HeaderMap,
    /// `Null` when the body is no JSON.
    pub body: Value,
    pub text: String,
}

impl Answer {
    /// The body, of an answer that is as expected.
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.body
    }
}

impl Person {
    pub async fn sign_up(server: &Server, name: &str) -> Self {
        let contract = server.contract;
        let mut person = Self::nobody(server);
        person.email = format!("{name}@example.org");
        person.password = format!("password of {name}");
        let body = json!({ contract.name(): name, "email": person.email, "password": person.password });
        let answer = person.post(&contract.auth("signup"), body).await;
        person.welcome(answer, 201);
        person
    }

    /// Somebody without an account or token.
    pub fn nobody(server: &Server) -> Self {
        Self {
            id: String::new(),
            email: String::new(),
            password: String::new(),
            token: String::new(),
            contract: server.contract,
            addresses: server.addresses.clone(),
            http: http(),
        }
    }

    /// The same claims, with a token of the test's own making.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// The same person, all of whose requests and connections are to this gateway.
    pub fn at(&self, gateway: SocketAddr) -> Self {
        Self { addresses: gateway.into(), ..self.clone() }
    }

    /// A second session, on another device. This person's own goes on.
    pub async fn log_in(&self) -> Self {
        let mut again = self.with_token("");
        let body = json!({ "email": self.email, "password": self.password });
        let answer = again.post(&self.contract.auth("login"), body).await;
        again.welcome(answer, 200);
        again
    }

    pub async fn log_out(&self) {
        self.post(&self.contract.auth("logout"), json!({})).await.expect(200);
    }

    fn welcome(&mut self, answer: Answer, status: u16) {
        let cookie = answer.headers.get(header::SET_COOKIE).expect("a cookie").to_str().expect("ASCII");
        let pair = cookie.split(';').next().expect("a pair");
        let token = pair.strip_prefix(self.contract.cookie()).and_then(|rest| rest.strip_prefix('='));
        self.token = token.expect("the contract's cookie").to_owned();
        let body = answer.expect(status);
        let user = if self.contract == Contract::Direct { &body } else { &body["user"] };
        self.id = user["_id"].as_str().expect("an id").to_owned();
    }

    /// The header that carries this person's session.
    pub fn cookie(&self) -> String {
        format!("{}={}", self.contract.cookie(), self.token)
    }

    /// A WebSocket not opened yet, proven by the cookie and claiming this person as the frontends do.
    pub fn dial(&self) -> Dial {
        Dial::to(self.addresses.clone()).claiming(&self.id).cookie(&self.cookie())
    }

    pub async fn connect(&self) -> Client {
        self.dial().connect().await.expect("a person with a session is let in")
    }

    /// Sends a text over REST and gives the stored message.
    pub async fn send(&self, to: &Self, text: &str) -> Value {
        let path = format!("/api/messages/send/{}", to.id);
        let answer = self.post(&path, json!({ "text": text, "image": null })).await;
        match self.contract {
            Contract::Direct => answer.expect(201),
            Contract::DirectV1 => answer.expect(200)["data"].take(),
        }
    }

    /// The latest messages with `other`, oldest first.
    pub async fn history(&self, other: &Self) -> Vec<Value> {
        self.history_page(other, "").await
    }

    pub async fn history_page(&self, other: &Self, query: &str) -> Vec<Value> {
        let mut body = self.get(&format!("/api/messages/{}{query}", other.id)).await.expect(200);
        let list = if self.contract == Contract::Direct { body } else { body["data"].take() };
        serde_json::from_value(list).expect("a list")
    }

    /// All messages with `other`, page by page.
    pub async fn whole_history(&self, other: &Self) -> Vec<Value> {
        let mut whole: Vec<Value> = Vec::new();
        loop {
            let query = match whole.first() {
                None => String::new(),
                Some(oldest) => format!("?before={}", oldest["_id"].as_str().expect("an id")),
            };
            let page = self.history_page(other, &query).await;
            if page.is_empty() {
                return whole;
            }
            whole.splice(0..0, page);
        }
    }

    /// The others, as the sidebar shows them.
    pub async fn people(&self) -> Vec<Value> {
        let mut body = self.get("/api/messages/users").await.expect(200);
        let list = if self.contract == Contract::Direct { body } else { body["data"].take() };
        serde_json::from_value(list).expect("a list")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::POST, path, Some(body.to_string().into())).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.ask(Method::PUT, path, Some(body.to_string().into())).await
    }

    pub async fn ask(&self, method: Method, path: &str, body: Option<Vec<u8>>) -> Answer {
        let mut request = self.http.request(method, format!("http://{}{path}", self.addresses.next()));
        if !self.token.is_empty() {
            request = request.header(header::COOKIE, self.cookie());
        }
        if let Some(body) = body {
            request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        }
        let answer = request.send().await.expect("the server answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = String::from_utf8_lossy(&answer.bytes().await.expect("a body")).into_owned();
        let body = serde_json::from_str(&text).unwrap_or_default();
        Answer { status, headers, body, text }
    }
}

/// Connections are not kept: a server that was restarted meanwhile would make the next request fail.
fn http() -> reqwest::Client {
    let builder = reqwest::Client::builder().pool_max_idle_per_host(0).timeout(PATIENCE);
    builder.build().expect("an HTTP client")
}
