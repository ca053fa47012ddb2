//! Makes a state on the disk.

use std::fs::{DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;

use super::disk::Tree;
use super::recorder::{Ground, is_index};

/// Puts the directories into this state. The files are those that were recorded, with their inodes.
pub(crate) fn rebuild(ground: &Ground, tree: &Tree) {
    for root in &ground.roots {
        for entry in std::fs::read_dir(root).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }.unwrap();
        }
    }
    // A directory comes before what is in it.
    for (path, number) in &tree.names {
        if tree.directories.contains(number) {
            DirBuilder::new().mode(0o700).create(path).unwrap();
            continue;
        }
        let kept = ground.kept.join(number.to_string());
        let image = &tree.files[number];
        let mut file = File::create(&kept).unwrap();
        if is_index(path) {
            file.write_all(&[0xA5; 32 << 10]).unwrap();
        } else {
            file.write_all(&image.bytes).unwrap();
        }
        if let Some(modified) = image.modified {
            file.set_modified(modified).unwrap();
        }
        std::fs::hard_link(kept, path).unwrap();
    }
}
