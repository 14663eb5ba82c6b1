//! Who gets an answer: the address holds a secret, the host must be this one, and other sites may not ask.

use http::header::{HOST, HeaderMap, HeaderName};
use http::request::Parts;
use http::{Method, StatusCode};
use rand::RngCore;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

/// Names under which a browser on this host, or at the other end of an SSH tunnel, reaches loopback. Any other name is
/// somebody's domain that was pointed here.
const HOSTS: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// The secret part of the page's address: 32 random bytes, hexadecimal.
#[derive(Debug, Clone)]
pub(super) struct Capability(SecretString);

impl Capability {
    /// A new one.
    pub(super) fn generate() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(SecretString::from(hex::encode(bytes)))
    }

    /// One that was kept; None for what none of ours looks like.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let whole = hex::decode(text).is_ok_and(|bytes| bytes.len() == 32);
        whole.then(|| Self(SecretString::from(text.to_owned())))
    }

    /// For the address, which only the operator may see.
    pub(super) fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// Digests are compared, so that the time it takes says nothing about the secret.
    fn is(&self, text: &str) -> bool {
        Sha256::digest(text.as_bytes()) == Sha256::digest(self.expose().as_bytes())
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Only reading is offered.
    #[error("only GET and HEAD are answered")]
    Method,
    /// The name that was asked for is not this host.
    #[error("this page is served under a loopback address only")]
    Host,
    /// Another site's page asked.
    #[error("requests of other sites are not answered")]
    Site,
    /// The address lacks the secret, or has another.
    #[error("`coordinator web` prints the page's address")]
    Capability,
}

impl Refusal {
    /// As HTTP says it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Host => StatusCode::MISDIRECTED_REQUEST,
            Refusal::Site => StatusCode::FORBIDDEN,
            Refusal::Capability => StatusCode::NOT_FOUND,
        }
    }
}

/// The path below the capability, or why the request is refused.
pub(super) fn admit<'a>(request: &'a Parts, capability: &Capability) -> Result<&'a str, Refusal> {
    if request.method != Method::GET && request.method != Method::HEAD {
        return Err(Refusal::Method);
    }
    if !is_this_host(&request.headers) {
        return Err(Refusal::Host);
    }
    if !is_own_site(&request.headers) {
        return Err(Refusal::Site);
    }
    let path = request.uri.path().strip_prefix('/').unwrap_or_default();
    match path.split_once('/') {
        Some((secret, rest)) if capability.is(secret) => Ok(rest),
        _ => Err(Refusal::Capability),
    }
}

/// One `Host`, and a name of loopback in it; the port is free, for tunnels have their own.
fn is_this_host(headers: &HeaderMap) -> bool {
    let mut all = headers.get_all(HOST).iter();
    let (Some(host), None) = (all.next().and_then(|host| host.to_str().ok()), all.next()) else {
        return false;
    };
    HOSTS.iter().any(|name| {
        let rest = host
            .get(..name.len())
            .filter(|head| head.eq_ignore_ascii_case(name))
            .and_then(|_| host.get(name.len()..));
        rest.is_some_and(|rest| {
            rest.is_empty()
                || rest
                    .strip_prefix(':')
                    .is_some_and(|port| port.parse::<u16>().is_ok())
        })
    })
}

/// Browsers say where a request comes from. Other sites may lead a person here by a link, and no more.
fn is_own_site(headers: &HeaderMap) -> bool {
    let word = |name: &'static str| {
        let value = headers.get(HeaderName::from_static(name));
        value.map(|value| value.to_str().unwrap_or("unreadable"))
    };
    match word("sec-fetch-site") {
        None | Some("same-origin" | "none") => true,
        Some(_) => word("sec-fetch-mode") == Some("navigate") && word("sec-fetch-dest") == Some("document"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(method: Method, path: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    fn secret() -> Capability {
        Capability::parse(&"ab".repeat(32)).expect("valid")
    }

    fn home(rest: &str) -> String {
        format!("/{}/{rest}", "ab".repeat(32))
    }

    #[test]
    fn hosts_are_loopback_under_any_port_and_nothing_else() {
        for host in ["127.0.0.1:7446", "localhost", "LOCALHOST:1", "[::1]:65535"] {
            let request = parts(Method::GET, &home("x"), &[("host", host)]);
            assert_eq!(admit(&request, &secret()), Ok("x"), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil:80",
            "127.0.0.1:",
            "127.0.0.1:99999",
            "0.0.0.0",
            "",
        ] {
            let request = parts(Method::GET, &home("x"), &[("host", host)]);
            assert_eq!(admit(&request, &secret()), Err(Refusal::Host), "{host}");
        }
        let twice = [("host", "localhost"), ("host", "localhost")];
        assert_eq!(
            admit(&parts(Method::GET, &home(""), &twice), &secret()),
            Err(Refusal::Host)
        );
        assert_eq!(
            admit(&parts(Method::GET, &home(""), &[]), &secret()),
            Err(Refusal::Host)
        );
    }

    #[test]
    fn only_reading_methods_are_admitted() {
        let host = [("host", "localhost")];
        for method in [Method::GET, Method::HEAD] {
            assert!(admit(&parts(method, &home(""), &host), &secret()).is_ok());
        }
        for method in [
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::PATCH,
            Method::TRACE,
        ] {
            let request = parts(method, &home(""), &host);
            assert_eq!(admit(&request, &secret()), Err(Refusal::Method));
        }
    }

    #[test]
    fn without_the_whole_secret_there_is_nothing() {
        for path in [
            "/".to_owned(),
            "/app.js".to_owned(),
            format!("/{}", "ab".repeat(32)),
            format!("/{}/", "ab".repeat(31)),
            format!("/{}/", "ac".repeat(32)),
        ] {
            let request = parts(Method::GET, &path, &[("host", "localhost")]);
            assert_eq!(admit(&request, &secret()), Err(Refusal::Capability), "{path}");
        }
        assert!(Capability::parse("short").is_none());
        assert_ne!(Capability::generate().expose(), Capability::generate().expose());
    }

    #[test]
    fn other_sites_may_lead_here_and_not_read() {
        let from = |site, mode, dest| {
            let headers = [
                ("host", "localhost"),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            admit(&parts(Method::GET, &home(""), &headers), &secret()).map(str::to_owned)
        };
        assert_eq!(from("same-origin", "cors", "empty"), Ok(String::new()));
        assert_eq!(from("none", "navigate", "document"), Ok(String::new()));
        assert_eq!(from("cross-site", "navigate", "document"), Ok(String::new()));
        for (site, mode, dest) in [
            ("cross-site", "no-cors", "script"),
            ("same-site", "cors", "empty"),
            ("cross-site", "navigate", "iframe"),
        ] {
            assert_eq!(from(site, mode, dest), Err(Refusal::Site), "{site} {mode} {dest}");
        }
    }
}
