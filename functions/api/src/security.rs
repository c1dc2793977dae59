//! Where to report a weakness (RFC 9116). Anybody may read it.

use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};

/// The committed file; `tests/house` knows when it ends.
const TEXT: &str = include_str!("../../../docs/security.txt");

/// Read where to report a weakness
///
/// `security.txt` as RFC 9116 has it.
#[utoipa::path(
    get, path = "/.well-known/security.txt", operation_id = "readSecurityContact", tag = "security",
    security(()),
    responses((status = OK, description = "The file", body = String, content_type = "text/plain; charset=utf-8")),
)]
pub(crate) async fn contact() -> Response {
    let mut response = TEXT.into_response();
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_committed_file_is_answered_as_plain_text() {
        let response = contact().await;
        assert_eq!(
            response.headers()[CONTENT_TYPE],
            "text/plain; charset=utf-8"
        );
        let body = axum::body::to_bytes(response.into_body(), usize::MAX)
            .await
            .unwrap();
        assert_eq!(body, TEXT.as_bytes());
        assert!(TEXT.contains("\nContact: ") && TEXT.contains("\nExpires: "));
    }
}
