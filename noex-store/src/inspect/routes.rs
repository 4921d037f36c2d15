//! What the page asks for.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::condition::Condition;
use super::records;
use crate::engine::{Commit, Definition, Kind, Version, catch};
use crate::error::Error;
use crate::store::{Store, WeakStore};

/// How many commits, changes of one, and answers are told.
const COMMITS: u64 = 100;
const CHANGES: usize = 20;
const ANSWERS: usize = 500;
/// How many records a page has, and at most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 500;

pub(super) fn routes(store: WeakStore, address: SocketAddr) -> Router {
    let routes = Router::new()
        .route("/", get(|| async { Html(include_str!("page.html")) }))
        .route("/api/store", get(overview))
        .route("/api/answers", get(answers))
        .route("/api/commits", get(commits))
        .route("/api/buckets/{bucket}/records", get(records))
        .with_state(store);
    let is_local = address.ip().is_loopback();
    routes.layer(middleware::from_fn(move |request, next| guard(is_local, request, next)))
}

/// Why there is no answer.
enum Refused {
    Gone,
    NoBucket(String),
    Condition(String),
    Failed(Error),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, reason) = match self {
            Self::Gone => (StatusCode::GONE, "the store is gone".to_owned()),
            Self::NoBucket(bucket) => (StatusCode::NOT_FOUND, format!("there is no bucket `{bucket}`")),
            Self::Condition(reason) => (StatusCode::BAD_REQUEST, reason),
            Self::Failed(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
        };
        (status, Json(json!({ "error": reason }))).into_response()
    }
}

/// A page from elsewhere whose name leads here (DNS rebinding) would be let in by the browser; by its name it is found out.
async fn guard(is_local: bool, request: Request, next: Next) -> Response {
    if is_local && !names_this_machine(request.headers()) {
        let reason = "the inspector answers on this machine only: ask for 127.0.0.1 or localhost";
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    // Whatever records hold, nothing but the page's own script runs, and it talks to nobody else.
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                  img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    headers.insert(CONTENT_SECURITY_POLICY, axum::http::HeaderValue::from_static(policy));
    response
}

fn names_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let Some(Ok(host)) = host.map(Authority::from_str) else { return false };
    let name = host.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

/// Answers with what is read of the store, beside the threads of the runtime: records' code may take its time.
async fn read<T: Serialize + Send + 'static>(
    store: WeakStore,
    read: impl FnOnce(&Store) -> Result<T, Refused> + Send + 'static,
) -> Result<Json<T>, Refused> {
    let done = spawn_blocking(move || read(&store.upgrade().ok_or(Refused::Gone)?)).await;
    let panicked = |_| Error::Panicked { bucket: "", message: "in a record's code".to_owned() };
    done.map_err(panicked).map_err(Refused::Failed)?.map(Json)
}

async fn overview(State(store): State<WeakStore>) -> Result<Json<Value>, Refused> {
    read(store, |store| Ok(json!({ "stats": store.stats(), "schemas": store.buckets() }))).await
}

async fn answers(State(store): State<WeakStore>) -> Result<impl IntoResponse, Refused> {
    read(store, |store| Ok(store.answers(ANSWERS))).await
}

#[derive(Deserialize)]
#[serde(default)]
struct Asked {
    filter: String,
    from: u64,
    limit: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Self { filter: String::new(), from: 0, limit: PAGE }
    }
}

async fn records(
    State(store): State<WeakStore>,
    Path(bucket): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<impl IntoResponse, Refused> {
    read(store, move |store| {
        let root = store.engine().load_full();
        let table = root.tables().find(|table| table.schema().name == bucket);
        let table = table.ok_or(Refused::NoBucket(bucket))?;
        let condition = Condition::read(&asked.filter, table.schema()).map_err(Refused::Condition)?;
        let limit = asked.limit.clamp(1, MAX_PAGE);
        records::page(table.as_ref(), root.version, &condition, asked.from, limit).map_err(Refused::Failed)
    })
    .await
}

/// The last commits that the log still has, the latest first.
async fn commits(State(store): State<WeakStore>) -> Result<Json<Vec<Value>>, Refused> {
    read(store, |store| {
        let log = store.engine().log();
        let mut reader = log.after(Version(log.latest().get().saturating_sub(COMMITS)));
        let mut told = Vec::new();
        // After a miss it goes on with the oldest that is there.
        while let Some(commit) = reader.try_next().or_else(|_| reader.try_next()).unwrap_or_default() {
            told.push(describe(&commit).map_err(Refused::Failed)?);
        }
        told.reverse();
        Ok(told)
    })
    .await
}

fn describe(commit: &Commit) -> Result<Value, Error> {
    let mut changes = Vec::new();
    let mut buckets = serde_json::Map::new();
    for of_bucket in &commit.buckets {
        let name = of_bucket.bucket();
        let count = |kind| (0..of_bucket.len()).filter(|at| of_bucket.kind(*at) == kind).count();
        let (inserted, updated, deleted) =
            (count(Kind::Inserted), count(Kind::Updated), count(Kind::Deleted));
        buckets
            .insert(name.to_owned(), json!({ "inserted": inserted, "updated": updated, "deleted": deleted }));
        for at in 0..of_bucket.len().min(CHANGES - changes.len()) {
            let kind = match of_bucket.kind(at) {
                Kind::Inserted => "inserted",
                Kind::Updated => "updated",
                Kind::Deleted => "deleted",
            };
            let key = catch::<_, Error>(name, || Ok(of_bucket.key(at)))?;
            changes.push(json!({ "bucket": name, "kind": kind, "key": key, "reason": of_bucket.reason(at) }));
        }
    }
    let defined = commit.definition.map(|definition| match definition {
        Definition::Defined(schema) => format!("`{}` was defined", schema.name),
        Definition::Dropped(schema) => format!("`{}` was dropped", schema.name),
    });
    Ok(json!({
        "version": commit.version(), "time": commit.time(), "definition": defined,
        "buckets": buckets, "changes": changes, "all": commit.len(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_let_in() {
        let is_let_in = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().expect("a header"));
            names_this_machine(&headers)
        };
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:7007", "127.1.2.3", "[::1]:7007", "[::1]"] {
            assert!(is_let_in(host), "{host}");
        }
        for host in
            ["example.com", "127.0.0.1.example.com", "localhost.example.com:7007", "10.0.0.1", "", "@"]
        {
            assert!(!is_let_in(host), "{host}");
        }
        assert!(!names_this_machine(&HeaderMap::new()));
    }
}
