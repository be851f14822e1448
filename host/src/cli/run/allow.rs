//! What a plugin may have in `hothouse run`, beside what the configuration says.

use std::path::PathBuf;

use ipnet::IpNet;

use crate::plugin::{Allowed, Directory, MountPoint, SecretSource, Variable, VariableName};
use crate::sandbox::{Access, Origin, Secret};

#[derive(Debug, clap::Args)]
pub(super) struct AllowArgs {
    /// An environment variable or secret that the plugin asks for; without a value, the one of
    /// this name here.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = env)]
    env: Vec<(VariableName, Option<Secret>)>,

    /// A directory that the plugin asks for, as PATH=DIR: its mount point and what to mount.
    #[arg(long, value_name = "PATH=DIR", value_parser = mount)]
    mount: Vec<(MountPoint, PathBuf)>,

    /// An origin that the plugin may send HTTP requests to, for example
    /// https://api.example.com:443.
    #[arg(long, value_name = "ORIGIN")]
    allow_host: Vec<Origin>,

    /// A private network that origins may lie in, for example 127.0.0.0/8.
    #[arg(long, value_name = "NETWORK")]
    allow_network: Vec<IpNet>,

    /// Repository and mounts may be changed, where the plugin asks to.
    #[arg(long)]
    writable: bool,
}

impl AllowArgs {
    /// What it may do with files.
    pub(super) fn access(&self) -> Access {
        match self.writable {
            true => Access::Write,
            false => Access::Read,
        }
    }

    /// Allows what the flags name.
    pub(super) fn add_to(&self, allowed: &mut Allowed) {
        for (name, value) in &self.env {
            // The manifest says which of the two it is; to the guest both are variables.
            let variable = match value {
                Some(value) => Variable::Given(value.clone()),
                None => Variable::OfTheHost,
            };
            allowed.env.insert(name.clone(), variable);
            let secret = match value {
                Some(value) => SecretSource::Given(value.clone()),
                None => SecretSource::Env(name.clone()),
            };
            allowed.secrets.insert(name.clone(), secret);
        }
        for (at, path) in &self.mount {
            let directory = Directory {
                path: path.clone(),
                access: self.access(),
            };
            allowed.directories.insert(at.clone(), directory);
        }
        let origins = self.allow_host.iter().cloned();
        allowed.allowed_outbound_hosts.extend(origins);
        allowed.allowed_private_networks.extend(&self.allow_network);
    }
}

fn env(text: &str) -> Result<(VariableName, Option<Secret>), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(Secret::new(value.to_owned()))),
        None => (text, None),
    };
    let name = VariableName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    Ok((name, value))
}

fn mount(text: &str) -> Result<(MountPoint, PathBuf), String> {
    let (at, path) = text
        .split_once('=')
        .ok_or("expected PATH=DIR, for example /cache=./cache")?;
    let at = MountPoint::try_from(at.to_owned()).map_err(|error| error.to_string())?;
    Ok((at, path.into()))
}
