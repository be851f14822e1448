//! Plugins: a component and its manifest, at one version, known by its digest.

mod deploy;
mod files;
pub mod gate;
mod grants;
mod keys;
mod manifest;
mod names;
mod provide;
mod registry;
mod signature;

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config::PluginConfig;
use crate::event::Event;
use crate::failure::{ErrorType, Failure};
use crate::sandbox::{Call, Grants, Limits, LoadError, Loaded, Run, Sandbox};

pub use deploy::{DeployError, Target};
pub(crate) use files::read_small;
pub use grants::{Allowed, Directory, Grant, Needs, SecretSource, Variable};
pub use keys::{KeyError, KeyId, PrivateKey, PublicKey, TrustedKeys};
pub use manifest::{Manifest, ManifestError};
pub(crate) use names::overlap;
pub use names::{MountPoint, MountPointError, VariableName, VariableNameError};
pub use provide::Unprovided;
pub use registry::Registry;
pub use signature::{SignatureError, SignatureFile, SignaturePolicy, Signed, Statement, verify};

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
    /// What every run of it may reach, beside the repository of its event.
    pub grants: Grants,
    /// Who signed it.
    pub signed: Signed,
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
    /// Its component has more bytes than it may.
    #[error(
        "the component {path} has more than {most} bytes: raise the limit `component_bytes` if \
         that is meant",
        path = .path.display()
    )]
    TooLarge {
        /// Which.
        path: PathBuf,
        /// How many it may have.
        most: usize,
    },
    /// Its component is refused.
    #[error("the component {path} is refused: {reason}", path = .path.display())]
    Refused {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: LoadError,
    },
    /// Nobody who is trusted vouches for it.
    #[error("plugin {name} is refused: {reason}")]
    Signature {
        /// Which plugin.
        name: String,
        /// Why.
        reason: SignatureError,
    },
    /// It needs what the operator does not allow.
    #[error(
        "plugin {name} needs what the configuration does not allow: {}; to allow it, add to \
         [plugins.{name}.allow]: {}",
        list(missing, Grant::to_string),
        list(missing, Grant::to_allow)
    )]
    NotAllowed {
        /// Which plugin.
        name: String,
        /// What it needs.
        missing: Vec<Grant>,
    },
    /// What it needs is allowed, and is not there.
    #[error(
        "plugin {name} cannot be given what it needs: {}",
        list(missing, Unprovided::to_string)
    )]
    Unprovided {
        /// Which plugin.
        name: String,
        /// What it needs.
        missing: Vec<Unprovided>,
    },
}

fn list<T>(items: &[T], text: impl Fn(&T) -> String) -> String {
    items.iter().map(text).collect::<Vec<_>>().join("; ")
}

impl PluginError {
    /// The failure of an event that needs this plugin.
    #[must_use]
    pub fn failure(&self) -> Failure {
        let error_type = match self {
            Self::Manifest(_)
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            // A signature is no capability: what it lacks may come with the next files.
            | Self::Signature { .. }
            | Self::Unprovided { .. } => ErrorType::PluginUnavailable,
            Self::Refused { reason, .. } => reason.error_type(),
            Self::NotAllowed { .. } => ErrorType::CapabilityDenied,
        };
        Failure::new(error_type, self.to_string())
    }
}

impl Plugin {
    /// Reads, compiles and links a plugin. Blocks for as long as it takes, as
    /// [`Sandbox::load_candidate`] says.
    ///
    /// Each file is read once: the bytes whose signature is checked are the ones that are used.
    ///
    /// # Errors
    /// [`PluginError`], which says what to do.
    pub fn load(
        config: &PluginConfig,
        limits: Limits,
        limits_max: &Limits,
        signatures: &SignaturePolicy,
        sandbox: &Sandbox,
    ) -> Result<Self, PluginError> {
        let examined = gate::examine(config, limits, limits_max, signatures, sandbox)?;
        let gate::Admitted {
            manifest,
            limits,
            signed,
            component,
        } = examined.admitted()?;
        let grants = provide::provide(&manifest.needs, &config.allow).map_err(|missing| {
            let name = manifest.name.clone();
            PluginError::Unprovided { name, missing }
        })?;
        let id = PluginId {
            name: manifest.name.clone(),
            version: manifest.version.to_string(),
            digest: component.inspection().digest.clone(),
        };
        Ok(Self {
            label: id.label(),
            id,
            turns: Arc::new(Semaphore::new(limits.concurrent_runs.max(1) as usize)),
            limits,
            grants,
            manifest,
            signed,
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
