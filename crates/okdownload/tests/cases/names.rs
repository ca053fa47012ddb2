//! Names that servers make up, for a task that names only a directory.

use okdownload::prelude::*;
use okdownload_testkit::server::Reply;

use super::table::*;

pub(crate) fn rows() -> Vec<Case> {
    [dispositions(), hostile(), from_urls(), taken()].into_iter().flatten().collect()
}

/// A header like this gives the file that name.
fn disposition(value: &str, name: &str) -> Case {
    case(format!("Content-Disposition: {}", value.escape_debug()))
        .has(v1(small()).content_disposition(value))
        .into_directory()
        .then(whole(small()).named(name).requests(1))
}

/// A header with these bytes in it; `a`, the URL's own, is what is left if it names nothing.
fn bytes(value: &'static [u8], name: &str) -> Case {
    case(format!("Content-Disposition: {}", value.escape_ascii()))
        .always(Reply::resource().header("Content-Disposition", value))
        .into_directory()
        .then(whole(small()).named(name).requests(1))
}

fn dispositions() -> Vec<Case> {
    vec![
        disposition("attachment; filename=\"x.bin\"", "x.bin"),
        disposition("attachment; filename=x.bin", "x.bin"),
        disposition("inline; filename=x.bin", "x.bin"),
        disposition("whatever; filename=x.bin", "x.bin"),
        disposition("filename=x.bin", "x.bin"),
        disposition("attachment; FileName=\"x.bin\"", "x.bin"),
        disposition("attachment;filename=\"a \\\"b\\\" c.bin\"", "a _b_ c.bin"),
        disposition("attachment; filename=\"plain\"; filename*=UTF-8''%e2%82%ac%20rates", "\u{20ac} rates"),
        disposition("attachment; filename*=iso-8859-1'en'%A3%20rates", "\u{a3} rates"),
        disposition("attachment; filename*=UTF-8''bad-%ff; filename=plain", "plain"),
        disposition("attachment; filename*=koi8-r''%c1; filename=plain", "plain"),
        disposition("attachment; filename=x y z.bin", "x y z.bin"),
        disposition("attachment; filename=\"x.bin", "x.bin"),
        disposition("attachment; filename=\"x%20y.bin\"", "x%20y.bin"),
        disposition("attachment", "a"),
        disposition("attachment; filename=\"\"", "a"),
        disposition("attachment; filename=\"   \"", "a"),
        bytes(b"attachment; filename=\"caf\xc3\xa9.bin\"", "caf\u{e9}.bin"),
        bytes(b"attachment; filename=\"caf\xe9.bin\"", "caf\u{e9}.bin"),
        bytes(b"attachment; filename=\"a\tb.bin\"", "ab.bin"),
        bytes(b"attachment; filename=\"a\x7fb.bin\"", "")
            .then(fails(ErrorKind::Protocol, "not valid HTTP").requests(1)),
        case("two Content-Dispositions, and the first names nothing")
            .always(
                Reply::resource()
                    .header("Content-Disposition", "attachment")
                    .header("Content-Disposition", "inline; filename=x"),
            )
            .into_directory()
            .then(whole(small()).named("x")),
    ]
}

/// Names that would do harm.
fn hostile() -> Vec<Case> {
    let named = |value: &str, name: &str| disposition(&format!("attachment; filename=\"{value}\""), name);
    let long = "x".repeat(300);
    vec![
        named("../../etc/passwd", "passwd"),
        named("/etc/passwd", "passwd"),
        named("..\\\\..\\\\windows\\\\system.ini", "system.ini"),
        named("C:\\\\autoexec.bat", "autoexec.bat"),
        named("C:autoexec.bat", "C_autoexec.bat"),
        named("..", "a"),
        named(".", "a"),
        named("...", "a"),
        named("a/", "a"),
        named(".bashrc", "bashrc"),
        named(".okdownload", "okdownload"),
        named("-rf", "-rf"),
        named("CON", "_CON"),
        named("nul.txt", "_nul.txt"),
        named("COM1.tar.gz", "_COM1.tar.gz"),
        named("x.txt. . ", "x.txt"),
        named("a*b?c<d>e|f:g", "a_b_c_d_e_f_g"),
        disposition("attachment; filename*=UTF-8''..%2F..%2Fx", "x"),
        disposition("attachment; filename*=UTF-8''..%5C..%5Cx", "x"),
        disposition("attachment; filename*=UTF-8''a%00b%0d%0ac", "abc"),
        disposition("attachment; filename*=UTF-8''gpj.%E2%80%AEexe", "gpj.exe"),
        disposition("attachment; filename*=UTF-8''%EF%BB%BFx%C2%AD", "x"),
        disposition(&format!("attachment; filename={long}.tar.gz"), &format!("{}.tar.gz", "x".repeat(237))),
        disposition(
            &format!("attachment; filename*=UTF-8''{}.bin", "%E2%82%AC".repeat(100)),
            &format!("{}.bin", "\u{20ac}".repeat(80)),
        ),
    ]
}

fn from_urls() -> Vec<Case> {
    let row = |path: &'static str, name: &str| {
        case(format!("the path {path}"))
            .with(move |stage| stage.server.fallback(|_, _| Reply::ok().body(small())))
            .asks_for(move |stage| format!("http://{}{path}", stage.server.address()))
            .into_directory()
            .then(whole(small()).named(name).requests(1))
    };
    let redirected = |location: &'static str, name: &str| {
        case(format!("a redirect to {location}"))
            .with(move |stage| {
                stage.server.fallback(|_, _| Reply::ok().body(small()));
                stage.server.script("/user.bin", [Reply::redirect(302, location)]);
            })
            .asks("/user.bin")
            .into_directory()
            .then(whole(small()).named(name).requests(2))
    };
    vec![
        row("/x/y/file.bin", "file.bin"),
        row("/file.bin?name=other.bin", "file.bin"),
        row("/file.bin#part", "file.bin"),
        row("/%E4%BD%A0%20x.bin", "\u{4f60} x.bin"),
        row("/%FFx", "\u{fffd}x"),
        row("/..%2f..%2fetc%2fpasswd", "passwd"),
        row("/..%5c..%5cx.exe", "x.exe"),
        row("/x%00y", "xy"),
        row("/nul", "_nul"),
        row("/", "download"),
        row("/folder/", "download"),
        row("/%2e%2e%2f", "download"),
        row("/...", "download"),
        redirected("/last.bin", "last.bin"),
        redirected("/last.bin?x=/y.bin", "last.bin"),
        redirected("/folder/", "user.bin"),
    ]
}

/// Names that somebody has already.
fn taken() -> Vec<Case> {
    let there = |name: &str| {
        disposition("attachment; filename=x.bin", "x.bin")
            .renamed(name)
            .with(|stage| stage.put("x.bin", b"mine"))
    };
    let keeps = |stage: &super::stage::Stage| match std::fs::read(stage.path("x.bin")).unwrap() == b"mine" {
        true => Ok(()),
        false => Err("it is not what it was".to_owned()),
    };
    vec![
        there("a name that is taken")
            .then(fails(ErrorKind::AlreadyExists, "a file of that name is there").files(&["x.bin"]))
            .log(move |stage, _| keeps(stage)),
        there("a name that is taken, and another one will do")
            .options(|task| task.on_exists(OnExists::Rename))
            .then(whole(small()).named("x (1).bin").files(&["x (1).bin", "x.bin"]))
            .log(move |stage, _| keeps(stage)),
        there("a name that is taken, and may be overwritten")
            .options(|task| task.on_exists(OnExists::Overwrite))
            .then(whole(small()).named("x.bin")),
        there("a name that is taken, may be overwritten, and the server breaks off")
            .options(|task| task.on_exists(OnExists::Overwrite))
            .always(
                Reply::resource()
                    .header("Content-Disposition", "attachment; filename=x.bin")
                    .with_status(404),
            )
            .then(fails(ErrorKind::Status, "404").files(&["x.bin"]))
            .log(move |stage, _| keeps(stage)),
        disposition("attachment; filename=x", "x")
            .renamed("a name that a directory has")
            .with(|stage| std::fs::create_dir_all(stage.path("x")).unwrap())
            .then(fails(ErrorKind::AlreadyExists, "the target is a directory").files(&["x"])),
        disposition("attachment; filename=x", "x")
            .renamed("a part's name that leads out of the directory")
            .with(|stage| {
                std::fs::create_dir_all(stage.path("")).unwrap();
                std::fs::write(stage.directory.path().join("precious"), "mine").unwrap();
                std::os::unix::fs::symlink("../precious", stage.path("x.okdownload")).unwrap();
            })
            .then(fails(ErrorKind::AlreadyExists, "").files(&["x.okdownload"]))
            .log(|stage, _| {
                match std::fs::read(stage.directory.path().join("precious")).unwrap() == b"mine" {
                    true => Ok(()),
                    false => Err("what lies outside was written to".to_owned()),
                }
            }),
    ]
}
