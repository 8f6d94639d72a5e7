//! What the pages in `docs/decisions` promise about themselves.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

fn project(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    fs::read_to_string(project(path)).expect(path)
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest: toml::Table = read("Cargo.toml").parse().expect("toml");
    let page = read("docs/decisions/0001-dependencies.md");
    let first_cells = page.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let explained: BTreeSet<&str> =
        first_cells.flat_map(|cell| cell.split(", ")).map(|name| name.split(' ').next().unwrap_or(name)).collect();
    for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
        for name in manifest.get(kind).and_then(|table| table.as_table()).into_iter().flat_map(|table| table.keys()) {
            assert!(explained.contains(name.as_str()), "{name} has no line in docs/decisions/0001-dependencies.md");
        }
    }
}

#[test]
fn every_page_is_in_the_index_and_has_a_number_of_its_own() {
    let index = read("docs/decisions/README.md");
    let mut numbers = BTreeSet::new();
    for page in fs::read_dir(project("docs/decisions")).expect("a folder") {
        let name = page.expect("an entry").file_name().into_string().expect("utf-8");
        if name == "README.md" {
            continue;
        }
        let (number, _) = name.split_once('-').expect("NNNN-title.md");
        assert!(index.contains(&format!("[{number}]({name})")), "{name} is not in the index");
        assert!(numbers.insert(number.to_owned()), "{number} is used twice");
    }
}
