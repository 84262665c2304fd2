//! `/api/messages`: people, histories, and sending with an image.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use sockeye_core::{
    Chat, ChatError, Outgoing,
    conversation::ConversationId,
    id::UserId,
    message::{Message, Origin},
};

use super::{
    errors::{Failure, Fault},
    viewer::{Peer, Viewer},
    wire::{DataAnswer, MessageDocument, Person},
};
use crate::gateway::{
    BaseUrl, Fields, Gateway, JsonBody,
    http::page::{HistoryQuery, PeopleQuery, later, older},
};

pub fn routes(gateway: &Gateway) -> Router {
    Router::new()
        .route("/users", get(people))
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
    let data: Vec<_> = users.iter().map(|user| Person::of(user, &base_url)).collect();
    Ok((later(page, &users), Json(DataAnswer { message: None, data })).into_response())
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
    let data: Vec<_> = messages.iter().map(|message| MessageDocument::of(message, &base_url)).collect();
    Ok((older(page, &messages), Json(DataAnswer { message: None, data })).into_response())
}

async fn send(
    State(gateway): State<Gateway>,
    Viewer(viewer): Viewer,
    Peer(peer): Peer,
    BaseUrl(base_url): BaseUrl,
    body: JsonBody,
) -> Result<Response, Failure> {
    let message = deliver(&gateway.chat, viewer.id, peer, &body.fields(MESSAGE)?, Origin::Request).await?;
    let data = MessageDocument::of(&message, &base_url);
    // 200 and not 201: the frontend was written against it.
    Ok(Json(DataAnswer { message: Some("Message sent successfully"), data }).into_response())
}

/// What a message is read for.
pub const MESSAGE: &[&str] = &["text", "image", "clientId"];

/// Sends what a body or a socket's payload describes: `{text, image, clientId?}`.
pub async fn deliver(
    chat: &Chat,
    sender: UserId,
    to: UserId,
    body: &Fields<'_>,
    origin: Origin,
) -> Result<Message, Fault> {
    let text = body.optional_text("text")?.unwrap_or_default().to_owned();
    let client_id = body.optional_text("clientId")?.filter(|name| !name.is_empty()).map(str::to_owned);
    let image = match body.optional_text("image")?.filter(|image| !image.is_empty()) {
        Some(url) => Some(chat.read_image(url).map_err(Fault::saying("Image upload failed"))?),
        None => None,
    };
    let to = ConversationId::direct(sender, to);
    let outgoing = Outgoing { sender, to, text, image, client_id, origin };
    Ok(chat.send_message(outgoing).await?)
}
