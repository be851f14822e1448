//! The load gate: what a plugin must be before anything of it runs. A host asks it before it
//! loads a plugin, `plugin inspect` before it says that one would, `plugin deploy` before it puts
//! one in place.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{
    Manifest, PluginError, SignatureFile, SignaturePolicy, Signed, Statement, provide, read_small,
};
use crate::config::PluginConfig;
use crate::sandbox::{Candidate, Inspection, Limits, Loaded, Sandbox};

/// A plugin's files, judged.
#[derive(Debug)]
pub struct Examined {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The limits in force.
    pub limits: Limits,
    /// Who signed it, where that does not refuse it.
    pub signed: Option<Signed>,
    /// What its component is, where it is one. One that is refused for its signature is not
    /// looked at.
    pub inspection: Option<Inspection>,
    /// Every reason to refuse it.
    pub refusals: Vec<PluginError>,
    /// The bytes that were judged, where their signature does not refuse them.
    pub files: Option<Files>,
    component: Option<Loaded>,
}

/// The files of a plugin as they were when it was judged.
#[derive(Debug)]
pub struct Files {
    /// The component.
    pub component: Vec<u8>,
    /// The text of `plugin.toml`.
    pub manifest: String,
    /// `plugin.sig`, where there is one.
    pub signature: Option<Vec<u8>>,
}

/// What is to be run.
#[derive(Debug)]
pub struct Admitted {
    /// What it says of itself.
    pub manifest: Manifest,
    /// The limits in force.
    pub limits: Limits,
    /// Who signed it.
    pub signed: Signed,
    /// Its component.
    pub component: Loaded,
}

impl Examined {
    /// What is to be run.
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn admitted(self) -> Result<Admitted, PluginError> {
        let first = self.refusals.into_iter().next();
        match (first, self.signed, self.component) {
            (None, Some(signed), Some(component)) => Ok(Admitted {
                manifest: self.manifest,
                limits: self.limits,
                signed,
                component,
            }),
            (Some(refusal), _, _) => Err(refusal),
            // Without a signature's verdict or a component there is a refusal.
            (None, _, _) => Err(PluginError::Unreadable {
                path: self.manifest.component,
                reason: io::ErrorKind::NotFound.into(),
            }),
        }
    }
}

/// Reads, compiles and links what is in a plugin's directory, and compares what it asks for with
/// what the operator allows. Blocks as [`Sandbox::load_candidate`] says.
///
/// Each file is read once, and nothing is compiled whose signature refuses it.
///
/// # Errors
/// Where there is nothing to judge: no manifest, or no file for a component.
pub fn examine(
    plugin: &PluginConfig,
    usual: Limits,
    most: &Limits,
    signatures: &SignaturePolicy,
    sandbox: &Sandbox,
) -> Result<Examined, PluginError> {
    let Version {
        manifest,
        limits,
        path,
        files,
    } = version(plugin, usual, most, signatures)?;
    let mut refusals = Vec::new();
    let missing = manifest.needs.missing(&plugin.allow);
    if !missing.is_empty() {
        let name = manifest.name.clone();
        refusals.push(PluginError::NotAllowed { name, missing });
    }
    let outbound = provide::asked(&manifest.needs);
    let candidate = |bytes| Candidate {
        name: &manifest.name,
        bytes,
        limits: &limits,
        outbound: &outbound,
    };
    let (signed, files, (inspection, component)) = match files {
        Ok((signed, files)) => {
            let candidate = candidate(&files.component);
            let judged = judge(candidate, &manifest, path, &mut refusals, sandbox);
            (Some(signed), Some(files), judged)
        }
        Err(refusal) => {
            refusals.push(refusal);
            (None, None, (None, None))
        }
    };
    Ok(Examined {
        manifest,
        limits,
        signed,
        inspection,
        refusals,
        files,
        component,
    })
}

/// One version of a plugin.
struct Version {
    manifest: Manifest,
    limits: Limits,
    path: PathBuf,
    /// Who signed them, or why they are refused unseen.
    files: Result<(Signed, Files), PluginError>,
}

/// Reads the files of one version: a deploy may exchange the directory meanwhile.
fn version(
    plugin: &PluginConfig,
    usual: Limits,
    most: &Limits,
    signatures: &SignaturePolicy,
) -> Result<Version, PluginError> {
    let directory = || {
        let found = plugin.path.metadata().ok()?;
        Some((found.dev(), found.ino()))
    };
    loop {
        let before = directory();
        let version = read_version(plugin, usual, most, signatures);
        if directory() == before {
            return version;
        }
    }
}

fn read_version(
    plugin: &PluginConfig,
    usual: Limits,
    most: &Limits,
    signatures: &SignaturePolicy,
) -> Result<Version, PluginError> {
    let (manifest, text) = Manifest::load_with_text(&plugin.path)?;
    // What the manifest asks for within the maximum; the operator's word goes over both.
    let limits = usual
        .with(&manifest.limits)
        .at_most(most)
        .with(&plugin.limits);
    let path = manifest.component_path(&plugin.path);
    let files = read(&path, limits.component_bytes)?.and_then(|component| {
        let statement = Statement::of(&component, text.as_bytes());
        let signature = SignatureFile::read(&plugin.path);
        let judged = signature.and_then(|signature| {
            let signed = signatures.judge(&statement, signature.as_deref())?;
            Ok((signed, signature))
        });
        match judged {
            Ok((signed, signature)) => Ok((
                signed,
                Files {
                    component,
                    manifest: text,
                    signature,
                },
            )),
            Err(reason) => Err(PluginError::Signature {
                name: manifest.name.clone(),
                reason,
            }),
        }
    });
    Ok(Version {
        manifest,
        limits,
        path,
        files,
    })
}

fn judge(
    candidate: Candidate<'_>,
    manifest: &Manifest,
    path: PathBuf,
    refusals: &mut Vec<PluginError>,
    sandbox: &Sandbox,
) -> (Option<Inspection>, Option<Loaded>) {
    let refuse = |reason| refusals.push(PluginError::Refused { path, reason });
    let compiled = match sandbox.compile(&candidate) {
        Ok(compiled) => compiled,
        Err(reason) => {
            refuse(reason);
            return (None, None);
        }
    };
    let inspection = compiled.inspection().clone();
    match sandbox.link(compiled, manifest.world) {
        Ok(component) => (Some(inspection), Some(component)),
        Err(reason) => {
            refuse(reason);
            (Some(inspection), None)
        }
    }
}

/// The bytes of a component. Of one that is too large nothing is read.
pub(crate) fn read(path: &Path, most: usize) -> Result<Result<Vec<u8>, PluginError>, PluginError> {
    let path = path.to_owned();
    match read_small(&path, most as u64) {
        Ok(bytes) => Ok(Ok(bytes)),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Ok(Err(PluginError::TooLarge { path, most }))
        }
        Err(reason) => Err(PluginError::Unreadable { path, reason }),
    }
}
