//! The browser adapter against a real Chromium, real servers and a real display.

#![cfg(test)]

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use dashboard_cast::{
    media::{FrameClock, MediaTime, Screen},
    render::{
        browser::{BrowserOptions, run},
        compositor::Compositor,
    },
    session::{
        Auth, Basic,
        ports::{BrowserCommand, BrowserEvent, PageFailure, PageSpec},
    },
    units::{FrameRate, Size},
};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};

/// Two cores, two Chromiums starting: nothing here takes longer unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);
const SIZE: Size = Size::new(1280, 720);

/// The display that the encoder worker has, in this process. It ends when it is dropped.
fn display(listener: OwnedFd, size: Size) -> Compositor {
    let screen = Arc::new(Screen::new(size));
    let clock = FrameClock::new(MediaTime::now(), FrameRate::DEFAULT);
    let compositor = Compositor::start(screen, clock, |_| ()).expect("a compositor");
    compositor.listen(listener.into());
    compositor
}

struct Browser {
    to_browser: Option<mpsc::Sender<BrowserCommand>>,
    from_browser: mpsc::Receiver<BrowserEvent>,
    running: JoinHandle<bool>,
    directory: PathBuf,
    _parent: tempfile::TempDir,
    _display: Compositor,
}

fn spec(url: &str) -> PageSpec {
    PageSpec {
        url: url.parse().unwrap(),
        size: SIZE,
        scale: 1.0,
        zoom: 1.0,
        auth: Auth::default(),
        first: None,
        accept_certificates_of: Vec::new(),
    }
}

impl Browser {
    async fn open(spec: PageSpec) -> Self {
        Self::open_with(spec, SIZE, Duration::from_secs(30)).await
    }

    async fn open_with(spec: PageSpec, display_size: Size, load_timeout: Duration) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let directory = parent.path().join("b");
        let options = BrowserOptions { directory: directory.clone(), program: None, load_timeout };
        let (to_browser, commands) = mpsc::channel(4);
        let (events, mut from_browser) = mpsc::channel(16);
        let running = tokio::spawn(async { run(options, commands, events).await.is_ok() });
        let Some(BrowserEvent::Display(Some(listener))) = from_browser.recv().await else {
            panic!("the display does not come first");
        };
        let display = display(listener, display_size);
        let browser = Self {
            to_browser: Some(to_browser),
            from_browser,
            running,
            directory,
            _parent: parent,
            _display: display,
        };
        browser.command(BrowserCommand::Open(spec)).await;
        browser
    }

    async fn command(&self, command: BrowserCommand) {
        self.to_browser.as_ref().unwrap().send(command).await.unwrap();
    }

    async fn navigate(&self, url: &str) {
        self.command(BrowserCommand::Navigate(url.parse().unwrap())).await;
    }

    /// Waits for an event, passing over others, and returns what is made of it.
    #[track_caller]
    fn until<T>(&mut self, wanted: impl Fn(&BrowserEvent) -> Option<T>) -> impl Future<Output = T> {
        let place = std::panic::Location::caller();
        async move {
            let mut seen = Vec::new();
            let waiting = async {
                loop {
                    let event = self.from_browser.recv().await?;
                    let found = wanted(&event);
                    seen.push(event);
                    if found.is_some() {
                        return found;
                    }
                }
            };
            let found = timeout(PATIENCE, waiting).await;
            match found {
                Ok(Some(found)) => found,
                Ok(None) => panic!("{place}: the browser ended after {seen:#?}"),
                Err(_) => panic!("{place}: not within {PATIENCE:?}, only {seen:#?}"),
            }
        }
    }

    /// Waits for the page at `url` and returns its title and status.
    #[track_caller]
    fn loaded(&mut self, url: &str) -> impl Future<Output = (String, Option<u16>)> {
        let url = url.to_owned();
        self.until(move |event| match event {
            BrowserEvent::Loaded { url: loaded, title, http_status } if *loaded == url => {
                Some((title.clone(), *http_status))
            }
            _ => None,
        })
    }

    #[track_caller]
    fn failure(&mut self) -> impl Future<Output = PageFailure> {
        self.until(|event| match event {
            BrowserEvent::Failed(failure) => Some(failure.clone()),
            _ => None,
        })
    }

    /// Waits for a title, in whichever event it comes.
    #[track_caller]
    fn title(&mut self, wanted: impl Fn(&str) -> bool) -> impl Future<Output = String> {
        self.until(move |event| match event {
            BrowserEvent::Title(title) | BrowserEvent::Loaded { title, .. } if wanted(title) => {
                Some(title.clone())
            }
            _ => None,
        })
    }

    /// Ends the browser the orderly way and looks for what it left.
    async fn close(mut self) {
        let group = chromium(&self.directory).expect("a running chromium");
        drop(self.to_browser.take());
        let ended = timeout(PATIENCE, &mut self.running).await.expect("an end");
        assert!(ended.unwrap(), "ended with an error");
        assert_eq!(in_group(group), []);
        assert!(!self.directory.exists(), "the directory is still there");
    }
}

#[derive(Debug, PartialEq)]
struct Process {
    id: i32,
    group: i32,
    command: String,
}

/// Every process whose command and process group can be read.
fn all_processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let read = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // After the name, which may contain anything: state, parent, group.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ');
        let alive = fields.next()? != "Z";
        let command = fs::read_to_string(entry.path().join("cmdline")).ok()?;
        alive.then_some(Process {
            id,
            group: fields.nth(1)?.parse().ok()?,
            command: command.replace('\0', " "),
        })
    };
    entries.filter_map(read).collect()
}

/// The process group of the Chromium that has its profile inside `directory`.
fn chromium(directory: &Path) -> Option<i32> {
    let profile = format!("--user-data-dir={}", directory.to_str().unwrap());
    let mut all = all_processes().into_iter();
    all.find(|process| process.command.contains(&profile)).map(|process| process.group)
}

fn in_group(group: i32) -> Vec<Process> {
    all_processes().into_iter().filter(|process| process.group == group).collect()
}

fn kill(id: i32) {
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}

#[derive(Clone, Debug)]
struct Request {
    path: String,
    headers: BTreeMap<String, String>,
}

/// A server of a few pages that remembers what it was asked.
#[derive(Clone)]
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

/// Status, additional header lines, body.
type Answer = (u16, String, String);

impl Server {
    fn start(answer: impl Fn(&Request) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), requests: Arc::default() };
        let (requests, answer) = (server.requests.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (requests, answer) = (requests.clone(), answer.clone());
                std::thread::spawn(move || serve(&connection, &requests, &*answer));
            }
        });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn asked(&self, path: &str) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|request| request.path == path).cloned().collect()
    }
}

fn serve(
    mut connection: &TcpStream,
    requests: &Mutex<Vec<Request>>,
    answer: &dyn Fn(&Request) -> Option<Answer>,
) {
    let mut lines = BufReader::new(connection).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_lowercase(), value.to_owned()))
    });
    let request = Request {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        headers: headers.collect(),
    };
    requests.lock().unwrap().push(request.clone());
    let Some((status, headers, body)) = answer(&request) else {
        // Never answered: held until the other side gives up.
        connection.read_to_end(&mut Vec::new()).ok();
        return;
    };
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\
         Connection: close\r\n{headers}\r\n{body}"
    );
    connection.write_all(answer.as_bytes()).ok();
}

fn page(title: &str, script: &str) -> Option<Answer> {
    let body = format!("<!doctype html><title>{title}</title><p>{title}<script>{script}</script>");
    Some((200, String::new(), body))
}

/// The pages that the tests share.
fn pages() -> Server {
    Server::start(|request| match request.path.as_str() {
        "/" => page("home", ""),
        "/titles" => page("0", "setInterval(() => document.title = +document.title + 1, 1000)"),
        "/forward" => page("forward", "setTimeout(() => location = '/', 300)"),
        "/download" => {
            Some((200, "Content-Disposition: attachment; filename=a.zip\r\n".into(), "zip".into()))
        }
        "/downloads" => page("downloads", "setTimeout(() => location = '/download', 300)"),
        "/dialogs" => page("", "alert(1); document.title = `${confirm('?')} ${prompt('?')}`"),
        "/leave" => page("leave", "onbeforeunload = event => { event.preventDefault(); }"),
        "/windows" => page("", "document.title = `opened ${window.open('/')}`"),
        "/looked-at" => {
            page("", "document.title = [document.visibilityState, document.hasFocus()].join()")
        }
        "/permissions" => page(
            "",
            "Notification.requestPermission().then(asked => \
             navigator.geolocation.getCurrentPosition(() => {}, refused => \
             document.title = [Notification.permission, asked, refused.code].join()))",
        ),
        "/size" => page("", "document.title = [innerWidth, innerHeight, devicePixelRatio].join()"),
        "/webgl" => page(
            "",
            "document.title = `webgl ${!!document.createElement('canvas').getContext('webgl')}`",
        ),
        "/stuck" => page("stuck", "onload = () => setTimeout(() => { for (;;); }, 300)"),
        "/never" => None,
        _ => Some((404, String::new(), "nothing here".into())),
    })
}

#[tokio::test]
async fn pages_load_or_say_why_not() {
    let server = pages();
    let mut browser = Browser::open(spec(&server.url("/"))).await;
    let loaded = browser.loaded(&server.url("/")).await;
    assert_eq!(loaded, ("home".into(), Some(200)));

    browser.navigate(&server.url("/nothing")).await;
    assert_eq!(browser.failure().await, PageFailure::Http { status: 404 });

    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    browser.navigate(&format!("http://{free}/")).await;
    let error = "net::ERR_CONNECTION_REFUSED".to_owned();
    assert_eq!(browser.failure().await, PageFailure::Network { error });

    browser.navigate("http://name.invalid/").await;
    let error = "net::ERR_NAME_NOT_RESOLVED".to_owned();
    assert_eq!(browser.failure().await, PageFailure::Network { error });

    browser.navigate(&server.url("/download")).await;
    let error = "net::ERR_ABORTED".to_owned();
    assert_eq!(browser.failure().await, PageFailure::Network { error });

    browser.navigate(&server.url("/")).await;
    browser.loaded(&server.url("/")).await;
    browser.close().await;
}

#[tokio::test]
async fn what_the_page_does_by_itself_is_told() {
    let server = pages();
    let mut browser = Browser::open(spec(&server.url("/titles"))).await;
    browser.loaded(&server.url("/titles")).await;
    browser.until(|event| matches!(event, BrowserEvent::Title(_)).then_some(())).await;

    browser.navigate(&server.url("/forward")).await;
    browser.loaded(&server.url("/")).await;

    browser.navigate(&server.url("/downloads")).await;
    let download = server.url("/download");
    browser
        .until(|event| {
            matches!(event, BrowserEvent::Loading { url } if *url == download).then_some(())
        })
        .await;
    browser.loaded(&server.url("/downloads")).await;

    let asked = server.asked("/").len();
    let fragment = server.url("/#part");
    browser.navigate(&server.url("/")).await;
    browser.loaded(&server.url("/")).await;
    browser.navigate(&fragment).await;
    browser.loaded(&fragment).await;
    browser.command(BrowserCommand::Reload).await;
    browser.loaded(&fragment).await;
    assert_eq!(server.asked("/").len(), asked + 3);
    browser.close().await;
}

#[tokio::test]
async fn nothing_waits_for_a_person_and_the_page_believes_it_is_seen() {
    let server = pages();
    let mut browser = Browser::open(spec(&server.url("/looked-at"))).await;
    browser.title(|title| title == "visible,true").await;
    browser.navigate(&server.url("/dialogs")).await;
    browser.title(|title| title == "false null").await;
    browser.navigate(&server.url("/windows")).await;
    browser.title(|title| title == "opened null").await;
    browser.navigate(&server.url("/permissions")).await;
    browser.title(|title| title == "denied,denied,1").await;
    browser.navigate(&server.url("/webgl")).await;
    browser.title(|title| title == "webgl true").await;
    browser.navigate(&server.url("/leave")).await;
    browser.loaded(&server.url("/leave")).await;
    browser.navigate(&server.url("/")).await;
    browser.loaded(&server.url("/")).await;
    browser.close().await;
}

#[tokio::test]
async fn scale_and_zoom_fill_the_output() {
    let server = pages();
    let mut spec = spec(&server.url("/size"));
    (spec.scale, spec.zoom) = (2.0, 1.25);
    let mut browser = Browser::open(spec).await;
    browser.title(|title| title == "512,288,2.5").await;
    browser.close().await;
}

#[tokio::test]
async fn a_page_of_another_size_than_the_output_is_a_failure() {
    let server = pages();
    let smaller = Size::new(1024, 600);
    let spec = spec(&server.url("/"));
    let mut browser = Browser::open_with(spec, smaller, Duration::from_secs(30)).await;
    let (width, height) = (1024, 600);
    assert_eq!(browser.failure().await, PageFailure::Viewport { width, height });
    browser.close().await;
}

#[tokio::test]
async fn a_page_that_never_comes_fails_in_time() {
    let server = pages();
    let spec = spec(&server.url("/never"));
    let mut browser = Browser::open_with(spec, SIZE, Duration::from_secs(2)).await;
    assert_eq!(browser.failure().await, PageFailure::Timeout { seconds: 2 });
    browser.navigate(&server.url("/looked-at")).await;
    browser.title(|title| title == "visible,true").await;
    browser.close().await;
}

#[tokio::test]
async fn a_crashed_page_is_told_and_comes_back() {
    let server = pages();
    let mut browser = Browser::open(spec(&server.url("/looked-at"))).await;
    browser.title(|title| title == "visible,true").await;
    let group = chromium(&browser.directory).expect("a running chromium");
    let renderers = in_group(group);
    let renderers = renderers.iter().filter(|process| process.command.contains("--type=renderer"));
    let killed = renderers.map(|renderer| kill(renderer.id)).count();
    assert!(killed > 0, "no renderer");
    assert_eq!(browser.failure().await, PageFailure::Crashed);
    browser.command(BrowserCommand::Reload).await;
    browser.title(|title| title == "visible,true").await;
    browser.close().await;
}

#[tokio::test]
async fn a_stuck_page_is_told_and_does_not_take_the_next_one_along() {
    let server = pages();
    let mut browser = Browser::open(spec(&server.url("/stuck"))).await;
    assert_eq!(browser.failure().await, PageFailure::Unresponsive { seconds: 15 });
    browser.navigate(&server.url("/looked-at")).await;
    browser.title(|title| title == "visible,true").await;
    browser.close().await;
}

/// A web server whose certificate nobody signed.
struct Tls {
    process: Child,
    origin: String,
    _files: tempfile::TempDir,
}

impl Tls {
    fn start() -> Self {
        let files = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.args(arguments.split(' ')).current_dir(files.path()).stderr(Stdio::null());
            command
        };
        let made = openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 \
             -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1",
        )
        .status()
        .expect("apt install openssl");
        assert!(made.success());
        let mut process = openssl("s_server -accept 127.0.0.1:0 -cert cert.pem -key key.pem -www")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said =
            BufReader::new(process.stdout.as_mut().unwrap()).lines().map_while(Result::ok);
        let address = said.find_map(|line| line.strip_prefix("ACCEPT ").map(str::to_owned));
        Self { process, origin: format!("https://{}", address.unwrap()), _files: files }
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_refused_unless_its_origin_is_accepted() {
    let (trusted, other) = (Tls::start(), Tls::start());
    let error = "net::ERR_CERT_AUTHORITY_INVALID".to_owned();
    let refused = PageFailure::Certificate { error };

    let mut browser = Browser::open(spec(&trusted.origin)).await;
    assert_eq!(browser.failure().await, refused);
    browser.close().await;

    let mut spec = spec(&trusted.origin);
    spec.accept_certificates_of.push(trusted.origin.clone());
    let mut browser = Browser::open(spec).await;
    let (_, status) = browser.loaded(&format!("{}/", trusted.origin)).await;
    assert_eq!(status, Some(200));
    browser.navigate(&other.origin).await;
    assert_eq!(browser.failure().await, refused);
    browser.close().await;
}

#[tokio::test]
async fn secrets_reach_the_pages_origin_and_no_other() {
    let stranger = Server::start(|_| {
        let body = "<script>parent.postMessage(localStorage.length, '*')</script>".into();
        Some((200, "Access-Control-Allow-Origin: *\r\n".into(), body))
    });
    let script = format!(
        "onmessage = event => fetch('{api}', {{mode: 'no-cors'}}).then(() => fetch('/api'))\
         .then(() => document.title = [localStorage.token, event.data].join());\
         document.body.append(Object.assign(document.createElement('iframe'), {{src: '{frame}'}}))",
        api = stranger.url("/api"),
        frame = stranger.url("/frame"),
    );
    let server = Server::start(move |request| {
        // me:pass word
        let expected = "Basic bWU6cGFzcyB3b3Jk";
        match request.headers.get("authorization") {
            Some(given) if given == expected => page("", &script),
            _ => Some((401, "WWW-Authenticate: Basic realm=\"x\"\r\n".into(), "no".into())),
        }
    });
    let token = "\"</script>'${1}\\";
    let mut with_secrets = spec(&server.url("/"));
    with_secrets.auth = Auth {
        cookies: [("sid".into(), "c00kie".into())].into(),
        local_storage: [("token".into(), token.into())].into(),
        headers: [("X-Token".into(), "t0ken".into())].into(),
        basic: Some(Basic { username: "me".into(), password: "pass word".into() }),
    };
    let mut browser = Browser::open(with_secrets.clone()).await;
    let expected = format!("{token},0");
    browser.title(move |title| title == expected).await;
    browser.navigate(&stranger.url("/gone-to")).await;
    browser.loaded(&stranger.url("/gone-to")).await;
    browser.close().await;

    // A browser that is started while the session is elsewhere.
    let mut elsewhere = with_secrets.clone();
    elsewhere.first = Some(Box::new(elsewhere.url));
    elsewhere.url = stranger.url("/opened").parse().unwrap();
    let mut browser = Browser::open(elsewhere).await;
    browser.loaded(&stranger.url("/opened")).await;
    browser.navigate(&server.url("/back")).await;
    browser.loaded(&server.url("/back")).await;
    browser.close().await;

    for path in ["/", "/api", "/back"] {
        let last = server.asked(path).pop().expect("a request");
        assert_eq!(last.headers["cookie"], "sid=c00kie", "{path}");
        assert_eq!(last.headers["x-token"], "t0ken", "{path}");
    }
    for path in ["/frame", "/api", "/gone-to", "/opened"] {
        let asked = stranger.asked(path);
        assert!(!asked.is_empty(), "{path}");
        for request in asked {
            for secret in ["authorization", "x-token"] {
                assert!(!request.headers.contains_key(secret), "{request:?}");
            }
        }
    }

    with_secrets.auth.basic = Some(Basic { username: "me".into(), password: "wrong".into() });
    let mut browser = Browser::open(with_secrets).await;
    assert_eq!(browser.failure().await, PageFailure::Http { status: 401 });
    browser.close().await;

    let mut browser = Browser::open(spec(&server.url("/"))).await;
    assert_eq!(browser.failure().await, PageFailure::Http { status: 401 });
    browser.close().await;

    let url = server.url("/").replace("http://", "http://me:pass%20word@");
    let mut browser = Browser::open(spec(&url)).await;
    browser.loaded(&server.url("/")).await;
    browser.close().await;
}

#[tokio::test]
async fn a_killed_chromium_is_told_and_leaves_nothing() {
    let server = pages();
    let mut browser = Browser::open(spec(&server.url("/"))).await;
    browser.loaded(&server.url("/")).await;
    let group = chromium(&browser.directory).expect("a running chromium");
    kill(group);
    let why = browser
        .until(|event| match event {
            BrowserEvent::BrowserEnded(why) => Some(why.clone()),
            _ => None,
        })
        .await;
    assert!(why.contains("signal: 9"), "{why}");
    let ended = timeout(PATIENCE, &mut browser.running).await.expect("an end");
    assert!(!ended.unwrap(), "ended without an error");
    assert!(!browser.directory.exists());
    assert_eq!(in_group(group), []);
}
