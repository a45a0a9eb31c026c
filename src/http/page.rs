//! The web page: static files within the binary. They hold nothing secret and are open to all; what
//! they show comes from the control API.

use axum::{
    http::{HeaderName, header},
    response::IntoResponse,
};

/// Only our own files, no inline script, no frame around us.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' blob:; media-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// One embedded file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asset {
    pub(super) path: &'static str,
    content_type: &'static str,
    text: &'static str,
}

pub(super) const ASSETS: [Asset; 12] = [
    Asset {
        path: "/",
        content_type: "text/html; charset=utf-8",
        text: include_str!("page/index.html"),
    },
    Asset {
        path: "/page/style.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("page/style.css"),
    },
    Asset {
        path: "/page/session.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("page/session.css"),
    },
    Asset {
        path: "/page/api.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("page/api.js"),
    },
    Asset {
        path: "/page/session.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("page/session.js"),
    },
    Asset {
        path: "/page/doctor.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("page/doctor.css"),
    },
    Asset {
        path: "/page/doctor.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("page/doctor.js"),
    },
    Asset {
        path: "/page/page.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("page/page.js"),
    },
    Asset {
        path: "/sample",
        content_type: "text/html; charset=utf-8",
        text: include_str!("page/sample.html"),
    },
    Asset {
        path: "/page/sample.css",
        content_type: "text/css; charset=utf-8",
        text: include_str!("page/sample.css"),
    },
    Asset {
        path: "/page/sample.js",
        content_type: "text/javascript; charset=utf-8",
        text: include_str!("page/sample.js"),
    },
    Asset {
        path: "/page/icon.svg",
        content_type: "image/svg+xml",
        text: include_str!("page/icon.svg"),
    },
];

impl IntoResponse for Asset {
    fn into_response(self) -> axum::response::Response {
        let headers: [(HeaderName, &str); 4] = [
            (header::CONTENT_TYPE, self.content_type),
            (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
            // An upgrade brings other files under the same names.
            (header::CACHE_CONTROL, "no-cache"),
            (header::X_FRAME_OPTIONS, "DENY"),
        ];
        (headers, self.text).into_response()
    }
}
