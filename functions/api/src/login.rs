//! Where people sign in: the one route that anybody may read, because a client must know it before
//! it has a credential. Nothing in it is secret.

use axum::Json;
use axum::extract::State;
use counterfoil_lambda::Problem;
use counterfoil_lambda::oidc::SignInPlace;

use crate::api::Api;

/// Read where people sign in
///
/// The issuer, the client and the scope; a 404 where a deployment accepts only keys.
#[utoipa::path(
    get, path = "/v1/login", operation_id = "readLogin", tag = "login",
    security(()),
    responses((status = OK, description = "Where people sign in", body = SignInPlace)),
)]
pub(crate) async fn place(State(api): State<Api>) -> Result<Json<SignInPlace>, Problem> {
    api.sign_in.map(Json).ok_or_else(Problem::not_found)
}
