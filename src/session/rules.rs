//! What the configuration says to sessions.

use std::net::SocketAddr;

use super::{Defaults, SessionSpec, StartError, StartErrorKind, StartRequest, tv::TvChoice};
use crate::config::PagePolicy;

/// What the registry is told by the configuration.
#[derive(Debug)]
pub struct Rules {
    /// What holds where a request does not say.
    pub defaults: Defaults,
    /// Pages at a time.
    pub most: usize,
    /// Which pages may be opened.
    pub pages: PagePolicy,
    /// Origins whose broken TLS certificate is accepted.
    pub accept_certificates_of: Vec<String>,
    /// Where this machine's HTTP server listens.
    pub listen: SocketAddr,
}

impl Rules {
    /// What the request comes to, when it is one that may be.
    pub(super) fn spec(
        &self,
        request: StartRequest,
        tv: Option<TvChoice>,
    ) -> Result<SessionSpec, StartError> {
        let mut spec = request.into_spec(&self.defaults, tv)?;
        self.check_page(&spec)?;
        spec.page.accept_certificates_of.clone_from(&self.accept_certificates_of);
        Ok(spec)
    }

    pub(super) fn check_page(&self, spec: &SessionSpec) -> Result<(), StartError> {
        self.pages.check(&spec.page.url).map_err(|error| StartError {
            kind: StartErrorKind::Forbidden,
            message: error.to_string(),
            hint: None,
        })
    }
}
