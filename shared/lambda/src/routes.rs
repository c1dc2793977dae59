//! A function's routes, and what docs/openapi.json says of them, from one table.

#[doc(hidden)]
pub mod parts {
    pub use axum::Router;
    pub use axum::routing::MethodRouter;
    pub use pastey::paste;
    pub use utoipa::Path;
    pub use utoipa::openapi::OpenApi;
    pub use utoipa_axum::router::OpenApiRouter;
    pub use utoipa_axum::{PathItemExt, routes};
}

/// Makes two functions of a table of handlers that have `#[utoipa::path]`: `served`, the routes that a
/// function starts with, and `document`, what they say of themselves. Handlers of one path stand together;
/// a handler is named by itself or in its module.
///
/// To say it takes many times as long as to serve it, so nothing that starts a function does: it was three
/// quarters of what `api` did before its first request.
///
/// ```
/// # use axum::extract::Path;
/// #[utoipa::path(get, path = "/v1/orders/{id}", responses((status = 200)))]
/// async fn read(Path(id): Path<String>) -> String {
///     id
/// }
///
/// #[utoipa::path(delete, path = "/v1/orders/{id}", responses((status = 204)))]
/// async fn remove(Path(_id): Path<String>) {}
///
/// counterfoil_lambda::routes! { ():
///     read, remove;
/// }
///
/// assert!(served().has_routes());
/// assert!(document().paths.paths["/v1/orders/{id}"].delete.is_some());
/// ```
#[macro_export]
macro_rules! routes {
    ($state:ty: $($($($part:ident)::+),+;)+) => {
        fn served() -> $crate::routes::parts::Router<$state> {
            use $crate::routes::parts::{MethodRouter, Path, PathItemExt as _, Router};
            let mut router = Router::new();
            $(
                let [path, ..] = [$(<$crate::said_of!($($part)::+) as Path>::path()),+];
                let mut methods = MethodRouter::new();
                $(
                    for method in <$crate::said_of!($($part)::+) as Path>::methods() {
                        methods = methods.on(method.to_method_filter(), $($part)::+);
                    }
                )+
                router = router.route(&path, methods);
            )+
            router
        }

        /// What the routes say of themselves, before all functions are put together (`tests/document`).
        pub fn document() -> $crate::routes::parts::OpenApi {
            use $crate::routes::parts::{OpenApiRouter, routes};
            let router: OpenApiRouter<$state> = OpenApiRouter::default();
            router$(.routes(routes!($($($part)::+),+)))+.split_for_parts().1
        }
    };
}

/// What `#[utoipa::path]` makes beside a handler.
#[doc(hidden)]
#[macro_export]
macro_rules! said_of {
    ($module:ident::$handler:ident) => {
        $crate::routes::parts::paste!($module::[<__path_ $handler>])
    };
    ($handler:ident) => {
        $crate::routes::parts::paste!([<__path_ $handler>])
    };
}
