//! What `purser rates` promises to whoever writes a rate card.

use std::path::{Path, PathBuf};
use std::process::Command;

use purser::domain::Model;
use purser::rates::{Decimal, Unpriced, Usage};

fn rates(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_purser"));
    let output = command.arg("rates").args(args).env_clear().current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("utf-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(line: &str) -> serde_json::Value {
    serde_json::from_str(line).expect("one object a line")
}

#[test]
fn check_prints_the_version_and_what_each_model_costs() {
    let (code, stdout, stderr) = rates(&["check"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let lines: Vec<_> = stdout.lines().map(json).collect();
    let summary = &lines[0];
    assert_eq!((&summary["models"], &summary["patterns"], &summary["default"]), (&5.into(), &2.into(), &false.into()));
    assert_eq!(summary["version"].as_str().map(str::len), Some(16));
    let mini = lines.iter().find(|line| line["model"] == "gpt-4o-mini").expect("it is in the card");
    assert_eq!((mini["cached_input"].as_str(), mini["reasoning"].as_str()), (Some("7.5"), Some("60")));
    assert_eq!(lines.len(), 8);
}

#[test]
fn a_wrong_card_ends_with_64_and_names_line_and_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("rates.toml");
    std::fs::write(&path, "[models]\n\"gpt-4o\" = { inptu = 1 }\n").expect("a file");
    let (code, stdout, stderr) = rates(&["check", path.to_str().expect("utf-8")]);
    let wanted = format!("{}:2:14: unknown key models.\"gpt-4o\".inptu; did you mean input?\n", path.display());
    assert_eq!((code, stdout.as_str(), stderr.starts_with(&wanted)), (Some(64), "", true), "{stderr}");
    let (code, _, stderr) = rates(&["check", "/nowhere/rates.toml"]);
    assert!(code == Some(64) && stderr.starts_with("/nowhere/rates.toml cannot be read"), "{stderr}");
    std::fs::write(&path, vec![b'#'; (4 << 20) + 1]).expect("a file");
    let (code, _, stderr) = rates(&["check", path.to_str().expect("utf-8")]);
    assert!(code == Some(64) && stderr.contains("is longer than 4194304 bytes"), "{stderr}");
}

#[test]
fn an_import_prints_a_card_that_check_takes() {
    let sample = "tests/samples/model_prices.json";
    let (code, card, told) = rates(&["import", sample, "--credits-per-dollar", "100"]);
    assert_eq!(code, Some(0), "{told}");
    assert!(card.contains("\"gpt-4o\" = { input = 250, cached_input = 125, output = 1000, output_tokens = 4096 }"));
    assert!(told.contains("left out prices from some length on: of 1 models\n"), "{told}");
    assert!(told.contains("left out azure/ocr: has no price") && told.contains(", 8 models\n"), "{told}");
    let folder = tempfile::tempdir().expect("a folder");
    let version = check(folder.path(), &card);
    assert!(told.starts_with(&format!("version {version}, ")), "{told}");
    for wrong in [&["import", sample][..], &["import", sample, "--credits-per-dollar", "-1"]] {
        assert_eq!(rates(wrong).0, Some(64));
    }
    let (code, _, stderr) = rates(&["import", "config/rates.toml", "--credits-per-dollar", "1"]);
    assert!(code == Some(64) && stderr.contains("is not a list of models with prices"), "{stderr}");
}

/// Checks a card's text; answers its version.
fn check(folder: &Path, card: &str) -> String {
    let path = folder.join("rates.toml");
    std::fs::write(&path, card).expect("a file");
    let (code, stdout, stderr) = rates(&["check", path.to_str().expect("utf-8")]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let summary = json(stdout.lines().next().expect("a summary"));
    summary["version"].as_str().expect("a text").to_owned()
}

/// The list of an installed LiteLLM, found without running any of it.
fn installed_list() -> Option<PathBuf> {
    let find = "import importlib.util as u; print(u.find_spec('litellm').origin)";
    let found = Command::new("python3").args(["-c", find]).output().ok().filter(|found| found.status.success())?;
    let init = PathBuf::from(String::from_utf8(found.stdout).ok()?.trim());
    let list = init.with_file_name("model_prices_and_context_window_backup.json");
    list.exists().then_some(list)
}

#[test]
fn the_list_of_an_installed_litellm_is_imported_as_it_is() {
    let Some(list) = installed_list() else {
        eprintln!(
            "SKIPPED: LiteLLM is not installed for python3 (pip install litellm==1.106.2), its list is not imported"
        );
        return;
    };
    let path = list.to_str().expect("utf-8");
    let (code, card, told) = rates(&["import", path, "--credits-per-dollar", "100"]);
    eprintln!("{path}: {told}");
    assert_eq!(code, Some(0), "{told}");
    let folder = tempfile::tempdir().expect("a folder");
    check(folder.path(), &card);
    // Every price of a prompt in it is 100 000 000 times what the list says, as far as a float can tell.
    let list: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&list).expect("a file")).expect("JSON");
    let card: toml::Table = card.parse().expect("TOML");
    let models = card["models"].as_table().expect("a table");
    let priced = list.as_object().expect("an object").iter().filter(|(_, m)| m["input_cost_per_token"].is_number());
    let (mut compared, mut missing) = (0, 0);
    for (name, model) in priced.filter(|(name, _)| *name != "sample_spec") {
        let Some(rate) = models.get(name) else {
            missing += 1;
            continue;
        };
        let dollars = model["input_cost_per_token"].as_f64().expect("a number");
        let credits = rate
            .get("input")
            .map_or(0.0, |price| price.as_float().or(price.as_integer().map(|n| n as f64)).expect("a number"));
        assert!((credits - dollars * 1e8).abs() <= dollars * 1e8 * 1e-9, "{name}: {credits} for {dollars}");
        compared += 1;
    }
    assert!(compared > 1_000 && missing == 0, "{compared} compared, {missing} missing");
}

/// The lines of the examples in docs/rates.md, word by word, without their heading.
fn examples() -> Vec<Vec<String>> {
    let page = std::fs::read_to_string("docs/rates.md").expect("the page is there");
    let (_, rest) = page.split_once("\n```\nmodel ").expect("it has examples");
    let (block, _) = rest.split_once("\n```\n").expect("they end");
    block.lines().skip(1).map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
}

#[test]
fn the_examples_of_the_page_cost_what_it_says() {
    let path = Path::new("config/rates.toml");
    let card = purser::rates::read(path, &std::fs::read_to_string(path).expect("a file")).expect("a card");
    let examples = examples();
    assert!(examples.len() > 8, "{examples:?}");
    for words in examples {
        let [model, input, cached, output, reasoning, images, seconds, credits] = words.as_slice() else {
            panic!("{words:?} has not a word for each column");
        };
        let number = |word: &String| word.parse::<u64>().expect("a number");
        let (micros, _) = Decimal::parse(seconds).expect("seconds").in_units(6).expect("seconds");
        let usage = Usage {
            input_tokens: number(input),
            cached_input_tokens: number(cached),
            output_tokens: (output != "-").then(|| number(output)),
            reasoning_tokens: number(reasoning),
            images: number(images),
            second_micros: micros.try_into().expect("seconds"),
        };
        let cost = card.cost(Some(&Model::new(model).expect("a model")), &usage);
        let cost = cost.map_or_else(
            |why| if why == Unpriced::NoRate { "no_rate".to_owned() } else { why.to_string() },
            |c| c.to_string(),
        );
        assert_eq!(&cost, credits, "{words:?}");
    }
}
