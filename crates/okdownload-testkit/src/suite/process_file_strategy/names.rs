//! The names of parts, and other names for files whose name is taken.

use std::collections::BTreeSet;

use okdownload_strategy::ProcessFileStrategy;

use super::fresh;

/// The longest name that common file systems take, in bytes.
const NAME_MAX: usize = 255;

/// So many attempts are looked at.
const ATTEMPTS: u32 = 200;

/// Names that a file may have, up to the longest.
fn names() -> Vec<String> {
    let short = ["a", "a.bin", "a.tar.gz", ".profile", "a b", "a.", "\u{4f60}\u{597d}.txt", "a.okdownload"];
    let mut names: Vec<_> = short.map(str::to_owned).to_vec();
    for piece in ["x", "\u{e9}", "\u{1f600}"] {
        for length in [NAME_MAX - 20, NAME_MAX - 11, NAME_MAX - 10, NAME_MAX] {
            let stem = piece.repeat((length - 4) / piece.len());
            names.extend([format!("{stem}.txt"), format!("{stem}.bin"), format!("a.{stem}"), stem]);
        }
    }
    names
}

/// Partial data never has the final name.
pub async fn a_part_has_a_name_of_its_own(strategy: &dyn ProcessFileStrategy) {
    for name in names() {
        let part = fresh(strategy).part_name(&name);
        // There are file systems on which these are the same.
        assert_ne!(part.to_lowercase(), name.to_lowercase());
    }
}

/// A part is beside its file, and a renamed file where it was to be.
pub async fn names_stay_in_their_directory(strategy: &dyn ProcessFileStrategy) {
    for name in names() {
        let mut run = fresh(strategy);
        for other in [run.part_name(&name), run.numbered_name(&name, 1)] {
            let plain = !other.is_empty() && other != "." && other != "..";
            assert!(plain && !other.contains(['/', '\\', '\0']), "{other:?} for {name:?}");
        }
    }
}

/// However long the file's own name is.
pub async fn names_fit(strategy: &dyn ProcessFileStrategy) {
    for name in names() {
        let mut run = fresh(strategy);
        for other in [run.part_name(&name), run.numbered_name(&name, 1), run.numbered_name(&name, u32::MAX)] {
            assert!(other.len() <= NAME_MAX, "{} bytes: {other:?} for {name:?}", other.len());
        }
    }
}

/// The next run finds the part by the same name, and counts the same names.
pub async fn names_are_stable(strategy: &dyn ProcessFileStrategy) {
    let name_all = |run: &mut dyn ProcessFileStrategy| -> Vec<_> {
        names().iter().map(|name| (run.part_name(name), run.numbered_name(name, 1))).collect()
    };
    let mut run = fresh(strategy);
    let expected = name_all(&mut *run);
    assert_eq!(name_all(&mut *run), expected);
    assert_eq!(name_all(&mut *fresh(strategy)), expected);
}

/// Two downloads at a time in one directory must not write to one file.
pub async fn two_files_never_share_a_part(strategy: &dyn ProcessFileStrategy) {
    let names: BTreeSet<_> = names().into_iter().collect();
    let parts: BTreeSet<_> = names.iter().map(|name| fresh(strategy).part_name(name)).collect();
    assert_eq!(parts.len(), names.len());
}

/// If it always came to the same name, a taken one would be the end.
pub async fn every_attempt_has_another_name(strategy: &dyn ProcessFileStrategy) {
    for name in names() {
        let mut run = fresh(strategy);
        let others: BTreeSet<_> = (1..=ATTEMPTS).map(|attempt| run.numbered_name(&name, attempt)).collect();
        assert_eq!(others.len(), ATTEMPTS as usize, "for {name:?}");
        assert!(!others.contains(&name));
    }
}
