//! Who may use the control API.
//!
//! Whoever sends the token may. Without it only programs on this machine may, and of those a
//! browser only for our own page: any page a person visits can make the browser call
//! `http://127.0.0.1:8000`, so calls that come from a foreign origin, or under a name that a foreign
//! page could have pointed at us, are refused.

use std::{
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, Uri, Version, header},
    middleware::Next,
    response::Response,
};

use super::{
    authority::Authority,
    connection::{Connection, is_loopback},
    problem::Problem,
};
use crate::config::ControlToken;

/// What a reverse proxy adds: its peer is who it speaks for, not this machine.
const FORWARDING: [&str; 6] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

/// The rules for the control API.
#[derive(Debug)]
pub struct Access {
    door: RwLock<Door>,
    host_names: Vec<String>,
}

#[derive(Debug)]
struct Door {
    token: Option<ControlToken>,
    loopback_needs_token: bool,
}

impl Access {
    /// `host_names` are names of this machine beside the one it has itself: callers without a token
    /// may use them.
    pub fn new(
        token: Option<ControlToken>,
        loopback_needs_token: bool,
        host_names: impl IntoIterator<Item = String>,
    ) -> Self {
        let host_names = host_names
            .into_iter()
            .chain(machine_names())
            .map(|name| name.to_ascii_lowercase())
            .collect();
        Self { door: RwLock::new(Door { token, loopback_needs_token }), host_names }
    }

    /// From the next request on, those who know this token are let in.
    pub fn admit(&self, token: Option<ControlToken>, loopback_needs_token: bool) {
        let door = Door { token, loopback_needs_token };
        *self.door.write().unwrap_or_else(PoisonError::into_inner) = door;
    }

    fn check(
        &self,
        peer: IpAddr,
        version: Version,
        uri: &Uri,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let door = self.door.read().unwrap_or_else(PoisonError::into_inner);
        if let (Some(token), Some(sent)) = (&door.token, headers.get(header::AUTHORIZATION)) {
            let sent = sent.to_str().ok().and_then(bearer);
            return match sent.is_some_and(|sent| token.matches(sent)) {
                true => Ok(()),
                false => Err(Refusal::WrongToken),
            };
        }
        let local = is_loopback(peer) && !is_forwarded(version, headers);
        match &door.token {
            Some(_) if !local || door.loopback_needs_token => return Err(Refusal::NoToken),
            None if !local || door.loopback_needs_token => return Err(Refusal::NotConfigured),
            _ => {}
        }
        self.check_browser(uri, headers)
    }

    /// The exempt caller may be a browser on this machine that a foreign page has set on us.
    fn check_browser(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let said = uri.authority().is_some() || headers.contains_key(header::HOST);
        let authority = Authority::of(uri, headers);
        if said && !authority.is_some_and(|authority| authority.is_ours(&self.host_names)) {
            return Err(Refusal::ForeignHost);
        }
        // For reading as well: an answer that the page cannot read may still have cost something, such as an
        // examination. Of a page whose address for us is no trustworthy one, as by the machine's name, browsers
        // say nothing when it reads.
        let same_origin = match headers.get(header::ORIGIN) {
            None => !headers
                .get("sec-fetch-site")
                .is_some_and(|site| site != "same-origin" && site != "none"),
            // The scheme is not compared: a proxy may have taken TLS off.
            Some(origin) => match (origin.to_str(), headers.get(header::HOST)) {
                (Ok(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, origin)| {
                    origin.as_bytes().eq_ignore_ascii_case(host.as_bytes())
                }),
                _ => false,
            },
        };
        same_origin.then_some(()).ok_or(Refusal::ForeignOrigin)
    }
}

fn bearer(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// What the machine calls itself, also as multicast DNS does.
fn machine_names() -> Vec<String> {
    let uname = rustix::system::uname();
    let name = uname.nodename().to_string_lossy().into_owned();
    let short = name.split('.').next().unwrap_or_default().to_owned();
    if short.is_empty() {
        return Vec::new();
    }
    let local = format!("{short}.local");
    vec![name, short, local]
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refusal {
    NoToken,
    WrongToken,
    NotConfigured,
    ForeignHost,
    ForeignOrigin,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoToken => Self::new(
                StatusCode::UNAUTHORIZED,
                "calls from other machines need the control token",
            )
            .hint("Send the header \"Authorization: Bearer <token>\".")
            .header("www-authenticate", "Bearer realm=\"dashboard-cast\""),
            Refusal::WrongToken => Self::new(
                StatusCode::UNAUTHORIZED,
                "the Authorization header does not hold the control token",
            )
            .hint("Send the header \"Authorization: Bearer <token>\".")
            .header(
                "www-authenticate",
                "Bearer realm=\"dashboard-cast\", error=\"invalid_token\"",
            ),
            Refusal::NotConfigured => Self::new(
                StatusCode::FORBIDDEN,
                "calls from other machines need a control token, and none is configured",
            )
            .hint("Configure a token, have the service reload its configuration and send it with each call; or call from the machine itself."),
            Refusal::ForeignHost => Self::new(
                StatusCode::FORBIDDEN,
                "the call came in under a name that this machine is not known by",
            )
            .hint("Use an IP address, localhost or the machine's own name; or send the token."),
            Refusal::ForeignOrigin => Self::new(
                StatusCode::FORBIDDEN,
                "the call came from another site's page",
            )
            .hint("Scripts on other sites' pages cannot control this service without its token."),
        }
    }
}

/// Whether a proxy asks for somebody else. One that adds nothing is known by its old HTTP, if at all, which
/// is what nginx speaks unless it is told otherwise.
fn is_forwarded(version: Version, headers: &HeaderMap) -> bool {
    version < Version::HTTP_11 || FORWARDING.iter().any(|name| headers.contains_key(*name))
}

/// Lets a request through to the control API, or not.
pub(super) async fn guard(
    State(access): State<Arc<Access>>,
    connection: Connection,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (peer, version) = (connection.peer.ip(), request.version());
    access.check(peer, version, request.uri(), request.headers())?;
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef-token";
    const LAN: &str = "192.168.1.20";

    fn access(token: Option<&str>, loopback_needs_token: bool) -> Access {
        let token = token.map(|token| ControlToken::new(token.to_owned()).unwrap());
        Access::new(token, loopback_needs_token, ["Dash.Example".to_owned()])
    }

    #[track_caller]
    fn check(access: &Access, peer: &str, headers: &[(&str, &str)]) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: axum::http::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        let uri = Uri::from_static("/start");
        access.check(peer.parse().unwrap(), Version::HTTP_11, &uri, &map)
    }

    #[test]
    fn the_token_opens_from_anywhere_under_any_name() {
        let access = access(Some(TOKEN), true);
        let bearer = format!("Bearer {TOKEN}");
        for peer in [LAN, "127.0.0.1", "fe80::1"] {
            let headers = [
                ("authorization", bearer.as_str()),
                ("host", "dashboard-cast.lan:8000"),
                ("origin", "http://homeassistant.lan:8123"),
                ("x-forwarded-for", "10.0.0.1"),
            ];
            assert_eq!(check(&access, peer, &headers), Ok(()));
        }
        let lower_case = format!("bearer  {TOKEN} ");
        let headers = [("authorization", lower_case.as_str())];
        assert_eq!(check(&access, LAN, &headers), Ok(()));
    }

    #[test]
    fn a_wrong_token_is_refused_even_where_none_is_needed() {
        let access = access(Some(TOKEN), false);
        for sent in [
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            "Basic abc",
            TOKEN,
            "Bearer 0123456789abcdef-tokem",
        ] {
            for peer in [LAN, "127.0.0.1"] {
                let refused = check(&access, peer, &[("authorization", sent)]);
                assert_eq!(refused, Err(Refusal::WrongToken), "{sent} from {peer}");
            }
        }
    }

    #[test]
    fn other_machines_need_a_token_and_this_one_only_if_told_so() {
        let host = [("host", "127.0.0.1:8000")];
        for (token, loopback_needs_token, peer, expected) in [
            (Some(TOKEN), false, LAN, Err(Refusal::NoToken)),
            (Some(TOKEN), false, "::ffff:192.168.1.20", Err(Refusal::NoToken)),
            (Some(TOKEN), false, "127.0.0.1", Ok(())),
            (Some(TOKEN), false, "::1", Ok(())),
            (Some(TOKEN), false, "::ffff:127.0.0.1", Ok(())),
            (Some(TOKEN), true, "127.0.0.1", Err(Refusal::NoToken)),
            (None, false, LAN, Err(Refusal::NotConfigured)),
            (None, false, "127.0.0.1", Ok(())),
            (None, true, "127.0.0.1", Err(Refusal::NotConfigured)),
        ] {
            let access = access(token, loopback_needs_token);
            assert_eq!(check(&access, peer, &host), expected, "{peer}");
        }
    }

    #[test]
    fn another_token_counts_at_once_and_the_old_one_no_more() {
        let door = access(Some(TOKEN), false);
        let by = |token: &str| {
            let bearer = format!("Bearer {token}");
            check(&door, LAN, &[("authorization", &bearer)])
        };
        const NEXT: &str = "fedcba9876543210-token";
        assert_eq!((by(TOKEN), by(NEXT)), (Ok(()), Err(Refusal::WrongToken)));
        door.admit(Some(ControlToken::new(NEXT.to_owned()).unwrap()), true);
        assert_eq!((by(TOKEN), by(NEXT)), (Err(Refusal::WrongToken), Ok(())));
        let local = check(&door, "127.0.0.1", &[]);
        assert_eq!(local, Err(Refusal::NoToken));
        door.admit(None, false);
        assert_eq!(by(NEXT), Err(Refusal::NotConfigured));
    }

    #[test]
    fn a_proxy_on_this_machine_is_not_this_machine() {
        for header in FORWARDING {
            let refused = check(
                &access(Some(TOKEN), false),
                "127.0.0.1",
                &[("host", "localhost"), (header, "192.168.1.20")],
            );
            assert_eq!(refused, Err(Refusal::NoToken), "{header}");
        }
        let (peer, uri) = (IpAddr::from([127, 0, 0, 1]), Uri::from_static("/status"));
        let refused =
            access(Some(TOKEN), false).check(peer, Version::HTTP_10, &uri, &HeaderMap::new());
        assert_eq!(refused, Err(Refusal::NoToken), "nginx");
    }

    #[test]
    fn a_rebound_name_is_refused_for_reading_too() {
        let access = access(Some(TOKEN), false);
        for (host, expected) in [
            ("evil.example:8000", Err(Refusal::ForeignHost)),
            ("evil.example:8000/x", Err(Refusal::ForeignHost)),
            ("localhost:8000", Ok(())),
            ("[::1]:8000", Ok(())),
            ("dash.example:8000", Ok(())),
        ] {
            assert_eq!(check(&access, "127.0.0.1", &[("host", host)]), expected, "{host}");
        }
        assert_eq!(check(&access, "127.0.0.1", &[]), Ok(()), "HTTP/1.0");
    }

    #[test]
    fn a_foreign_page_cannot_change_anything_nor_make_us_look_busily() {
        let access = access(Some(TOKEN), false);
        let host = ("host", "127.0.0.1:8000");
        for (header, expected) in [
            (("origin", "http://127.0.0.1:8000"), Ok(())),
            (("origin", "https://127.0.0.1:8000"), Ok(())),
            (("origin", "http://127.0.0.1:8001"), Err(Refusal::ForeignOrigin)),
            (("origin", "http://evil.example"), Err(Refusal::ForeignOrigin)),
            (("origin", "null"), Err(Refusal::ForeignOrigin)),
            (("sec-fetch-site", "cross-site"), Err(Refusal::ForeignOrigin)),
            (("sec-fetch-site", "same-site"), Err(Refusal::ForeignOrigin)),
            (("sec-fetch-site", "same-origin"), Ok(())),
            (("sec-fetch-site", "none"), Ok(())),
        ] {
            assert_eq!(check(&access, "127.0.0.1", &[host, header]), expected, "{header:?}");
        }
    }

    #[test]
    fn a_token_does_not_show_itself() {
        assert!(!format!("{:?}", access(Some(TOKEN), false)).contains(TOKEN));
    }

    #[test]
    fn the_machine_knows_its_own_name() {
        let names = machine_names();
        assert!(names.iter().any(|name| name.ends_with(".local")), "{names:?}");
    }
}
