//! Where settings come from, and how whoever set one calls it: by its flag, its variable, or its key in a
//! file.
//!
//! Invariant: a variable is read as what its key is. `ROOKERY_TLS_MIN=1.2` is a text and no number, and
//! a list needs no brackets.

use std::path::Path;

use clap::Args as _;
use figment::error::{Error, Kind};
use figment::providers::{Format as _, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider, Source};

use crate::cli::ServeOptions;

/// What every variable in the environment begins with. `__` stands for the dot between tables.
const ENVIRONMENT: &str = "ROOKERY_";

/// What begins so is no setting: what is meant for `rookery chat` and `rookery admin`, and what Kubernetes
/// tells every container about a service that is called rookery.
const FOREIGN: [&str; 4] = ["client_", "port_", "service_host", "service_port"];

/// What is called so is no setting of the configuration's: Kubernetes again, and its file.
const FOREIGN_WHOLE: [&str; 2] = ["port", "config"];

/// One variable of the environment.
#[derive(Debug)]
pub(super) struct Variable {
    name: String,
    key: String,
    value: Value,
}

impl Provider for Variable {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        let nested = figment::util::nest(&self.key, self.value.clone());
        let dict = nested.into_dict().unwrap_or_default();
        Ok(Map::from([(Profile::Default, dict)]))
    }
}

/// The settings among `variables`.
pub(super) fn variables(
    variables: impl IntoIterator<Item = (String, String)>,
    defaults: &Figment,
) -> Vec<Variable> {
    let variable = |(name, text): (String, String)| {
        let key = name.strip_prefix(ENVIRONMENT)?.to_lowercase();
        let foreign = FOREIGN.iter().any(|begin| key.starts_with(begin))
            || FOREIGN_WHOLE.contains(&key.as_str());
        let key = key.replace("__", ".");
        let value = read(&text, defaults.find_value(&key).ok().as_ref());
        (!foreign).then_some(Variable { name, key, value })
    };
    variables.into_iter().filter_map(variable).collect()
}

/// `text` as a value of the kind that `default` has; what has no default is a text.
fn read(text: &str, default: Option<&Value>) -> Value {
    match default {
        Some(Value::Array(..)) => {
            let inner = text.trim().trim_start_matches('[').trim_end_matches(']');
            let items = inner
                .split(',')
                .map(|item| item.trim().trim_matches(['"', '\'']));
            let items: Vec<_> = items
                .filter(|item| !item.is_empty())
                .map(Value::from)
                .collect();
            Value::from(items)
        }
        Some(Value::Bool(..) | Value::Num(..) | Value::Dict(..)) => {
            text.parse().unwrap_or_else(|_| Value::from(text))
        }
        Some(Value::String(..) | Value::Char(..) | Value::Empty(..)) | None => Value::from(text),
    }
}

/// The file at `path`, if it reads.
pub(super) fn file(path: &Path) -> Result<Figment, String> {
    if let Err(error) = std::fs::read_to_string(path) {
        let path = path.display();
        return Err(format!(
            "--config: {path} does not read ({error}); name a TOML file"
        ));
    }
    let file = Figment::from(Toml::file_exact(path));
    let read = file.extract::<Dict>();
    read.map(|_| file)
        .map_err(|error| format!("--config: {error}"))
}

/// Every value that is set, with its path.
pub(super) fn leaves(keys: &Dict) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in keys {
        if let Value::Dict(_, inner) = value
            && !inner.is_empty()
        {
            let inner = leaves(inner).into_iter();
            found.extend(inner.map(|(path, value)| (format!("{key}.{path}"), value)));
        } else {
            found.push((key.clone(), value.clone()));
        }
    }
    found
}

/// A key as whoever set it calls it. One that is not set is called by its flag.
pub(super) fn named(set: &Figment, key: &str) -> String {
    let metadata = set.find_metadata(key);
    if let Some(Source::File(file)) = metadata.and_then(|found| found.source.as_ref()) {
        return format!("{key} in {}", file.display());
    }
    match metadata {
        Some(found) if found.name.starts_with(ENVIRONMENT) => found.name.to_string(),
        _ => flag(key).unwrap_or_else(|| key.to_owned()),
    }
}

fn flag(key: &str) -> Option<String> {
    let command = ServeOptions::augment_args(clap::Command::new("serve"));
    let flag = command.get_arguments().find(|flag| flag.get_id() == key)?;
    flag.get_long().map(|long| format!("--{long}"))
}

/// What is wrong with a value.
pub(super) fn explained(kind: &Kind) -> String {
    if let Kind::UnknownField(_, _) = kind {
        "there is no such key; rookery serve --dump-config shows all there are".to_owned()
    } else if let Kind::UnknownVariant(found, known) = kind {
        format!("`{found}` is none of {}", known.join(", "))
    } else if let Kind::InvalidType(found, wanted) | Kind::InvalidValue(found, wanted) = kind {
        format!("is {found}, and has to be {wanted}")
    } else {
        kind.to_string()
    }
}
