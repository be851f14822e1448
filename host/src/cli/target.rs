//! The plugin that an operator names for events that are sent again.

use anyhow::bail;

use super::Usage;
use crate::config::Config;
use crate::event::PluginRef;
use crate::plugin::Manifest;

/// The manifest of the plugin that is to take them.
pub(super) fn find(to: &PluginRef, config: &Config) -> anyhow::Result<Manifest> {
    let mut others = Vec::new();
    for plugin in config.plugins.values() {
        let Ok(manifest) = Manifest::load(&plugin.path) else {
            continue;
        };
        if manifest.name == to.name && manifest.version == to.version {
            return Ok(manifest);
        }
        others.push(format!("{}@{}", manifest.name, manifest.version));
    }
    bail!(Usage(format!(
        "--to {to}: the configuration has {}",
        match others.is_empty() {
            true => "no plugin that can be read".to_owned(),
            false => others.join(", "),
        }
    )))
}
