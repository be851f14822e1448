//! The load gate: what a plugin must be before anything of it runs. A host asks it before it
//! loads a plugin, `plugin inspect` before it says that one would, `plugin deploy` before it puts
//! one in place.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{Manifest, PluginError};
use crate::config::PluginConfig;
use crate::sandbox::{Inspection, Limits, Loaded, Sandbox};

/// A plugin's files, judged.
#[derive(Debug)]
pub struct Examined {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The limits in force.
    pub limits: Limits,
    /// What its component is, where it is one.
    pub inspection: Option<Inspection>,
    /// Every reason to refuse it.
    pub refusals: Vec<PluginError>,
    component: Option<Loaded>,
}

impl Examined {
    /// What is to be run.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn admitted(self) -> Result<(Manifest, Limits, Loaded), PluginError> {
        match (self.refusals.into_iter().next(), self.component) {
            (None, Some(component)) => Ok((self.manifest, self.limits, component)),
            (Some(refusal), _) => Err(refusal),
            // Without a component there is a refusal.
            (None, None) => Err(PluginError::Unreadable {
                path: self.manifest.component,
                reason: io::ErrorKind::NotFound.into(),
            }),
        }
    }
}

/// Reads, compiles and links what is in a plugin's directory, and compares what it asks for with
/// what the operator allows. Takes up to seconds of CPU time.
///
/// # Errors
/// Where there is nothing to judge: no manifest, or no file for a component.
pub fn examine(
    plugin: &PluginConfig,
    usual: Limits,
    most: &Limits,
    sandbox: &Sandbox,
) -> Result<Examined, PluginError> {
    let manifest = Manifest::load(&plugin.path)?;
    // What the manifest asks for within the maximum; the operator's word goes over both.
    let limits = usual
        .with(&manifest.limits)
        .at_most(most)
        .with(&plugin.limits);
    let mut refusals = Vec::new();
    let missing = manifest.needs.missing(&plugin.allow);
    if !missing.is_empty() {
        let name = manifest.name.clone();
        refusals.push(PluginError::NotAllowed { name, missing });
    }
    let path = manifest.component_path(&plugin.path);
    let (inspection, component) = match read(&path, limits.component_bytes)? {
        Ok(bytes) => judge(&bytes, &manifest, path, &mut refusals, sandbox),
        Err(refusal) => {
            refusals.push(refusal);
            (None, None)
        }
    };
    Ok(Examined {
        manifest,
        limits,
        inspection,
        refusals,
        component,
    })
}

fn judge(
    bytes: &[u8],
    manifest: &Manifest,
    path: PathBuf,
    refusals: &mut Vec<PluginError>,
    sandbox: &Sandbox,
) -> (Option<Inspection>, Option<Loaded>) {
    match sandbox.load(bytes, manifest.world) {
        Ok(component) => (Some(component.inspection().clone()), Some(component)),
        Err(reason) => {
            refusals.push(PluginError::Refused { path, reason });
            (sandbox.inspect(bytes).ok(), None)
        }
    }
}

/// The bytes of a component. One that is too large is not read to its end.
fn read(path: &Path, most: usize) -> Result<Result<Vec<u8>, PluginError>, PluginError> {
    let unreadable = |reason| PluginError::Unreadable {
        path: path.to_owned(),
        reason,
    };
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(match bytes.len() > most {
        true => Err(PluginError::TooLarge {
            path: path.to_owned(),
            most,
        }),
        false => Ok(bytes),
    })
}
