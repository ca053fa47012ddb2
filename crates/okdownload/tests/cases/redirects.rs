//! Redirects: where they lead, where they must not, and what goes along.

use okdownload::prelude::*;
use okdownload_testkit::server::{LoggedRequest, Reply};

use super::stage::Stage;
use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [statuses(), targets(), refused(), many(), secrets(), expired(), in_the_middle()]
        .into_iter()
        .flatten()
        .collect()
}

/// A task for `/start`, which leads to this place.
fn to(name: impl Into<String>, location: &'static str) -> Case {
    from("/start", name, 302, location)
}

fn from(path: &'static str, name: impl Into<String>, status: u16, location: &'static str) -> Case {
    case(name)
        .asks(path)
        .with(move |stage| stage.server.handle(path, move |_, _| Reply::redirect(status, location)))
        .then(whole(small()).requests(2))
}

fn statuses() -> Vec<Case> {
    let follow = [301, 302, 303, 307, 308].map(|status| from("/start", status.to_string(), status, "/a"));
    let with_body = from("/start", "a redirect with a body", 302, "/a").with(|stage| {
        let reply = Reply::redirect(302, "/a").body(other());
        stage.server.handle("/start", move |_, _| reply.clone());
    });
    let endless = from("/start", "a redirect with an endless body", 302, "/a").with(|stage| {
        stage.server.handle("/start", |_, _| Reply::redirect(302, "/a").without_length().endless_body());
    });
    let not_followed = [300, 304, 305, 306].map(|status| {
        from("/start", format!("{status} with a Location"), status, "/a")
            .then(fails(ErrorKind::Status, "the server answered").requests(1))
    });
    let post = |status, method: &'static str| {
        from("/start", format!("{status} after POST"), status, "/a")
            .options(|task| task.method(http::Method::POST).body("question"))
            .has(v1(small()).allow_method(http::Method::POST))
            .log(move |_, log| {
                match log[1].method.as_str() == method && log[1].body.is_empty() == (method == "GET") {
                    true => Ok(()),
                    false => Err(format!("{} with {:?}", log[1].method, log[1].body)),
                }
            })
    };
    let posts = [post(301, "GET"), post(302, "GET"), post(303, "GET"), post(307, "POST"), post(308, "POST")];
    follow.into_iter().chain([with_body, endless]).chain(not_followed).chain(posts).collect()
}

fn targets() -> Vec<Case> {
    let elsewhere = |name: &str, make: fn(&Stage) -> String| {
        case(name).asks("/start").then(whole(small()).requests(2)).with(move |stage| {
            stage.elsewhere.serve("/a", v1(small()));
            stage.server.remove("/a");
            stage.server.script("/start", [Reply::redirect(302, make(stage))]);
        })
    };
    let in_folder = |name: &str, location: &'static str| from("/x/y/start", name, 302, location);
    vec![
        elsewhere("an absolute Location", |stage| stage.elsewhere.url("/a").to_string()),
        elsewhere("a Location with a host only", |stage| {
            format!("//127.0.0.1:{}/a", stage.elsewhere.address().port())
        }),
        elsewhere("a Location with userinfo", |stage| {
            format!("http://user:password@127.0.0.1:{}/a", stage.elsewhere.address().port())
        })
        .log(|stage, _| match stage.elsewhere.requests()[0].header("authorization") {
            None => Ok(()),
            Some(sent) => Err(format!("Authorization: {sent}")),
        }),
        elsewhere("a Location with the scheme in capitals", |stage| {
            format!("HTTP://127.0.0.1:{}/a", stage.elsewhere.address().port())
        }),
        in_folder("a Location relative to the folder", "../../a"),
        in_folder("a Location beyond the root", "../../../../a"),
        in_folder("a Location with dots in it", "/x/./../a"),
        to("a Location with a fragment", "/a#part-2"),
        to("a Location with blanks around it", "  /a  "),
        to("a Location with a query", "/a?b=c&d=%20").log(|_, log| match log[1].path.as_str() {
            "/a?b=c&d=%20" => Ok(()),
            other => Err(other.to_owned()),
        }),
        to("a Location with a backslash", "\\a"),
        to("a Location with a blank in it", "/a?b c"),
        case("a Location that is not ASCII").asks("/start").then(whole(small()).requests(2)).with(|stage| {
            stage.server.script("/start", [Reply::redirect(302, "/a?\u{e9}")]);
        }),
        from("/a?x=1", "a Location that is a query only", 302, "?y=2"),
        case("a Location that is given twice").asks("/start").then(whole(small()).requests(2)).with(
            |stage| {
                stage.server.script("/start", [Reply::redirect(302, "/a").header("Location", "/a")]);
            },
        ),
    ]
}

fn refused() -> Vec<Case> {
    let bad = |name: &str, location: &'static str| {
        to(name, location).then(fails(ErrorKind::Redirect, "").requests(1))
    };
    vec![
        case("a redirect without a Location")
            .always(Reply::status(302))
            .then(fails(ErrorKind::Redirect, "without a usable Location").requests(1)),
        case("a redirect without a Location on a resume")
            .half_of(v1(small()))
            .always(Reply::status(302))
            .then(fails(ErrorKind::Redirect, "without a usable Location").leaves_part().requests(1)),
        bad("ftp", "ftp://127.0.0.1/a"),
        bad("a file", "file:///etc/passwd"),
        bad("a data URL", "data:,abc"),
        bad("a script", "javascript:alert(1)"),
        to("a scheme that is none, so a path", "1http://h/a")
            .then(fails(ErrorKind::Status, "404").requests(2)),
        case("a Location that is cut").asks("/start").then(whole(small()).requests(3)).with(|stage| {
            stage.server.serve("/", v1(other()));
            stage.server.script(
                "/start",
                [Reply::raw("HTTP/1.1 302 Found\r\nLocation: /"), Reply::redirect(302, "/a")],
            );
        }),
        case("a Location that is neither ASCII nor UTF-8")
            .asks("/start")
            .with(|stage| stage.server.script("/start", [Reply::redirect(302, b"/a?\xe9")]))
            .then(fails(ErrorKind::Redirect, "without a usable Location").requests(1)),
        bad("no host", "http://"),
        bad("a port that is none", "http://127.0.0.1:99999/a"),
        bad("a host that is none", "http://[::1/a"),
        case("a place where nobody listens")
            .asks("/start")
            .with(|stage| stage.server.handle("/start", |_, _| Reply::redirect(302, "http://127.0.0.1:1/a")))
            .then(fails(ErrorKind::Connect, "cannot connect").requests(3)),
    ]
}

fn many() -> Vec<Case> {
    let chain = |name: &str, length: usize| {
        case(name).asks("/0").with(move |stage| {
            stage.server.fallback(move |request, _| {
                let number: usize = request.path.trim_start_matches('/').parse().unwrap_or(0);
                match number + 1 < length {
                    true => Reply::redirect(302, format!("/{}", number + 1)),
                    false => Reply::redirect(302, "/a"),
                }
            });
        })
    };
    vec![
        chain("ten in a row", 10).then(whole(small()).requests(11)),
        chain("eleven in a row", 11)
            .then(fails(ErrorKind::Redirect, "redirected too often (limit: 10").requests(11)),
        chain("three in a row, and two are allowed", 3)
            .options(|task| task.redirects(2))
            .then(fails(ErrorKind::Redirect, "redirected too often (limit: 2").requests(3)),
        to("one, and none is allowed", "/a")
            .options(|task| task.redirects(0))
            .then(fails(ErrorKind::Redirect, "redirected too often (limit: 0").requests(1)),
        chain("forty, and as many as one likes", 40)
            .options(|task| task.redirects(5000))
            .then(whole(small()).requests(41)),
        to("a circle of one", "/start").then(fails(ErrorKind::Redirect, "redirected too often").requests(11)),
        to("a circle of two", "/other")
            .with(|stage| stage.server.handle("/other", |_, _| Reply::redirect(302, "/start")))
            .then(fails(ErrorKind::Redirect, "redirected too often").requests(11)),
        to("a circle that a cookie would end", "/start")
            .with(|stage| {
                stage
                    .server
                    .handle("/start", |_, _| Reply::redirect(302, "/start").header("Set-Cookie", "seen=1"));
            })
            .then(fails(ErrorKind::Redirect, "redirected too often").requests(11)),
    ]
}

const SECRETS: [&str; 4] = ["authorization", "cookie", "x-key", "proxy-authorization"];

fn with_secrets(case: Case) -> Case {
    case.options(|task| {
        let mut key = http::HeaderValue::from_static("hidden");
        key.set_sensitive(true);
        let task = task.header("Authorization", "Bearer hidden").header("Cookie", "hidden");
        task.header("X-Key", key).header("X-Plain", "shown").header("Proxy-Authorization", "hidden")
    })
}

fn carries(request: &LoggedRequest, secrets: bool) -> Result<(), String> {
    let sent: Vec<_> = SECRETS.iter().filter(|name| request.header(name).is_some()).collect();
    let right = if secrets { sent.len() == SECRETS.len() } else { sent.is_empty() };
    match right && request.header("x-plain") == Some("shown") {
        true => Ok(()),
        false => Err(format!("{} carries {sent:?}", request.path)),
    }
}

/// What is secret goes to the task's own origin, and nowhere else.
fn secrets() -> Vec<Case> {
    let leave = |stage: &Stage| {
        stage.elsewhere.serve("/a", v1(small()));
        stage.server.handle("/start", {
            let url = stage.elsewhere.url("/a").to_string();
            move |_, _| Reply::redirect(302, &url)
        });
    };
    vec![
        with_secrets(to("secrets stay within their origin", "/a")).log(|_, log| carries(&log[1], true)),
        with_secrets(case("secrets do not go to another origin"))
            .asks("/start")
            .then(whole(small()).requests(2))
            .with(leave)
            .log(|stage, log| {
                carries(&log[0], true).and_then(|()| carries(&stage.elsewhere.requests()[0], false))
            }),
        with_secrets(case("secrets go home again on the way back"))
            .asks("/start")
            .then(whole(small()).requests(3))
            .with(leave)
            .with(|stage| {
                let back = stage.server.url("/a").to_string();
                stage.elsewhere.script("/a", [Reply::redirect(302, back)]);
            })
            .log(|_, log| carries(&log[1], true)),
        case("a password in the URL does not go to another origin")
            .asks_for(|stage| format!("http://u:p@127.0.0.1:{}/start", stage.server.address().port()))
            .then(whole(small()).requests(2))
            .with(leave)
            .log(|stage, log| {
                let elsewhere = stage.elsewhere.requests();
                match (log[0].header("authorization"), elsewhere[0].header("authorization")) {
                    (Some("Basic dTpw"), None) => Ok(()),
                    other => Err(format!("{other:?}")),
                }
            }),
        with_secrets(case("blocks that go to another origin have no secrets either"))
            .big()
            .asks("/start")
            .with(leave)
            .with(|stage| stage.elsewhere.serve("/a", v1(big())))
            .log(|stage, _| {
                stage.elsewhere.requests().iter().try_for_each(|request| carries(request, false))
            }),
    ]
}

/// Where a redirect led may expire; then its source is asked again.
fn expired() -> Vec<Case> {
    let signed = |name: String, status: u16| {
        let case = case(name).big().asks("/start").then(whole(big()).requests_within(8..=60));
        case.with(move |stage| {
            stage.server.handle("/start", |_, nth| Reply::redirect(302, format!("/a?signature={nth}")));
            // Each signature is good for one request.
            let used = std::sync::Mutex::new(std::collections::HashSet::new());
            stage.server.handle("/a", move |request, _| {
                if used.lock().unwrap().insert(request.path.clone()) {
                    Reply::resource()
                } else {
                    Reply::status(status)
                }
            });
        })
    };
    let rows = [401, 403, 404, 410].map(|status| signed(format!("a signed URL expires: {status}"), status));
    let resume =
        from("/start", "a redirect on a resume", 307, "/a").half_of(v1(small())).asks("/a").with(|stage| {
            stage.server.serve("/b", v1(small()));
            stage.server.handle("/a", |_, _| Reply::redirect(307, "/b"));
        });
    let gone = case("a signed URL expires, and its source is gone")
        .big()
        .asks("/start")
        .with(|stage| {
            stage.server.script("/start", [Reply::redirect(302, "/a")]);
            stage.server.handle("/a", |_, nth| if nth == 0 { Reply::resource() } else { Reply::status(403) });
        })
        .then(fails(ErrorKind::Status, "404").leaves_part());
    let changed = case("a signed URL expires, and its source leads to another version")
        .big()
        .asks("/start")
        .with(|stage| {
            stage.server.serve("/new", v2(super::table::other()));
            stage.server.script("/start", [Reply::redirect(302, "/a")]);
            stage.server.handle("/start", |_, _| Reply::redirect(302, "/new"));
            stage.server.handle("/a", |_, nth| if nth == 0 { Reply::resource() } else { Reply::status(410) });
        })
        .then(whole(super::table::other()).anew(okdownload::ResumeFailedCause::ContentLengthChanged));
    rows.into_iter().chain([resume.then(whole(small()).goes_on().requests(2)), gone, changed]).collect()
}

/// Redirects that only some requests get.
fn in_the_middle() -> Vec<Case> {
    let at_block = |name: &str, location: &'static str| {
        case(name)
            .at_blocks(1, Reply::redirect(307, location))
            .with(|stage| stage.server.serve("/b", v1(big())))
    };
    vec![
        at_block("a block is redirected", "/b"),
        at_block("a block is redirected to another version", "/c")
            .with(|stage| stage.server.serve("/c", v2(big())))
            .then(whole(big()).anew(okdownload::ResumeFailedCause::ResponseEtagChanged)),
        at_block("a block is redirected to nowhere", "/nowhere")
            .then(fails(ErrorKind::Status, "404").leaves_part()),
        case("all blocks are redirected in a circle")
            .at_blocks(1000, Reply::redirect(307, "/circle"))
            .with(|stage| stage.server.handle("/circle", |_, _| Reply::redirect(307, "/circle")))
            .then(fails(ErrorKind::Redirect, "redirected too often").leaves_part().requests_within(10..=80)),
    ]
}
