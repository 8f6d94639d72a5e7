//! Puts the sources one over the other: defaults, file, environment, flags.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::{Fault, Place};
use super::names::{self, VARIABLES};
use super::reader::Reader;
use super::value::Given;
use super::{Config, ConfigError, check, read};

/// A longer file is refused: it is none that a person wrote.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Keys whose variables hold several values, separated by commas.
const LISTS: [&str; 2] = ["server.http", "server.grpc"];

/// What the command line said.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The file; it must exist when named.
    pub config: Option<PathBuf>,
    /// Flag, key and value of everything else; a flag given twice makes a list.
    pub values: Vec<(&'static str, &'static str, String)>,
}

/// A configuration and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The checked configuration.
    pub config: Config,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// What is not wrong but may not be meant, such as a variable with an unknown name.
    pub warnings: Vec<String>,
}

/// Reads and checks the whole configuration. `environment` is what the process was given; names that
/// do not begin with `PURSER_` are not looked at.
///
/// # Errors
/// Everything that is wrong, at once; a syntax error of the file comes alone.
pub fn load(flags: &Flags, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Loaded, ConfigError> {
    let mut from = Reader::default();
    let (variables, warnings) = variables(environment, &mut from.faults);

    let named = variables.iter().find(|(name, _)| *name == "PURSER_CONFIG").map(|(_, path)| PathBuf::from(path));
    let file = flags.config.clone().or(named);
    if let Some(path) = &file {
        let text = read_file(path)?;
        from.add_file(path, &text)?;
    }
    set_variables(&variables, &mut from);
    set_flags(flags, &mut from);

    let config = read::config(&mut from);
    from.refuse_unknown();
    if from.faults.is_empty() {
        let contradictions = check::contradictions(&config);
        from.faults = contradictions
            .into_iter()
            .map(|wrong| {
                let place = from.place(wrong.key);
                wrong.at(place)
            })
            .collect();
    }
    if from.faults.is_empty() {
        return Ok(Loaded { config, file, warnings });
    }
    from.faults.sort_by(|one, other| one.place.cmp(&other.place));
    Err(ConfigError { faults: from.faults })
}

fn read_file(path: &Path) -> Result<String, Fault> {
    let fault = |message: String| Fault { place: Place::File(path.to_owned()), message };
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text));
    read.map_err(|error| fault(format!("cannot be read: {error}")))?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(fault(format!("is longer than {FILE_BYTES_MAX} bytes, the most that a configuration may have")));
    }
    Ok(text)
}

/// The known variables with their values, and a warning for each unknown one. Values are never
/// repeated in a warning: one may be a token.
fn variables(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    faults: &mut Vec<Fault>,
) -> (Vec<(&'static str, String)>, Vec<String>) {
    let (mut known, mut warnings) = (Vec::new(), Vec::new());
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(names::PREFIX)) else { continue };
        let Some(variable) = VARIABLES.iter().find(|variable| variable.name == name) else {
            if !names::is_from_kubernetes(name) {
                let near = names::nearest(name, VARIABLES.iter().map(|variable| variable.name));
                let hint = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
                warnings.push(format!("environment {name}: unknown name, ignored{hint}"));
            }
            continue;
        };
        match value.into_string() {
            Ok(value) => known.push((variable.name, value)),
            Err(_) => {
                faults.push(Fault { place: Place::Variable(name.to_owned()), message: format!("{name} is not UTF-8") })
            }
        }
    }
    warnings.sort_unstable();
    (known, warnings)
}

fn set_variables(variables: &[(&'static str, String)], from: &mut Reader) {
    for (name, value) in variables {
        let place = Place::Variable((*name).to_owned());
        let key = VARIABLES.iter().find(|variable| variable.name == *name).map_or("", |variable| variable.key);
        if !key.is_empty() {
            let list = || value.split(',').map(|part| part.trim().to_owned()).collect();
            let given = if LISTS.contains(&key) { Given::List(list()) } else { Given::Text(value.clone()) };
            from.set(key, given, place);
        }
    }
}

fn set_flags(flags: &Flags, from: &mut Reader) {
    for (flag, key, first) in &flags.values {
        let same = flags.values.iter().filter(|(other, _, _)| other == flag).map(|(_, _, value)| value.clone());
        let all: Vec<_> = same.collect();
        let given = if all.len() == 1 { Given::Text(first.clone()) } else { Given::List(all) };
        from.set(key, given, Place::Flag(flag));
    }
}
