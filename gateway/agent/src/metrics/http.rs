//! Answers HTTP requests.

use gateway_base::clock;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};

use super::{
    negotiate::Format,
    shared::{ALIVE, Readiness, Shared},
};

/// Answer of which all bytes are known before the first is sent.
pub(super) type Answer = Response<Full<Bytes>>;

const PLAIN: &str = "text/plain; charset=utf-8";

/// Index page.
const INDEX: &str = "vtep-gateway\n\n/metrics  metrics for Prometheus\n/healthz  200 while the agent lives\n\
                     /readyz   200 while it can forward, or stand by\n";

/// Answers one request. Its body, if any, is ignored.
pub(super) async fn answer<B>(request: &Request<B>, shared: &Shared) -> Answer {
    shared.count_request();
    let path = request.uri().path();
    if !matches!(path, "/" | "/metrics" | "/healthz" | "/readyz") {
        return plain(StatusCode::NOT_FOUND, "there is /metrics, /healthz and /readyz\n".to_owned());
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut refused = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n".to_owned());
        refused.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    match path {
        "/metrics" => metrics(request, shared).await,
        "/healthz" => verdict(health(shared)),
        "/readyz" => verdict(readiness(shared)),
        _ => plain(StatusCode::OK, INDEX.to_owned()),
    }
}

async fn metrics<B>(request: &Request<B>, shared: &Shared) -> Answer {
    let accept: Vec<&str> = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = Format::wanted(&accept.join(","));
    match shared.expose(format).await {
        Some(text) => with(StatusCode::OK, format.content_type(), text),
        None => plain(StatusCode::SERVICE_UNAVAILABLE, "nothing was measured yet\n".to_owned()),
    }
}

/// Reason why the gateway is not alive or not ready.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("the agent is starting")]
    Starting,
    #[error("the agent's loop has not turned for {0} s")]
    Hangs(u64),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Missing(Vec<Missing>),
}

/// Condition of readiness that is not met.
#[derive(Debug, thiserror::Error)]
enum Missing {
    #[error("the programs are not attached to all interfaces")]
    Programs,
    #[error("the database has not been reached yet")]
    Database,
    #[error("another node could forward more bindings than this one")]
    Bindings,
    #[error("no tunnel can send")]
    Tunnels,
    #[error("{0} bindings do not forward; `vtep-gateway show bindings` says why")]
    Unforwarded(usize),
}

/// Returns the readiness if the loop turns.
fn health(shared: &Shared) -> Result<Readiness, Unready> {
    match shared.last_turn(clock::monotonic()) {
        None => Err(Unready::Starting),
        Some((_, ago)) if ago > ALIVE => Err(Unready::Hangs(ago.as_secs())),
        Some((readiness, _)) => Ok(readiness),
    }
}

/// Returns the readiness if the gateway forwards or stands by.
fn readiness(shared: &Shared) -> Result<Readiness, Unready> {
    let readiness = health(shared)?;
    let conditions = [
        (readiness.attached, Missing::Programs),
        (readiness.known, Missing::Database),
        (readiness.able, Missing::Bindings),
        (readiness.reaches, Missing::Tunnels),
        (readiness.unforwarded == 0, Missing::Unforwarded(readiness.unforwarded)),
    ];
    let missing: Vec<Missing> = conditions.into_iter().filter(|(met, _)| !met).map(|(_, missing)| missing).collect();
    if missing.is_empty() { Ok(readiness) } else { Err(Unready::Missing(missing)) }
}

fn verdict(outcome: Result<Readiness, Unready>) -> Answer {
    match outcome {
        Ok(_) => plain(StatusCode::OK, "ok\n".to_owned()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    }
}

fn plain(status: StatusCode, text: String) -> Answer {
    with(status, PLAIN, Bytes::from(text))
}

fn with(status: StatusCode, kind: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}
