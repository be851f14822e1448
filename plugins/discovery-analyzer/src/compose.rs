//! The services in compose files.

use std::collections::BTreeMap;

use crate::tree::Tree;
use crate::yaml;

const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

/// One service.
#[derive(Debug, Default)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) image: Option<String>,
    /// The folder that it is built from, as the file spells it.
    pub(crate) built_from: Option<String>,
}

/// The services of the compose files in the root, in order of their names.
pub(crate) fn services(tree: &Tree) -> Vec<Service> {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let texts = NAMES.iter().filter(|name| tree.has(name));
    for scalar in texts
        .filter_map(|name| tree.read(name))
        .flat_map(|text| yaml::scalars(&text))
    {
        let path: Vec<&str> = scalar.path.iter().map(String::as_str).collect();
        let ["services", name, field @ ..] = path.as_slice() else {
            continue;
        };
        let service = services
            .entry((*name).to_owned())
            .or_insert_with(|| Service {
                name: (*name).to_owned(),
                ..Service::default()
            });
        match field {
            ["image"] => service.image = Some(scalar.text),
            ["build"] | ["build", "context"] => service.built_from = Some(scalar.text),
            _ => {}
        }
    }
    services.into_values().collect()
}
