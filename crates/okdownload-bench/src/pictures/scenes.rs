//! What is shown.

use std::time::Duration;

use super::stage::{Stage, is_prompt, url};
use crate::Result;

/// What is seen when somebody does something at a terminal.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// How wide the terminals are; one picture for each.
    pub(super) columns: &'static [u16],
    /// Whether all of it is shown, or only its last moment.
    pub(super) moves: bool,
    /// Bytes a second, of the connections in turn.
    pub(super) rates: &'static [u64],
    pub(super) play: fn(&mut Stage) -> Result<()>,
}

const MIB: u64 = 1 << 20;
const BOTH: &[u16] = &[80, 120];
const FEW: &[u64] = &[9 * MIB, 12 * MIB, 6 * MIB, 10 * MIB];
const MANY: &[u64] = &[MIB, 2 * MIB, 3 * MIB, MIB, 2 * MIB, 4 * MIB, 3 * MIB];

pub(super) const SCENES: [Scene; 6] = [
    Scene {
        name: "one",
        title: "okdl downloads a file over four connections",
        columns: BOTH,
        moves: false,
        rates: FEW,
        play: one,
    },
    Scene {
        name: "eight",
        title: "okdl downloads eight files at a time",
        columns: BOTH,
        moves: false,
        rates: MANY,
        play: eight,
    },
    Scene {
        name: "error",
        title: "okdl tells of a file that is not there, and of one with another digest",
        columns: BOTH,
        moves: false,
        rates: FEW,
        play: error,
    },
    Scene {
        name: "resume",
        title: "okdl resume goes on where okdl was stopped",
        columns: BOTH,
        moves: false,
        rates: FEW,
        play: resume,
    },
    Scene {
        name: "resumed",
        title: "what okdl resume says at the end",
        columns: BOTH,
        moves: false,
        rates: FEW,
        play: resumed,
    },
    Scene {
        name: "session",
        title: "okdl is stopped, says what is unfinished, and goes on",
        columns: &[80],
        moves: true,
        rates: FEW,
        play: resumed,
    },
];

fn one(stage: &mut Stage) -> Result<()> {
    let url = stage.serve("debian-13.iso", 400)?;
    stage.run(&format!("okdl -x 4 {url}"))?;
    stage.see(|rows| is_as_far_as(45, rows))
}

fn eight(stage: &mut Stage) -> Result<()> {
    let files = [
        ("debian-13-netinst.iso", 320),
        ("alpine-standard-3.22-x86_64.iso", 180),
        ("linux-6.17.tar.xz", 140),
        ("ubuntu-26.04-live-server-amd64.iso", 380),
        ("rust-1.91.0-x86_64-unknown-linux-gnu.tar.xz", 210),
        ("planet-baden-wuerttemberg.osm.pbf", 300),
        ("enwiki-abstract.xml.gz", 260),
        ("handbook.pdf", 160),
    ];
    let urls = files.iter().map(|(name, size)| stage.serve(name, *size)).collect::<Result<Vec<_>>>()?;
    stage.write("list.txt", &urls)?;
    stage.run("okdl -j 8 -i list.txt")?;
    stage.see(|rows| is_as_far_as(60, rows))
}

fn error(stage: &mut Stage) -> Result<()> {
    let (mut urls, mut sums) = (Vec::new(), Vec::new());
    for (name, size) in [("debian-13.iso", 80), ("debian-13-edu.iso", 64), ("debian-13-live.iso", 96)] {
        urls.push(stage.serve(name, size)?);
        sums.push(format!("{}  {name}", stage.digest(name)?));
    }
    // A digest of something else, and a file that nobody has.
    sums[1] = format!("{}  debian-13-edu.iso", &sums[0][..64]);
    urls.insert(1, url("debian-13-mac.iso"));
    sums.push(format!("{}  debian-13-mac.iso", &sums[0][..64]));
    stage.write("list.txt", &urls)?;
    stage.write("SHA256SUMS", &sums)?;
    stage.run("okdl -i list.txt --checksum-file SHA256SUMS")?;
    stage.see(|rows| is_prompt(rows) && rows.iter().any(|row| row.contains("files failed")))
}

fn resume(stage: &mut Stage) -> Result<()> {
    let url = stage.serve("debian-13.iso", 240)?;
    stage.run(&format!("okdl -x 4 {url}"))?;
    stage.see(|rows| is_as_far_as(40, rows))?;
    stage.press("\u{3}")?;
    stage.see(is_prompt)?;
    stage.pause(Duration::from_millis(1500))?;
    stage.run("okdl list")?;
    stage.see(is_prompt)?;
    stage.pause(Duration::from_millis(1500))?;
    stage.run("okdl resume")?;
    // The list tells of percents too.
    stage.see(|rows| rows.last().and_then(|row| percent(row)) >= Some(60))
}

fn resumed(stage: &mut Stage) -> Result<()> {
    resume(stage)?;
    stage.see(is_prompt)
}

/// How far a row says that something is.
fn percent(row: &str) -> Option<u64> {
    row.split_whitespace().find_map(|word| word.strip_suffix('%')?.parse().ok())
}

fn is_as_far_as(least: u64, rows: &[String]) -> bool {
    rows.iter().filter_map(|row| percent(row)).any(|percent| percent >= least)
}
