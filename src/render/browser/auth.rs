//! The page's credentials, handed out to the page's own origin only.

use std::collections::VecDeque;

use serde_json::{Value, json};
use url::{Origin, Url};

use super::cdp::{Call, Event};
use crate::session::{Auth, ports::PageSpec};

/// Requests whose question for a password was answered; beyond it the oldest are forgotten, which
/// costs one more wrong answer to a request that is still asking.
const ANSWERED: usize = 256;

/// The page's [`Auth`] bound to the origin of the page that it was given for.
pub(super) struct Credentials {
    /// That page, which need not be the one to open.
    page: Url,
    origin: Origin,
    auth: Auth,
    answered: VecDeque<String>,
}

impl Credentials {
    pub(super) fn new(page: &PageSpec) -> Self {
        Self {
            page: page.entrance().clone(),
            origin: page.entrance().origin(),
            auth: page.auth.clone(),
            answered: VecDeque::new(),
        }
    }

    /// Whether Chromium may take part in HTTP authentication. Each question that it then asks is
    /// answered by [`Self::password`], or it would ask with a box over the page.
    pub(super) fn answers_http_auth(&self) -> bool {
        // A name in the address is given by Chromium itself.
        self.auth.basic.is_some() || !self.page.username().is_empty()
    }

    /// What is to be called before the page's first request.
    pub(super) fn setup(&self) -> Vec<Call> {
        let mut calls = Vec::new();
        if !self.auth.cookies.is_empty() {
            calls.push(Call::new("Network.setCookies", self.cookies()));
        }
        if !self.auth.local_storage.is_empty() {
            calls.push(Call::new(
                "Page.addScriptToEvaluateOnNewDocument",
                json!({ "source": self.local_storage_script() }),
            ));
        }
        if self.answers_http_auth() || !self.auth.headers.is_empty() {
            // What a service worker requests is not the page's request and would come without.
            calls.push(Call::new("Network.setBypassServiceWorker", json!({ "bypass": true })));
            calls.push(Call::new("Fetch.enable", self.interception()));
        }
        calls
    }

    fn cookies(&self) -> Value {
        let mut site = self.page.clone();
        // Only the host counts; a name and password in the address do not belong into the jar.
        site.set_path("/");
        site.set_query(None);
        site.set_fragment(None);
        let clean = site.set_username("").and_then(|()| site.set_password(None));
        if clean.is_err() {
            tracing::debug!("the page's address has no host that cookies could be set for");
        }
        let secure = site.scheme() == "https";
        let cookies = self.auth.cookies.iter().map(|(name, value)| {
            json!({
                "name": name, "value": value, "url": site.as_str(), "path": "/", "secure": secure,
            })
        });
        json!({ "cookies": cookies.collect::<Vec<_>>() })
    }

    /// Runs in every document before its own scripts. JSON is a subset of the language, so no name
    /// or value can end its string; pairs instead of an object, for which `__proto__` is a name.
    fn local_storage_script(&self) -> String {
        let origin = json!(self.origin.ascii_serialization());
        let items: Vec<_> = self.auth.local_storage.iter().collect();
        let items = json!(items);
        format!(
            "(() => {{ if (location.origin !== {origin}) return; \
             for (const [name, value] of {items}) {{ try {{ \
             if (localStorage.getItem(name) !== value) localStorage.setItem(name, value); \
             }} catch {{ return; }} }} }})()"
        )
    }

    fn interception(&self) -> Value {
        let pattern = if self.answers_http_auth() {
            // Wherever a password is asked for, somebody has to say no.
            "*".to_owned()
        } else {
            format!("{}/*", self.origin.ascii_serialization())
        };
        json!({
            "patterns": [{ "urlPattern": pattern, "requestStage": "Request" }],
            "handleAuthRequests": self.answers_http_auth(),
        })
    }

    /// Lets a held request go on, with the headers when it goes to the page's origin.
    pub(super) fn request(&self, paused: &Event) -> Call {
        let mut params = json!({ "requestId": paused.text("/requestId") });
        if !self.auth.headers.is_empty() && self.is_ours(paused.text("/request/url")) {
            let present = paused.params["request"]["headers"].as_object();
            let kept = present.into_iter().flatten().filter(|(name, _)| {
                !self.auth.headers.keys().any(|ours| ours.eq_ignore_ascii_case(name))
            });
            let kept = kept.map(|(name, value)| json!({ "name": name, "value": value }));
            let ours = self.auth.headers.iter();
            let ours = ours.map(|(name, value)| json!({ "name": name, "value": value }));
            params["headers"] = kept.chain(ours).collect();
        }
        Call::new("Fetch.continueRequest", params)
    }

    /// Answers a server's question for a password: once for each request, since asking again means
    /// that it was wrong.
    pub(super) fn password(&mut self, asked: &Event) -> Call {
        let request = asked.text("/requestId");
        let ours = asked.text("/authChallenge/source") != "Proxy"
            && self.is_ours(asked.text("/authChallenge/origin"))
            && !self.answered.iter().any(|answered| answered == request);
        let response = match &self.auth.basic {
            Some(basic) if ours => {
                if self.answered.len() == ANSWERED {
                    self.answered.pop_front();
                }
                self.answered.push_back(request.to_owned());
                json!({
                    "response": "ProvideCredentials",
                    "username": basic.username,
                    "password": basic.password,
                })
            }
            _ => json!({ "response": "CancelAuth" }),
        };
        Call::new(
            "Fetch.continueWithAuth",
            json!({ "requestId": request, "authChallengeResponse": response }),
        )
    }

    fn is_ours(&self, url: &str) -> bool {
        Url::parse(url).is_ok_and(|url| url.origin() == self.origin)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::page, *};
    use crate::session::Basic;

    fn credentials(url: &str, fill: impl FnOnce(&mut Auth)) -> Credentials {
        let mut page = page(url);
        fill(&mut page.auth);
        Credentials::new(&page)
    }

    fn event(method: &str, params: Value) -> Event {
        Event { method: method.into(), params }
    }

    fn methods(credentials: &Credentials) -> Vec<&'static str> {
        credentials.setup().iter().map(|call| call.method).collect()
    }

    #[test]
    fn a_page_without_secrets_is_not_intercepted() {
        assert!(methods(&credentials("http://host/", |_| {})).is_empty());
    }

    #[test]
    fn cookies_belong_to_the_pages_host_and_are_secure_with_https() {
        let credentials = credentials("https://me:pw@host:8443/a?b#c", |auth| {
            auth.cookies.insert("sid".into(), "1".into());
        });
        let cookie = &credentials.cookies()["cookies"][0];
        assert_eq!(cookie["url"], "https://host:8443/");
        assert_eq!(cookie["secure"], true);
        assert!(methods(&credentials).contains(&"Network.setCookies"));
    }

    #[test]
    fn local_storage_values_cannot_leave_their_string() {
        let value = "\"]]) alert(1) // </script> \u{2028} '`${x}` \\";
        let credentials = credentials("http://host:81/d", |auth| {
            auth.local_storage.insert("__proto__".into(), value.into());
        });
        let script = credentials.local_storage_script();
        assert!(script.contains(r#"location.origin !== "http://host:81""#));
        let items = script.split(" of ").nth(1).unwrap();
        let mut items = serde_json::Deserializer::from_str(items).into_iter::<Value>();
        assert_eq!(items.next().unwrap().unwrap(), json!([["__proto__", value]]));
    }

    #[test]
    fn headers_go_to_the_pages_origin_only() {
        let credentials = credentials("http://host:81/d", |auth| {
            auth.headers.insert("X-Token".into(), "t".into());
        });
        assert_eq!(credentials.interception()["patterns"][0]["urlPattern"], "http://host:81/*");
        let request = |url: &str| {
            let params = json!({"requestId": "r", "request": {"url": url,
                "headers": {"x-token": "page's own", "Accept": "*/*"}}});
            credentials.request(&event("Fetch.requestPaused", params)).params
        };
        assert_eq!(
            request("http://host:81/api")["headers"],
            json!([{"name": "Accept", "value": "*/*"}, {"name": "X-Token", "value": "t"}])
        );
        for other in [
            "http://host/",
            "https://host:81/",
            "http://host:81.evil.example/",
            "http://host:81@evil.example/",
            "nonsense",
        ] {
            assert_eq!(request(other), json!({"requestId": "r"}), "{other}");
        }
    }

    #[test]
    fn a_password_is_given_to_the_origin_once() {
        let mut credentials = credentials("http://host:81/", |auth| {
            auth.basic = Some(Basic { username: "me".into(), password: "pw".into() });
        });
        assert!(credentials.answers_http_auth());
        assert_eq!(credentials.interception()["handleAuthRequests"], true);
        let mut ask = |request: &str, origin: &str, source: &str| {
            let params = json!({"requestId": request,
                "authChallenge": {"source": source, "origin": origin, "scheme": "basic"}});
            let call = credentials.password(&event("Fetch.authRequired", params));
            call.params["authChallengeResponse"]["response"].as_str().unwrap().to_owned()
        };
        assert_eq!(ask("1", "http://host:81", "Server"), "ProvideCredentials");
        assert_eq!(ask("1", "http://host:81", "Server"), "CancelAuth");
        assert_eq!(ask("2", "http://host:82", "Server"), "CancelAuth");
        assert_eq!(ask("3", "http://host:81", "Proxy"), "CancelAuth");
        assert_eq!(ask("4", "http://host:81", "Server"), "ProvideCredentials");
    }

    #[test]
    fn a_page_elsewhere_gets_nothing_of_what_the_first_one_was_given() {
        let mut spec = page("https://elsewhere/");
        spec.first = Some(Box::new("http://host:81/d".parse().unwrap()));
        spec.auth.cookies.insert("sid".into(), "1".into());
        spec.auth.basic = Some(Basic { username: "me".into(), password: "pw".into() });
        let mut credentials = Credentials::new(&spec);
        assert_eq!(credentials.cookies()["cookies"][0]["url"], "http://host:81/");
        assert!(
            credentials.local_storage_script().contains(r#"location.origin !== "http://host:81""#)
        );
        for (origin, expected) in
            [("https://elsewhere", "CancelAuth"), ("http://host:81", "ProvideCredentials")]
        {
            let params = json!({"requestId": origin, "authChallenge": {"origin": origin}});
            let answer = credentials.password(&event("Fetch.authRequired", params));
            assert_eq!(answer.params["authChallengeResponse"]["response"], expected, "{origin}");
        }
    }

    #[test]
    fn without_a_password_of_ours_every_question_is_declined() {
        let mut credentials = credentials("http://me:pw@host/", |_| {});
        let params = json!({"requestId": "1", "authChallenge": {"origin": "http://host"}});
        let answer = credentials.password(&event("Fetch.authRequired", params));
        assert_eq!(answer.params["authChallengeResponse"]["response"], "CancelAuth");
    }
}
