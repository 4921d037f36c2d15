//! The page, and the stream of server-sent events that keeps it up to date.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use noex_store::prelude::*;
use noex_store::{Diff, DiffStep, Update};
use serde_json::{Value, json};

use crate::boards::{Boards, Choice};
use crate::leg::Leg;
use crate::sky::Place;

#[derive(Clone)]
pub struct Server {
    pub boards: Boards,
    pub airports: Arc<BTreeMap<String, Place>>,
    pub airlines: Arc<BTreeMap<String, String>>,
}

impl Server {
    pub fn routes(self) -> Router {
        Router::new()
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route("/places", get(places))
            .route("/live", get(live))
            .with_state(self)
    }
}

/// What does not change: airports and airlines.
async fn places(State(server): State<Server>) -> Json<Value> {
    Json(json!({ "airports": *server.airports, "airlines": *server.airlines }))
}

/// Four live queries with the page's filter, as one stream, for as long as the page is open.
async fn live(State(server): State<Server>, extract::Query(choice): extract::Query<Choice>) -> Response {
    match follow(&server.boards, &choice) {
        Ok(events) => Sse::new(events).keep_alive(KeepAlive::default()).into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response(),
    }
}

fn follow(
    boards: &Boards,
    choice: &Choice,
) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, Error> {
    let list = |query: &Query<Choice, Vec<Record<Leg>>>| -> Result<BoxStream<'static, Event>, Error> {
        let name = query.name().to_owned();
        let diffs = query.subscribe(choice.clone())?.diffs();
        Ok(diffs.map(move |diff| event(&name, diff.map(|diff| steps(&diff)))).boxed())
    };
    let numbers = boards.numbers.subscribe(choice.clone())?;
    let all = [
        list(&boards.flying)?,
        list(&boards.next)?,
        list(&boards.latest)?,
        numbers.map(|update| event("numbers", update.map(|update| whole(&update)))).boxed(),
    ];
    Ok(stream::select_all(all).map(Ok))
}

fn event(name: &str, data: Result<Value, Error>) -> Event {
    match data {
        Ok(data) => Event::default().event(name).data(data.to_string()),
        Err(error) => Event::default().event("failed").data(error.to_string()),
    }
}

fn whole<T: Serialize>(update: &Update<T>) -> Value {
    json!({ "version": update.version, "value": *update.value })
}

/// A diff as the page takes it: what leads from its list to the next one.
fn steps(diff: &Diff<Leg>) -> Value {
    let step = |step: &DiffStep<Leg>| match step {
        DiffStep::Inserted { at, record } => json!(["insert", at, **record]),
        DiffStep::Updated { at, old, new } => json!(["update", at, changed(old, new)]),
        DiffStep::Moved { from, to } => json!(["move", from, to]),
        DiffStep::Removed { at, .. } => json!(["remove", at]),
        // There are no others in this version of the library.
        _ => Value::Null,
    };
    json!({ "version": diff.version, "steps": diff.steps.iter().map(step).collect::<Vec<_>>() })
}

/// The fields that differ.
fn changed(old: &Leg, new: &Leg) -> Value {
    let (old, mut new) = (json!(old), json!(new));
    if let Some(fields) = new.as_object_mut() {
        fields.retain(|name, value| old[name.as_str()] != *value);
    }
    new
}
