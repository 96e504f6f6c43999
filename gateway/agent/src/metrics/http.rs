//! Answers HTTP requests.

use gateway_base::clock;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Bytes,
    header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
};

use super::{
    Readiness,
    exporter::{ALIVE, Shared},
    negotiate::Format,
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
        "/healthz" => told(health(shared)),
        "/readyz" => told(readiness(shared)),
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

/// Returns the readiness if the loop turns, or the reason why it counts as dead.
fn health(shared: &Shared) -> Result<Readiness, String> {
    match shared.last_turn(clock::monotonic()) {
        None => Err("the agent is starting".to_owned()),
        Some((_, ago)) if ago > ALIVE => Err(format!("the agent's loop has not turned for {} s", ago.as_secs())),
        Some((readiness, _)) => Ok(readiness),
    }
}

/// Returns the readiness if the gateway forwards or stands by, or the reason why it does not.
fn readiness(shared: &Shared) -> Result<Readiness, String> {
    let readiness = health(shared)?;
    let missing = [
        (readiness.attached, "the programs are not attached to all interfaces"),
        (readiness.known, "the database has not been reached yet"),
        (readiness.able, "another node could forward more bindings than this one"),
        (readiness.reaches, "no tunnel can send"),
    ];
    let missing = missing.into_iter().filter(|(there, _)| !there).map(|(_, what)| what.to_owned());
    let unforwarded = (readiness.unforwarded > 0)
        .then(|| format!("{} bindings do not forward; `vtep-gateway show bindings` says why", readiness.unforwarded));
    let missing: Vec<String> = missing.chain(unforwarded).collect();
    if missing.is_empty() { Ok(readiness) } else { Err(missing.join("\n")) }
}

fn told(verdict: Result<Readiness, String>) -> Answer {
    match verdict {
        Ok(_) => plain(StatusCode::OK, "ok\n".to_owned()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
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
