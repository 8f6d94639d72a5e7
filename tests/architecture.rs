//! The promises of ARCHITECTURE.md that code can check: who imports whom, what the pure modules
//! leave out, that the code map names every file, and that links between documents lead somewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What a module may import of this crate. A module that is not named may import nothing.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("root", &["domain"]),
    ("lease", &["domain", "root"]),
    ("clock", &["domain"]),
    ("config", &["domain"]),
    ("metrics", &["domain"]),
    ("rates", &["config", "domain"]),
    ("telemetry", &["config"]),
    ("journal", &["config", "domain"]),
    ("engine", &["domain", "journal", "lease", "root"]),
    ("store", &["domain", "lease", "root"]),
    ("service", &["clock", "config", "domain", "engine", "journal", "metrics", "rates", "root", "store"]),
    ("tasks", &["clock", "domain", "engine", "journal", "lease", "metrics", "root", "service", "store"]),
    ("api", &["clock", "config", "domain", "engine", "metrics", "rates", "root", "service", "store"]),
    (
        "server",
        &[
            "api", "clock", "config", "domain", "engine", "journal", "lease", "metrics", "rates", "root", "service",
            "store", "tasks",
        ],
    ),
    ("cli", &["api", "clock", "config", "domain", "rates", "root", "server", "service", "telemetry"]),
];

/// Crates that the pure modules may use beside the standard library.
const PURE_CRATES: &[&str] =
    &["crate", "super", "self", "std", "foldhash", "jiff", "sha2", "smallvec", "thiserror", "proptest"];

/// Words of the standard library that mean a clock, a lock or IO.
const IMPURE: &[&str] =
    &["std::fs", "std::io", "std::net", "std::thread", "std::time", "std::process", "Mutex", "tokio"];

#[test]
fn modules_import_only_what_the_map_allows() {
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let module = top_module(&path);
        let Some(module) = module else { continue };
        let allowed = allowed.get(module.as_str()).unwrap_or_else(|| panic!("{module} is not in the map of imports"));
        for imported in imports(&text) {
            if imported != module && !allowed.contains(&imported.as_str()) {
                wrong.push(format!("{}: {module} imports {imported}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that run the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn domain_root_and_prices_know_no_clock_no_lock_no_io_no_serde() {
    // They know the texts that rate cards are read from.
    let readers = ["src/rates/read.rs", "src/rates/import.rs"].map(Path::new);
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let is_pure = matches!(top_module(&path).as_deref(), Some("domain" | "root" | "lease" | "rates"));
        if !is_pure || readers.contains(&path.as_path()) {
            continue;
        }
        for line in code_lines(&text) {
            let foreign = line.strip_prefix("use ").and_then(|rest| rest.split([':', ';', ' ']).next());
            let is_foreign = foreign.is_some_and(|name| !PURE_CRATES.contains(&name));
            if is_foreign && !line.contains("::prelude") || IMPURE.iter().any(|word| line.contains(word)) {
                wrong.push(format!("{}: {line}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "not pure:\n{}", wrong.join("\n"));
}

#[test]
fn the_code_map_names_every_file() {
    let map = fs::read_to_string("ARCHITECTURE.md").expect("ARCHITECTURE.md is there");
    let missing: Vec<String> = sources()
        .into_iter()
        .map(|(path, _)| path.strip_prefix("src").expect("sources are in src").display().to_string())
        .filter(|name| !map.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name {missing:?}");
}

#[test]
fn the_code_map_names_no_file_that_is_gone() {
    let map = fs::read_to_string("ARCHITECTURE.md").expect("ARCHITECTURE.md is there");
    let named =
        map.split('`').filter(|word| word.ends_with(".rs") && !word.contains(' ') && !word.starts_with("tests/"));
    let gone: BTreeSet<&str> = named.filter(|name| !Path::new("src").join(name).exists()).collect();
    let gone: Vec<&&str> = gone.iter().filter(|name| !Path::new(name).exists()).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names {gone:?}");
}

#[test]
fn the_tests_that_show_an_invariant_are_there() {
    let map = fs::read_to_string("ARCHITECTURE.md").expect("ARCHITECTURE.md is there");
    let named: BTreeSet<&str> = map.split('`').filter(|word| word.starts_with("tests/")).collect();
    assert!(named.len() > 5, "the invariants name their tests");
    let gone: Vec<&&str> = named.iter().filter(|name| !Path::new(name).exists()).collect();
    assert!(gone.is_empty(), "ARCHITECTURE.md names {gone:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<PathBuf> =
        sources().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "no `//!` at the top of {silent:?}");
}

#[test]
fn links_between_documents_lead_to_files() {
    let mut wrong = Vec::new();
    let read = |name: &str| (PathBuf::from(name), fs::read_to_string(name).expect("a document can be read"));
    let above = ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(read);
    for (path, text) in files("docs", "md").into_iter().chain(above) {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let target = path.parent().expect("a folder").join(link);
            if !link.starts_with("http") && !target.exists() {
                wrong.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{}", wrong.join("\n"));
}

fn sources() -> Vec<(PathBuf, String)> {
    let found = files("src", "rs");
    assert!(found.len() > 50, "the sources are found");
    found
}

/// All files of a folder that end so, with their texts.
fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![PathBuf::from(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be listed") {
            let path = entry.expect("the folder can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                let text = fs::read_to_string(&path).expect("a file can be read");
                found.push((path, text));
            }
        }
    }
    found.sort();
    found
}

fn top_module(path: &Path) -> Option<String> {
    let inside = path.strip_prefix("src").expect("sources are in src");
    let first = inside.components().next().expect("a file has a name").as_os_str().to_string_lossy().into_owned();
    let module = first.trim_end_matches(".rs").to_owned();
    (module != "lib" && module != "main").then_some(module)
}

/// The top-level modules that a file names by `crate::`.
fn imports(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in code_lines(text) {
        for (at, _) in line.match_indices("crate::") {
            let name = line[at + "crate::".len()..].split(|c: char| !c.is_alphanumeric() && c != '_').next();
            found.extend(name.filter(|name| !name.is_empty()).map(str::to_owned));
        }
    }
    found
}

/// Lines of code, without comments and before the file's own tests.
fn code_lines(text: &str) -> Vec<&str> {
    let code = text.split("#[cfg(test)]\nmod ").next().expect("a split has a first part");
    code.lines().map(str::trim).filter(|line| !line.starts_with("//")).collect()
}
