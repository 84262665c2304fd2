//! `/api/messages`: people, histories, sending.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http::StatusCode;
use sockeye_core::{ChatError, Outgoing, conversation::ConversationId, message::Origin, user::Person};

use super::{
    errors::Failure,
    viewer::{Peer, Viewer},
    wire::{MessageDocument, UserDocument},
};
use crate::gateway::{
    BaseUrl, Gateway, JsonBody,
    http::page::{HistoryQuery, PeopleQuery, later, older},
};

pub fn routes(gateway: &Gateway) -> Router {
    Router::new()
        .route("/users", get(people))
        // Chatify's names.
        .route("/contacts", get(people))
        .route("/chats", get(partners))
        .route("/{id}", get(history))
        .route("/send/{id}", gateway.bodies.with_pictures(post(send)))
        .with_state(gateway.clone())
}

async fn people(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
    BaseUrl(base_url): BaseUrl,
    PeopleQuery(page): PeopleQuery,
) -> Result<Response, Failure> {
    let users = gateway.chat.list_people(viewer.id, page).await?;
    Ok((later(page, &users), documents(&users, &base_url)).into_response())
}

async fn partners(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
    BaseUrl(base_url): BaseUrl,
) -> Result<Response, Failure> {
    Ok(documents(&gateway.chat.list_partners(viewer.id).await?, &base_url))
}

async fn history(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
    Peer(peer): Peer,
    BaseUrl(base_url): BaseUrl,
    HistoryQuery(page): HistoryQuery,
) -> Result<Response, Failure> {
    let conversation = ConversationId::direct(viewer.id, peer);
    let messages = match gateway.chat.read_history(viewer.id, conversation, page).await {
        Ok(messages) => messages,
        // As the original answers for somebody it does not know.
        Err(ChatError::NotFound { code: "no_such_receiver", .. }) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let older = older(page, &messages);
    let messages: Vec<_> = messages.iter().map(|message| MessageDocument::of(message, &base_url)).collect();
    Ok((older, Json(messages)).into_response())
}

async fn send(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
    Peer(peer): Peer,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let body = body.fields(&["text", "image", "clientId"])?;
    let text = body.optional_text("text")?.unwrap_or_default().to_owned();
    let client_id = body.optional_text("clientId")?.filter(|name| !name.is_empty()).map(str::to_owned);
    let image = match body.optional_text("image")?.filter(|image| !image.is_empty()) {
        Some(data_url) => Some(gateway.chat.read_image(data_url)?),
        None => None,
    };
    let to = ConversationId::direct(viewer.id, peer);
    let outgoing = Outgoing { sender: viewer.id, to, text, image, client_id, origin: Origin::Request };
    let message = gateway.chat.send_message(outgoing).await?;
    Ok((StatusCode::CREATED, Json(MessageDocument::of(&message, &base_url))).into_response())
}

fn documents(people: &[Person], base_url: &str) -> Response {
    let people: Vec<_> = people.iter().map(|person| UserDocument::of_another(person, base_url)).collect();
    Json(people).into_response()
}
