//! Who the server is, and redirects between https and http.

use okdownload::prelude::*;
use okdownload_testkit::server::Reply;

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [trust(), downgrades(), cuts()].into_iter().flatten().collect()
}

fn trust() -> Vec<Case> {
    let refused = || fails(ErrorKind::Tls, "the server's certificate is not trusted").requests(0);
    vec![
        case("a CA of one's own").tls(Tls::Trusted).then(whole(small()).requests(1)),
        case("a CA of one's own, over four connections").tls(Tls::Trusted).big(),
        case("a CA of one's own, by address")
            .tls(Tls::Trusted)
            .asks_for(|stage| format!("https://127.0.0.1:{}/a", stage.server.address().port()))
            .then(whole(small()).requests(1)),
        case("an unknown CA").tls(Tls::Untrusted).then(refused()),
        case("a certificate for another host").tls(Tls::Misnamed).then(refused()),
        case("https to a port without TLS")
            .asks_for(|stage| format!("https://127.0.0.1:{}/a", stage.server.address().port()))
            .then(fails(ErrorKind::Tls, "no secure connection could be made").requests(0)),
        case("http to a port with TLS")
            .tls(Tls::Trusted)
            .asks_for(|stage| format!("http://127.0.0.1:{}/a", stage.server.address().port()))
            .then(fails(ErrorKind::Protocol, "not valid HTTP").requests(0)),
    ]
}

fn downgrades() -> Vec<Case> {
    let down = |name: &str| {
        case(name).tls(Tls::Trusted).asks("/start").with(|stage| {
            stage.elsewhere.serve("/a", v1(small()));
            stage.server.script("/start", [Reply::redirect(302, stage.elsewhere.url("/a").to_string())]);
        })
    };
    vec![
        down("a redirect from https to http")
            .then(fails(ErrorKind::Redirect, "from https to http").requests(1)),
        down("a redirect from https to http, which is allowed")
            .options(|task| task.allow_insecure_redirects(true))
            .then(whole(small()).requests(2)),
        case("a redirect from http to https")
            .tls(Tls::Trusted)
            .asks_for(|stage| stage.elsewhere.url("/start").to_string())
            .with(|stage| {
                stage.elsewhere.script("/start", [Reply::redirect(302, stage.server.url("/a").to_string())]);
            })
            .then(whole(small()).requests(2)),
        case("a redirect from http to https that nobody can trust")
            .tls(Tls::Untrusted)
            .asks_for(|stage| stage.elsewhere.url("/start").to_string())
            .with(|stage| {
                stage.elsewhere.script("/start", [Reply::redirect(302, stage.server.url("/a").to_string())]);
            })
            .then(fails(ErrorKind::Tls, "not trusted").requests(1)),
        case("a redirect from https to http in the middle")
            .tls(Tls::Trusted)
            .big()
            .with(|stage| {
                stage.elsewhere.serve("/a", v1(big()));
                let away = stage.elsewhere.url("/a").to_string();
                stage.server.handle("/a", move |_, nth| {
                    if nth == 0 { Reply::resource() } else { Reply::redirect(307, &away) }
                });
            })
            .then(fails(ErrorKind::Redirect, "from https to http").leaves_part()),
    ]
}

/// Somebody on the way cuts the connection.
fn cuts() -> Vec<Case> {
    vec![
        case("a cut in the body")
            .tls(Tls::Trusted)
            .answers([Reply::resource().cut_after(HALF).without_close_notify()])
            .then(whole(small()).requests(2)),
        case("a cut in a body without a length")
            .tls(Tls::Trusted)
            .always(Reply::ok().body(small()).without_length().cut_after(HALF).without_close_notify())
            .then(fails(ErrorKind::Network, "").leaves_part()),
        case("a clean end of a body without a length")
            .tls(Tls::Trusted)
            .always(Reply::ok().body(small()).without_length())
            .then(whole(small()).requests(1)),
        case("a reset in the body over TLS")
            .tls(Tls::Trusted)
            .answers([Reply::resource().reset_after(HALF)])
            .then(whole(small()).requests(2)),
    ]
}
