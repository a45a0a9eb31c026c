//! Whether the pages of the configuration come.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use hyper::{Request, Response, body::Incoming, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    pin, select,
    time::timeout,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use url::{Host, Url};

use super::super::told::Page;
use crate::{
    cast::google::tls_with_any_certificate,
    config::{Cast, Config, PagePolicy},
    error::sentence,
    session::redact,
};

/// For the page, with all that it leads to.
const ANSWER: Duration = Duration::from_secs(5);
const MOST_REDIRECTS: usize = 3;
/// Casts beyond it are not asked for.
const MOST_PAGES: usize = 64;

/// Asks for the page of each cast, as a browser would that knows no secrets. Any certificate will do.
/// What the configuration does not let in is left out.
pub async fn pages(config: &Config) -> Vec<Page> {
    let policy = &PagePolicy::from(&config.pages);
    let casts = config.casts.iter().filter(|(_, cast)| policy.check(&cast.url).is_ok());
    join_all(casts.take(MOST_PAGES).map(|(name, cast)| page(policy, name, cast))).await
}

async fn page(policy: &PagePolicy, name: &str, cast: &Cast) -> Page {
    let fetched = match timeout(ANSWER, follow(policy, &cast.url)).await {
        Ok(fetched) => fetched,
        Err(_) => Err(format!("no answer in {} s", ANSWER.as_secs())),
    };
    Page {
        cast: name.to_owned(),
        url: redact(&cast.url),
        fetched,
        authenticated: cast.auth_file.is_some(),
    }
}

/// The status at the end, and the address there if it is another one.
async fn follow(policy: &PagePolicy, first: &Url) -> Result<(u16, Option<String>), String> {
    let mut url = first.clone();
    let mut redirects = 0;
    loop {
        let answer = get(&url).await?;
        let status = answer.status().as_u16();
        let place = answer.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
        let next = place.and_then(|place| url.join(place).ok());
        match next.filter(|_| (300..400).contains(&status) && redirects < MOST_REDIRECTS) {
            None => return Ok((status, (redirects > 0).then(|| redact(&url)))),
            Some(next) => {
                policy.check(&next).map_err(|error| format!("it leads elsewhere: {error}"))?;
                url = next;
                redirects += 1;
            }
        }
    }
}

/// The head of the answer; whatever follows is not read.
async fn get(url: &Url) -> Result<Response<Incoming>, String> {
    let (Some(host), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Err("the address names no host".to_owned());
    };
    let socket = match host {
        Host::Domain(name) => TcpStream::connect((name, port)).await,
        Host::Ipv4(address) => TcpStream::connect((address, port)).await,
        Host::Ipv6(address) => TcpStream::connect((address, port)).await,
    };
    let socket = socket.map_err(|error| format!("connecting to {host}:{port}: {error}"))?;
    if url.scheme() != "https" {
        return ask(socket, url).await;
    }
    let server = match host {
        Host::Domain(name) => {
            ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?
        }
        Host::Ipv4(address) => ServerName::from(std::net::IpAddr::from(address)),
        Host::Ipv6(address) => ServerName::from(std::net::IpAddr::from(address)),
    };
    let settings = tls_with_any_certificate().map_err(|error| sentence(&error))?;
    let secured = TlsConnector::from(Arc::new(settings)).connect(server, socket).await;
    ask(secured.map_err(|error| format!("TLS with {host}:{port}: {error}"))?, url).await
}

async fn ask<S>(socket: S, url: &Url) -> Result<Response<Incoming>, String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = match url.port() {
        Some(port) => format!("{}:{port}", url.host_str().unwrap_or_default()),
        None => url.host_str().unwrap_or_default().to_owned(),
    };
    let request = Request::get(target)
        .header(header::HOST, host)
        .header(header::USER_AGENT, "Mozilla/5.0 (X11; Linux x86_64) dashboard-cast doctor")
        .header(header::ACCEPT, "text/html,*/*")
        .body(String::new())
        .map_err(|error| error.to_string())?;
    let said = |error: hyper::Error| sentence(&error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(socket)).await.map_err(said)?;
    let answer = sender.send_request(request);
    pin!(answer, connection);
    select! {
        answer = &mut answer => answer.map_err(said),
        ended = &mut connection => {
            ended.map_err(said)?;
            answer.await.map_err(said)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers each request by its path, and tells where it is.
    async fn server() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let place = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut request = vec![0; 4096];
                let length = socket.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                assert!(!request.to_lowercase().contains("authorization"), "{request}");
                let to = |place: &str| format!("302 Found\r\nLocation: {place}");
                let head = match request.split_whitespace().nth(1).unwrap() {
                    "/d" => "200 OK".to_owned(),
                    "/door?token=secret" => to("/login?next=secret"),
                    "/login?next=secret" => "200 OK".to_owned(),
                    "/round" => to("/round"),
                    "/cloud" => to("http://169.254.169.254/"),
                    "/mute?key=secret" => std::future::pending().await,
                    _ => "404 Not Found".to_owned(),
                };
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        place
    }

    #[tokio::test]
    async fn pages_are_followed_to_their_end_and_no_further() {
        let place = server().await;
        let policy = PagePolicy::default();
        let ask = async |path: &str| {
            follow(&policy, &Url::parse(&format!("{place}{path}")).unwrap()).await
        };
        assert_eq!(ask("/d").await, Ok((200, None)));
        assert_eq!(ask("/door?token=secret").await, Ok((200, Some(format!("{place}/login?next")))));
        assert_eq!(ask("/none").await, Ok((404, None)));
        assert_eq!(ask("/round").await, Ok((302, Some(format!("{place}/round")))));
        assert!(ask("/cloud").await.unwrap_err().contains("link-local"));
        let closed = follow(&policy, &Url::parse("http://127.0.0.1:1/").unwrap()).await;
        assert!(closed.unwrap_err().contains("refused"));
        let not_tls = Url::parse(&place.replace("http:", "https:")).unwrap();
        assert!(follow(&policy, &not_tls).await.unwrap_err().starts_with("TLS with"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_nothing_is_given_up() {
        let url = format!("{}/mute?key=secret", server().await);
        let text = format!("[casts.hall]\nurl = \"{url}\"\nauth-file = \"/x\"\n");
        let fragment = crate::config::Fragment { path: "f".into(), text };
        let config = Config::load(&[fragment]).unwrap().config;
        let pages = pages(&config).await;
        assert_eq!(pages[0].fetched, Err("no answer in 5 s".to_owned()));
        assert!(pages[0].authenticated && !pages[0].url.contains("secret"), "{pages:?}");
    }
}
