//! The page's own files, compiled in.

use super::answer::{Body, NOTHING, PAGE, whole};
use http::header::HeaderValue;
use http::{Response, StatusCode};

/// Path below the capability, type, content.
const FILES: [(&str, &str, &str); 9] = [
    ("", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("style.css", CSS, include_str!("page/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("app.js", JS, include_str!("page/app.js")),
    ("model.js", JS, include_str!("page/model.js")),
    ("dom.js", JS, include_str!("page/dom.js")),
    ("lab.js", JS, include_str!("page/lab.js")),
    ("timeline.js", JS, include_str!("page/timeline.js")),
    ("events.js", JS, include_str!("page/events.js")),
];

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// The file at `path`.
pub(super) fn find(path: &str) -> Option<Response<Body>> {
    let (name, kind, content) = FILES.iter().find(|(name, ..)| *name == path)?;
    let policy = if name.is_empty() { PAGE } else { NOTHING };
    let content = bytes::Bytes::from_static(content.as_bytes());
    Some(whole(
        StatusCode::OK,
        kind,
        HeaderValue::from_static(policy),
        content,
    ))
}

#[cfg(test)]
mod tests {
    use super::FILES;

    /// What the policy would refuse must not be there in the first place.
    #[test]
    fn no_file_has_inline_code_or_another_origin() {
        for (name, _, content) in FILES {
            for bad in [
                "http://",
                "https://",
                "//cdn",
                " onclick",
                " onload",
                " style=",
                "<script>",
                "<style",
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "@import",
            ] {
                // The namespace of SVG is a name and is never fetched.
                let content = content.replace("http://www.w3.org/2000/svg", "");
                assert!(!content.contains(bad), "{name} has {bad}");
            }
        }
    }
}
