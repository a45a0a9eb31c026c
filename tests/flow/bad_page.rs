//! Pages that cannot be shown, and pages that do what a dashboard should not. What must not happen is
//! always the same: a stream that stands still, a picture that lies, a session that needs help.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    pages::{COLOUR, Pages, Reply, plain},
    stage::{PATIENCE, Session, Stage, turn},
    support::wait::wait_for,
};

/// The page is back without any call.
#[track_caller]
fn check_recovered(session: &Session<'_>) {
    session.wait_live();
    assert_eq!(session.picture().stain(COLOUR), None);
    assert_eq!(session.view()["page"]["problem"], Value::Null);
    session.check_running();
}

#[test]
fn a_server_that_fails_gives_a_slate_until_it_does_not() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put("board", Reply::Page(500, plain("")));
    let stage = Stage::set("");
    let session = stage.open(&pages.url("board"));
    session.wait_problem("HTTP status 500");
    session.check_running();
    let health = stage.get("health").json();
    assert_eq!(health["status"], "degraded");
    assert!(health["problems"][0].as_str().unwrap().contains("500"), "{health}");

    pages.put("board", Reply::Page(404, plain("")));
    session.wait_problem("HTTP status 404");
    pages.put_page("board", plain(""));
    check_recovered(&session);
    assert!(session.view()["page"]["reloads"].as_u64().unwrap() >= 2);
    assert_eq!(stage.get("health").json()["status"], "healthy");
}

#[test]
fn a_login_is_not_shown_and_the_page_is_when_it_lets_in() {
    let _turn = turn();
    let pages = Pages::serve();
    // As Home Assistant has it: what it is made of is not in the document itself.
    let form = "const form = document.body.appendChild(document.createElement('login-form'));
         form.attachShadow({mode: 'open'}).innerHTML = '<input type=password>';";
    pages.put_page("login", plain(form));
    pages.put_page("board", plain("location.href = 'login?next=board'"));
    let stage = Stage::set("");
    let session = stage.open(&pages.url("board"));
    session.wait_problem("leads to a login");
    session.check_running();
    pages.put_page("board", plain(""));
    check_recovered(&session);
    // Who asks for a login gets it.
    let wanted = stage.open(&pages.url("login"));
    wanted.wait_live();
}

#[test]
fn a_server_that_is_not_there_gives_a_slate_until_it_is() {
    let _turn = turn();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let stage = Stage::set("");
    let session = stage.open(&format!("http://127.0.0.1:{port}/board"));
    session.wait_problem("nothing listens");
    session.check_running();
    let pages = Pages::serve_on(port);
    pages.put_page("board", plain(""));
    check_recovered(&session);
}

#[test]
fn a_page_that_never_answers_or_cannot_be_reached_gives_a_slate_with_the_reason() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put("board", Reply::Silence);
    let secure = SelfSigned::serve();
    let stage = Stage::set("[pages]\ntimeout = \"3 s\"\n");

    let session = stage.open("http://dashboard.invalid/");
    session.wait_problem("not known to DNS");
    session.check_running();

    let session = stage.open(&secure.url());
    session.wait_problem("certificate is not trusted");
    session.check_running();

    let session = stage.open(&pages.url("board"));
    session.wait_problem("did not load within 3 s");
    session.check_running();
    pages.put_page("board", plain(""));
    check_recovered(&session);
}

#[test]
fn a_page_that_wants_attention_gets_none() {
    let _turn = turn();
    let pages = Pages::serve();
    // Everything at once and again and again; the dialogs alone would stop the page for ever. It
    // leaves for another page in the end, against its own wish.
    pages.put_page(
        "board",
        plain(
            "addEventListener('beforeunload', event => event.preventDefault());
             let rounds = 0;
             const nag = () => {
                 alert('look at me');
                 confirm('really?');
                 prompt('your name?');
                 window.open('/other');
                 window.open('/other', '_blank', 'popup,width=300,height=200');
                 Notification.requestPermission();
                 navigator.geolocation.getCurrentPosition(() => {}, () => {});
                 window.print();
                 const link = document.createElement('a');
                 link.href = 'report';
                 document.body.append(link);
                 link.click();
                 link.remove();
                 if (++rounds == 5) location = 'done';
             };
             setInterval(nag, 400);",
        ),
    );
    pages.put_page("other", "<body style='background:red'>Look here instead");
    pages.put("report", Reply::Download("a,b\n1,2\n".to_owned()));
    pages.put_page("done", plain("document.title = 'Over'"));
    let stage = Stage::set("");
    let session = stage.open(&pages.url("board"));
    session.wait_live();
    let mut looks = 0;
    wait_for("page that the first one leads to", PATIENCE, || {
        // Between two pages there may be a slate, but never a box on the page.
        let picture = session.picture();
        assert!(
            picture.is_slate() || picture.stain(COLOUR).is_none(),
            "{:?}",
            picture.stain(COLOUR)
        );
        looks += 1;
        (session.view()["page"]["title"] == "Over").then_some(())
    });
    assert!(looks > 3, "{looks} looks at the page are too few");
    check_recovered(&session);
    let downloaded: Vec<_> = crate::stage::files(&stage.runtime())
        .into_iter()
        .filter(|path| path.contains("report"))
        .collect();
    assert_eq!(downloaded, [""; 0]);
}

#[test]
fn a_page_that_moves_and_resizes_itself_still_fills_the_picture() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page(
        "board",
        plain(
            "document.body.style.height = '5000px';
             let step = 0;
             setInterval(() => {
                 step += 1;
                 resizeTo(300 + step, 200); resizeBy(-5, -5);
                 moveTo(40, step); scrollTo(0, 37 * step);
                 document.body.style.zoom = 1 + step % 3;
                 document.documentElement.requestFullscreen().catch(() => {});
                 document.title = 'Step ' + step;
             }, 100);",
        ),
    );
    let stage = Stage::set("");
    let session = stage.open(&pages.url("board"));
    session.wait_live();
    // Titles are looked at every few seconds: when a second one is there, much has been tried.
    let first = session.view()["page"]["title"].clone();
    wait_for("another step", PATIENCE, || {
        let picture = session.picture();
        // The scrollbar belongs to a page that is longer than the screen.
        let right = (0..picture.height).map(|y| picture.pixel(picture.width - 30, y));
        assert!(right.into_iter().all(|pixel| pixel == COLOUR));
        for x in 0..picture.width - 30 {
            assert_eq!(picture.pixel(x, 0), COLOUR, "at the top, {x}");
            assert_eq!(picture.pixel(x, picture.height - 1), COLOUR, "at the bottom, {x}");
        }
        (session.view()["page"]["title"] != first).then_some(())
    });
    assert_eq!(session.state(), "live");
    session.check_running();
}

#[test]
fn a_page_that_crashes_comes_back_by_itself() {
    let _turn = turn();
    let pages = Pages::serve();
    pages.put_page("board", plain(""));
    let stage = Stage::set("");
    let session = stage.open(&pages.url("board"));
    session.wait_live();
    // Which of the renderers is the page's does not show; a spare one is not missed.
    for process in stage.family() {
        if process.command.contains("--type=renderer") {
            process.kill();
        }
    }
    session.wait_problem("the page crashed");
    session.check_running();
    check_recovered(&session);
    assert_eq!(session.view()["page"]["reloads"], 1);
    assert_eq!(session.view()["video"]["discontinuities"], 0);
}

#[test]
fn a_page_of_50_mb_neither_stops_the_stream_nor_the_service() {
    let _turn = turn();
    let pages = Pages::serve();
    let row = "<div><b>row</b><i>of</i><u>many</u></div>";
    pages.put_page("board", format!("{}{}", plain(""), row.repeat(50_000_000 / row.len())));
    pages.put_page("next", plain(""));
    let stage = Stage::set("");
    let session = stage.open(&pages.url("board"));
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until && session.state() != "live" {
        session.check_running();
    }
    session.check_running();
    let next = stage.open(&pages.url("next"));
    check_recovered(&next);
    wait_for("end of the large page", PATIENCE, || (session.get().status == 404).then_some(()));
    stage.stop();
    stage.check_bare();
}

/// An HTTPS server whose certificate nobody has signed.
struct SelfSigned {
    server: Child,
    address: String,
    /// Kept open, or the server's next word would be its last.
    _words: BufReader<ChildStdout>,
    _directory: TempDir,
}

impl SelfSigned {
    #[track_caller]
    fn serve() -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.args(arguments.split(' ')).current_dir(directory.path()).stderr(Stdio::null());
            command
        };
        let made = openssl(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=localhost -keyout key.pem -out certificate.pem",
        )
        .stdout(Stdio::null())
        .status()
        .expect("running openssl: apt install openssl");
        assert!(made.success(), "openssl made no certificate");
        let mut server =
            openssl("s_server -accept 127.0.0.1:0 -www -key key.pem -cert certificate.pem")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .spawn()
                .expect("running openssl");
        let mut words = BufReader::new(server.stdout.take().expect("openssl's output"));
        let address = words
            .by_ref()
            .lines()
            .find_map(|line| Some(line.ok()?.strip_prefix("ACCEPT ")?.to_owned()))
            .expect("an address from openssl");
        Self { server, address, _words: words, _directory: directory }
    }

    fn url(&self) -> String {
        format!("https://{}/", self.address)
    }
}

impl Drop for SelfSigned {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}
