//! What is made of the definition of the command line.
#![allow(clippy::unwrap_used, reason = "that is how a test fails")]

mod common;

use common::Place;

const COMMANDS: [&str; 6] = ["list", "resume", "forget", "probe", "completions", "man"];

#[tokio::test]
async fn every_shell_has_its_completions() {
    let place = Place::new().await;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = place.run(["completions", shell]).await;
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{shell}: {ended:?}");
        for word in COMMANDS.into_iter().chain(["checksum-file", "completed"]) {
            assert!(ended.out.contains(word), "{shell}: {word}");
        }
    }
    let ended = place.run(["completions", "cmd"]).await;
    assert!(ended.code == Some(2) && ended.line().contains("bash"), "{ended:?}");
}

#[tokio::test]
async fn the_manual_has_all_that_help_has() {
    let place = Place::new().await;
    let help = place.run(["--help-all"]).await;
    let page = place.run(["man"]).await;
    assert_eq!((help.code, page.code, page.err.as_str()), (Some(0), Some(0), ""));
    let plain = page.out.replace('\\', "");
    let options = help
        .out
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '-')
        .filter(|word| word.starts_with("--"));
    let options: std::collections::BTreeSet<_> = options.filter(|word| word.len() > 2).collect();
    assert!(options.len() > 35, "{options:?}");
    for option in options {
        assert!(plain.contains(option), "{option}");
    }
    for section in
        ["INPUT FILES", "CHECKSUM FILES", "EXIT STATUS", "CONFIGURATION FILE", "FILES", "ENVIRONMENT"]
    {
        assert!(
            plain.contains(&format!("\n.SH \"{section}\"")) || plain.contains(&format!("\n.SH {section}")),
            "{section}"
        );
    }
    for text in ["Longest time for each file", "Complete a file whatever the server says"] {
        assert!(plain.contains(text), "{text}");
    }
    for command in COMMANDS {
        let page = place.run(["man", command]).await;
        assert!(
            page.code == Some(0) && page.out.contains(&format!("okdl\\-{command}")),
            "{command}: {page:?}"
        );
        let help = place.run([command, "--help"]).await;
        assert!(help.code == Some(0) && help.out.contains(&format!("okdl {command}")), "{command}: {help:?}");
    }
    let ended = place.run(["man", "nothing"]).await;
    assert!(ended.code == Some(2) && ended.line().contains("no command nothing"), "{ended:?}");
}
