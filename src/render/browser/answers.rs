//! What has to be answered at once, so that nothing ever waits for somebody in front of the TV.

use serde_json::json;
use url::Url;

use super::{
    auth::Credentials,
    cdp::{Call, Event},
};

/// Answers Chromium's questions.
pub(super) struct Answers {
    target: String,
    credentials: Credentials,
    accept_certificates_of: Vec<Url>,
}

impl Answers {
    pub(super) fn new(
        target: String,
        credentials: Credentials,
        accept_certificates_of: &[String],
    ) -> Self {
        let origins = accept_certificates_of.iter();
        Self {
            target,
            credentials,
            accept_certificates_of: origins.filter_map(|origin| Url::parse(origin).ok()).collect(),
        }
    }

    /// Whether any certificate error is ours to decide; otherwise Chromium refuses them all itself.
    pub(super) fn decides_certificates(&self) -> bool {
        !self.accept_certificates_of.is_empty()
    }

    /// Returns whether a broken certificate of `url`'s server is accepted.
    pub(super) fn accepts_certificate_of(&self, url: &str) -> bool {
        let Ok(url) = Url::parse(url) else {
            return false;
        };
        // wss:// is the same server's same certificate.
        matches!(url.scheme(), "https" | "wss")
            && self.accept_certificates_of.iter().any(|accepted| {
                accepted.scheme() == "https"
                    && accepted.host() == url.host()
                    && accepted.port_or_known_default() == url.port_or_known_default()
            })
    }

    pub(super) fn to(&mut self, event: &Event) -> Option<Call> {
        Some(match event.method.as_str() {
            "Page.javascriptDialogOpening" => Call::new(
                "Page.handleJavaScriptDialog",
                // Only leaving is agreed to: we asked for it, or the page did.
                json!({ "accept": event.text("/type") == "beforeunload" }),
            ),
            "Target.targetCreated"
                if event.text("/targetInfo/type") == "page"
                    && event.text("/targetInfo/targetId") != self.target =>
            {
                let other = event.text("/targetInfo/targetId");
                Call::new("Target.closeTarget", json!({ "targetId": other }))
            }
            "Security.certificateError" => {
                let accept = self.accepts_certificate_of(event.text("/requestURL"));
                let action = if accept { "continue" } else { "cancel" };
                Call::new(
                    "Security.handleCertificateError",
                    json!({ "eventId": event.params["eventId"], "action": action }),
                )
            }
            "Fetch.requestPaused" => self.credentials.request(event),
            "Fetch.authRequired" => self.credentials.password(event),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::tests::page, *};

    fn answers(accepted: &[&str]) -> Answers {
        let accepted: Vec<String> = accepted.iter().map(|&origin| origin.into()).collect();
        Answers::new("ours".into(), Credentials::new(&page("http://host/")), &accepted)
    }

    fn answer(answers: &mut Answers, method: &str, params: Value) -> Option<Call> {
        let method = method.to_owned();
        answers.to(&Event { method, params })
    }

    #[test]
    fn dialogs_are_dismissed_and_leaving_is_agreed_to() {
        for (kind, accept) in
            [("alert", false), ("confirm", false), ("prompt", false), ("beforeunload", true)]
        {
            let call =
                answer(&mut answers(&[]), "Page.javascriptDialogOpening", json!({ "type": kind }));
            assert_eq!(call.unwrap().params["accept"], accept, "{kind}");
        }
    }

    #[test]
    fn windows_the_page_opens_are_closed_and_its_own_is_not() {
        let mut answers = answers(&[]);
        let mut created = |id: &str, kind: &str| {
            let info = json!({ "targetInfo": { "targetId": id, "type": kind } });
            answer(&mut answers, "Target.targetCreated", info)
        };
        assert_eq!(
            created("other", "page"),
            Some(Call::new("Target.closeTarget", json!({ "targetId": "other" })))
        );
        assert_eq!(created("ours", "page"), None);
        assert_eq!(created("worker", "service_worker"), None);
    }

    #[test]
    fn certificates_are_accepted_by_origin() {
        let answers = answers(&["https://nas:8443", "https://plain", "http://nas:99"]);
        for (url, accepted) in [
            ("https://nas:8443/a?b", true),
            ("wss://nas:8443/socket", true),
            ("https://plain:443/", true),
            ("https://nas/", false),
            ("https://other:8443/", false),
            ("https://nas:99/", false),
            ("http://nas:8443/", false),
            ("", false),
        ] {
            assert_eq!(answers.accepts_certificate_of(url), accepted, "{url}");
        }
    }
}
