//! Pictures for the docs: `okdl` at work, and the comparison as a chart. Nothing in them is made up: a shell at an
//! emulated terminal runs the real program against the shaped server, and the chart is of the figures in the docs.

mod chart;
mod scenes;
mod stage;
mod svg;
mod terminal;

use std::path::Path;

use crate::args::PictureOptions;
use crate::{Result, programs, tell};
use scenes::{SCENES, Scene};

const CHART: &str = "chart";

/// What can be asked for.
pub(crate) fn names() -> Vec<&'static str> {
    SCENES.iter().map(|scene| scene.name).chain([CHART]).collect()
}

/// Makes what is asked for.
pub(crate) fn make(options: &PictureOptions) -> Result<()> {
    let is_wanted =
        |name: &str| options.names.is_empty() || options.names.iter().any(|wanted| wanted == name);
    let write = |name: &str, text: String| {
        let path = options.out.join(name);
        tell(&format!("{}: {} KiB", path.display(), text.len().div_ceil(1024)));
        std::fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    };
    if is_wanted(CHART) {
        let docs = std::fs::read_to_string(&options.figures)
            .map_err(|error| format!("cannot read {}: {error}", options.figures.display()))?;
        write("chart.svg", chart::chart(&docs)?)?;
    }
    for scene in SCENES.iter().filter(|scene| is_wanted(scene.name)) {
        let okdl = programs::okdl(options.okdl.as_deref())?;
        for columns in scene.columns {
            write(&file(scene, *columns), shot(scene, &okdl, *columns)?)?;
        }
    }
    Ok(())
}

fn file(scene: &Scene, columns: u16) -> String {
    format!("{}-{columns}.svg", scene.name)
}

fn shot(scene: &Scene, okdl: &Path, columns: u16) -> Result<String> {
    let cannot = |error| format!("{} at {columns} columns: {error}", scene.name);
    let mut stage = stage::Stage::new(okdl, columns, scene.rates).map_err(cannot)?;
    (scene.play)(&mut stage).map_err(cannot)?;
    let film = stage.end().map_err(cannot)?;
    svg::picture(scene.title, &film, scene.moves).map_err(cannot)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    const AGAIN: &str = "make it again as docs/pictures/README.md says";

    fn docs() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
    }

    fn read(name: &str) -> String {
        std::fs::read_to_string(docs().join(name)).unwrap_or_else(|error| panic!("{name}: {error}; {AGAIN}"))
    }

    /// The pictures of scenes, and what is seen in the last moment of each.
    fn scenes() -> Vec<(String, &'static str)> {
        let of = |scene: &Scene| {
            let seen = match scene.name {
                "one" | "eight" => "MiB/s",
                "error" => "files failed",
                "resume" => "okdl resume",
                _ => "were there",
            };
            scene.columns.iter().map(move |columns| (file(scene, *columns), seen)).collect::<Vec<_>>()
        };
        SCENES.iter().flat_map(of).collect()
    }

    #[test]
    fn what_is_shown_is_all_there_and_nothing_else() {
        let all = scenes().into_iter().map(|(name, _)| name).chain(["chart.svg".into(), "README.md".into()]);
        let there = std::fs::read_dir(docs().join("pictures")).unwrap();
        let there = there.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(there.collect::<BTreeSet<_>>(), all.collect(), "{AGAIN}");
    }

    #[test]
    fn pictures_are_sound_and_small_and_show_what_they_should() {
        for (name, seen) in scenes().into_iter().chain([("chart.svg".into(), "okdl (default: synced)")]) {
            let text = read(&format!("pictures/{name}"));
            assert!(text.len() < 150_000, "{name} has {} bytes", text.len());
            let tree = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            let said = |tag: &str| {
                let node = tree.root_element().children().find(|node| node.has_tag_name(tag));
                node.and_then(|node| node.text()).unwrap_or_default()
            };
            assert!(!said("title").is_empty() && said("desc").contains(seen), "{name}: {AGAIN}");
            let is_safe = |node: &roxmltree::Node<'_, '_>| {
                !node.has_tag_name("script")
                    && node.attributes().all(|attribute| !attribute.name().starts_with("on"))
            };
            assert!(tree.descendants().all(|node| is_safe(&node)), "{name}");
        }
    }

    #[test]
    fn the_chart_is_of_the_figures_in_the_docs() {
        let made = chart::chart(&read("performance.md")).unwrap();
        assert!(
            made == read("pictures/chart.svg"),
            "docs/performance.md has other figures than its chart; {AGAIN}"
        );
    }
}
