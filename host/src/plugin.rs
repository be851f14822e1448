//! Plugins: a component and its manifest, at one version, known by its digest.

mod manifest;
mod registry;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PluginConfig;
use crate::event::Event;
use crate::failure::{ErrorType, Failure};
use crate::sandbox::{Call, Grants, Limits, LoadError, Loaded, Run, Sandbox};

pub use manifest::{Manifest, ManifestError};
pub use registry::Registry;

/// Which plugin, which version, which bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginId {
    /// The manifest's name.
    pub name: String,
    /// The manifest's version.
    pub version: String,
    /// sha256 of the component, in hex.
    pub digest: String,
}

impl PluginId {
    /// `name@version`.
    #[must_use]
    pub fn label(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// A plugin that is ready to run.
#[derive(Debug)]
pub struct Plugin {
    /// Which.
    pub id: PluginId,
    /// [`PluginId::label`], made once.
    pub label: String,
    /// What it says of itself.
    pub manifest: Manifest,
    /// The limits in force.
    pub limits: Limits,
    /// Whether it gets the repository of its event: it asks and the operator allows.
    pub repository: bool,
    /// The component.
    pub component: Loaded,
    /// One for each run that it may have at a time.
    turns: Arc<Semaphore>,
}

/// A plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// Its manifest is missing or wrong.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// Its component cannot be read.
    #[error("cannot read the component {path}: {reason}", path = .path.display())]
    Unreadable {
        /// Where it should be.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// Its component is refused.
    #[error("the component {path} is refused: {reason}", path = .path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: LoadError,
    },
    /// It needs what the operator does not allow.
    #[error(
        "plugin {name} needs `repository = \"{access}\"`, which the configuration does not allow: \
         add `allow = {{ repository = \"{access}\" }}` to [plugins.{name}]"
    )]
    NotAllowed {
        /// Which plugin.
        name: String,
        /// What it needs.
        access: &'static str,
    },
}

impl PluginError {
    /// The failure of an event that needs this plugin.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let error_type = match self {
            Self::Manifest(_) | Self::Unreadable { .. } => ErrorType::PluginUnavailable,
            Self::Refused { reason, .. } => reason.error_type(),
            Self::NotAllowed { .. } => ErrorType::CapabilityDenied,
        };
        Failure::new(error_type, self.to_string())
    }
}

impl Plugin {
    /// Reads, compiles and links a plugin. Takes up to seconds of CPU time.
    ///
    /// # Errors
    /// [`PluginError`], which says what to do.
    pub fn load(
        config: &PluginConfig,
        limits: Limits,
        limits_max: &Limits,
        sandbox: &Sandbox,
    ) -> Result<Self, PluginError> {
        let manifest = Manifest::load(&config.path)?;
        let path = manifest.component_path(&config.path);
        let bytes = std::fs::read(&path).map_err(|reason| PluginError::Unreadable {
            path: path.clone(),
            reason,
        })?;
        let component = sandbox
            .load(&bytes, manifest.world)
            .map_err(|reason| PluginError::Refused { path, reason })?;
        if manifest.repository && !config.repository {
            return Err(PluginError::NotAllowed {
                name: manifest.name,
                access: "read",
            });
        }
        let id = PluginId {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            digest: component.inspection().digest.clone(),
        };
        // What the manifest asks for within the maximum; the operator's word goes over both.
        let limits = limits
            .with(&manifest.limits)
            .at_most(limits_max)
            .with(&config.limits);
        Ok(Self {
            label: id.label(),
            id,
            turns: Arc::new(Semaphore::new(limits.concurrent_runs.max(1) as usize)),
            limits,
            repository: manifest.repository,
            manifest,
            component,
        })
    }
}

impl Plugin {
    /// Its turn to run, if it may now: it has fewer runs than [`Limits::concurrent_runs`].
    #[must_use]
    pub fn try_turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).try_acquire_owned().ok()
    }

    /// Waits for its turn, in order with all events of this plugin that wait. Take it before a
    /// slot of the sandbox: what waits for its plugin is to hold nothing that others wait for.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }

    /// Runs it once on an event, within its limits. As [`Loaded::call`].
    pub async fn call(&self, event: &Event, attempt: u32, grants: &Grants) -> Run {
        let call = Call {
            event,
            attempt,
            plugin: &self.label,
            limits: &self.limits,
            emits: &self.manifest.emits,
            grants,
        };
        self.component.call(call).await
    }
}

/// A plugin, or the failure of every event that is routed to it.
pub type Slot = Result<Arc<Plugin>, Failure>;
