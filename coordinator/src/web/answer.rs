//! Answers: every one carries the headers that keep a browser from doing more than showing it.

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;

/// Body of any answer.
pub(super) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// For all but the page itself: nothing may be loaded, run or framed.
pub(super) const NOTHING: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// For the page: its own files, its own streams, reports in a frame; no HTML from text anywhere.
pub(super) const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// A whole answer.
pub(super) fn whole(
    status: StatusCode,
    kind: &'static str,
    policy: HeaderValue,
    body: impl Into<Bytes>,
) -> Response<Body> {
    with_headers(status, kind, policy, Full::new(body.into()).boxed_unsync())
}

/// A few words; for refusals and what is not there.
pub(super) fn words(status: StatusCode, text: &str) -> Response<Body> {
    whole(
        status,
        "text/plain; charset=utf-8",
        HeaderValue::from_static(NOTHING),
        format!("{text}\n"),
    )
}

/// A JSON document.
pub(super) fn json(document: impl Into<Bytes>) -> Response<Body> {
    whole(
        StatusCode::OK,
        "application/json",
        HeaderValue::from_static(NOTHING),
        document,
    )
}

/// Any body under the headers that all answers have.
pub(super) fn with_headers(
    status: StatusCode,
    kind: &'static str,
    policy: HeaderValue,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    common(headers);
    response
}

fn common(headers: &mut HeaderMap) {
    let all: [(HeaderName, &'static str); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The address is the key: it must reach nobody as a referrer, and no cache.
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), geolocation=(), microphone=()",
        ),
    ];
    for (name, value) in all {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
