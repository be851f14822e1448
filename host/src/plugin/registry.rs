//! The plugins of a configuration, loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Manifest, Plugin, PluginError, Slot};
use crate::config::{Config, PluginConfig, Problem};
use crate::event::PluginRef;
use crate::failure::{ErrorType, Failure};
use crate::sandbox::Sandbox;

/// Every configured plugin by its name in the configuration, ready or broken. A broken one
/// stops no host: its events fail with what is wrong with it.
#[derive(Debug)]
pub struct Registry {
    slots: BTreeMap<String, Slot>,
}

impl Registry {
    /// Loads every plugin, one after the other: Wasmtime compiles each on all cores.
    #[must_use]
    pub fn load(config: &Config, sandbox: &Sandbox) -> Self {
        let load = |(name, plugin): (&String, _)| {
            let slot = match Self::load_one(plugin, config, sandbox) {
                Ok(plugin) => {
                    tracing::info!(
                        plugin = plugin.label,
                        digest = plugin.id.digest,
                        signed_by = %plugin.signed,
                        "plugin ready"
                    );
                    Ok(Arc::new(plugin))
                }
                Err(error) => {
                    let failure = error.failure();
                    tracing::error!(plugin = name, error_type = %failure.error_type, "plugin broken: {error}");
                    Err(failure)
                }
            };
            (name.clone(), slot)
        };
        Self {
            slots: config.plugins.iter().map(load).collect(),
        }
    }

    fn load_one(
        plugin: &PluginConfig,
        config: &Config,
        sandbox: &Sandbox,
    ) -> Result<Plugin, PluginError> {
        let (usual, most) = (config.limits, &config.limits_max);
        Plugin::load(plugin, usual, most, &config.signatures, sandbox)
    }

    /// A plugin by its name in the configuration.
    ///
    /// # Errors
    /// `plugin_unavailable` or `capability_denied` where it is broken.
    pub fn get(&self, name: &str) -> Slot {
        self.slots.get(name).cloned().unwrap_or_else(|| {
            let message = format!("no plugin {name:?} is configured");
            Err(Failure::new(ErrorType::PluginUnavailable, message))
        })
    }

    /// A plugin at one version, by its manifest's name.
    ///
    /// # Errors
    /// As [`Registry::get`]; `plugin_unavailable` also where no plugin of this name has this
    /// version.
    pub fn get_at(&self, wanted: &PluginRef) -> Slot {
        let ready = self.slots.values().filter_map(|slot| slot.as_ref().ok());
        let named = ready.filter(|plugin| plugin.manifest.name == wanted.name);
        let mut others = Vec::new();
        for plugin in named {
            if plugin.manifest.version == wanted.version {
                return Ok(Arc::clone(plugin));
            }
            others.push(plugin.label.as_str());
        }
        if others.is_empty() {
            // It is broken, or there is none of this name.
            self.get(&wanted.name)?;
        }
        let message = format!(
            "the event is to go to {wanted}, and this host has {}",
            match others.is_empty() {
                true => "none of this name".to_owned(),
                false => others.join(", "),
            }
        );
        Err(Failure::new(ErrorType::PluginUnavailable, message))
    }

    /// Every plugin, in name order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Slot)> {
        self.slots.iter().map(|(name, slot)| (name.as_str(), slot))
    }

    /// Routes that give a plugin events that its world cannot take. Reads the manifests
    /// alone; one that cannot be read is no problem here.
    #[must_use]
    pub fn check_routes(config: &Config) -> Vec<Problem> {
        let mut problems = Vec::new();
        for route in &config.routes {
            let Some(plugin) = config.plugins.get(&route.plugin) else {
                continue;
            };
            let Ok(manifest) = Manifest::load(&plugin.path) else {
                continue;
            };
            if !manifest.world.takes(route.event_type) {
                problems.push(Problem {
                    at: "routes".into(),
                    message: format!(
                        "{} goes to {:?}, whose world {} cannot take it",
                        route.event_type, route.plugin, manifest.world
                    ),
                });
            }
        }
        problems
    }

    /// What is wrong with each plugin that cannot be loaded, for `config validate`.
    #[must_use]
    pub fn check_plugins(config: &Config, sandbox: &Sandbox) -> Vec<(String, PluginError)> {
        let broken = |(name, plugin): (&String, _)| {
            let error = Self::load_one(plugin, config, sandbox).err()?;
            Some((name.clone(), error))
        };
        config.plugins.iter().filter_map(broken).collect()
    }
}
