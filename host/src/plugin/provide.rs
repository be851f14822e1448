//! What a plugin has of the host beside its event: read once, when it is loaded.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::grants::{Allowed, Grant, Needs, SecretSource, Variable};
use super::names::{MountPoint, VariableName};
use crate::sandbox::{Grants, Mount, Origin, Outbound, Secret};

/// Longest secret, in bytes.
const MAX_SECRET: u64 = 64 * 1024;

/// What is asked for and allowed, and is not there.
#[derive(Debug, thiserror::Error)]
pub enum Unprovided {
    /// The host's own variable.
    #[error("env {0}: the host's environment has no such variable, or it is not UTF-8")]
    Variable(VariableName),
    /// A secret's variable.
    #[error("secret {name}: the host's environment has no variable {variable}, or it is not UTF-8")]
    SecretVariable {
        /// What the guest calls it.
        name: VariableName,
        /// What the host does.
        variable: VariableName,
    },
    /// A secret's file.
    #[error("secret {name}: cannot read {path}: {reason}", path = .path.display())]
    SecretFile {
        /// What the guest calls it.
        name: VariableName,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// A directory.
    #[error("directory {at}: {path} cannot be used: {reason}", path = .path.display())]
    Directory {
        /// Where the guest finds it.
        at: MountPoint,
        /// Where it should be.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// What every run of a plugin has: all that it asks for, but for the repository, which is its
/// event's. What is not allowed is not there, whoever asks.
///
/// # Errors
/// Everything that cannot be had.
pub(super) fn provide(needs: &Needs, allowed: &Allowed) -> Result<Grants, Vec<Unprovided>> {
    let mut grants = Grants {
        outbound: Arc::new(outbound(needs, allowed)),
        ..Grants::default()
    };
    let mut missing = Vec::new();
    for grant in &needs.0 {
        let variable = match grant {
            Grant::Env(name) => allowed.env.get(name).map(|from| (name, env(name, from))),
            Grant::Secret(name) => {
                let source = allowed.secrets.get(name);
                source.map(|from| (name, secret(name, from)))
            }
            Grant::Directory(at, access) => {
                if let Some(directory) = allowed.directories.get(at) {
                    match resolve(at, &directory.path) {
                        Ok(directory) => grants.mounts.push(Mount {
                            at: at.to_string(),
                            directory,
                            access: *access,
                        }),
                        Err(error) => missing.push(error),
                    }
                }
                None
            }
            Grant::Repository(_) | Grant::OutboundHost(_) => None,
        };
        match variable {
            Some((name, Ok(value))) => grants.environment.push((name.to_string(), value)),
            Some((_, Err(error))) => missing.push(error),
            None => {}
        }
    }
    match missing.is_empty() {
        true => Ok(grants),
        false => Err(missing),
    }
}

/// Where every run of a plugin may send requests to: the origins that it asks for and that are
/// allowed.
fn outbound(needs: &Needs, allowed: &Allowed) -> Outbound {
    let is_allowed = |origin: &&Origin| allowed.allowed_outbound_hosts.contains(*origin);
    Outbound {
        origins: origins(needs).filter(is_allowed).cloned().collect(),
        networks: allowed.allowed_private_networks.clone(),
        ..Outbound::default()
    }
}

/// Where it asks to send requests to. What is not allowed of it is a refusal of its own.
pub(super) fn asked(needs: &Needs) -> Outbound {
    Outbound {
        origins: origins(needs).cloned().collect(),
        ..Outbound::default()
    }
}

fn origins(needs: &Needs) -> impl Iterator<Item = &Origin> {
    needs.0.iter().filter_map(|grant| match grant {
        Grant::OutboundHost(origin) => Some(origin),
        Grant::Repository(_) | Grant::Directory(..) | Grant::Env(_) | Grant::Secret(_) => None,
    })
}

fn env(name: &VariableName, from: &Variable) -> Result<Secret, Unprovided> {
    let value = match from {
        Variable::Value(value) => Some(value.clone()),
        Variable::Given(value) => return Ok(value.clone()),
        Variable::OfTheHost => std::env::var(name.as_str()).ok(),
    };
    value
        .map(Secret::new)
        .ok_or_else(|| Unprovided::Variable(name.clone()))
}

fn secret(name: &VariableName, from: &SecretSource) -> Result<Secret, Unprovided> {
    match from {
        SecretSource::Given(value) => Ok(value.clone()),
        SecretSource::Env(variable) => {
            let value = std::env::var(variable.as_str());
            value
                .map(Secret::new)
                .map_err(|_| Unprovided::SecretVariable {
                    name: name.clone(),
                    variable: variable.clone(),
                })
        }
        SecretSource::File(path) => read(path).map_err(|reason| Unprovided::SecretFile {
            name: name.clone(),
            path: path.clone(),
            reason,
        }),
    }
}

fn read(path: &Path) -> io::Result<Secret> {
    let mut text = String::new();
    let file = File::open(path)?;
    file.take(MAX_SECRET + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_SECRET {
        let message = format!("it has more than {MAX_SECRET} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    // Editors end a file with a newline, and a token with one is another token.
    let value = text.strip_suffix('\n').unwrap_or(&text);
    let value = value.strip_suffix('\r').unwrap_or(value);
    Ok(Secret::new(value.to_owned()))
}

/// The directory itself: links in what the operator wrote are the operator's, and are followed
/// now. Those that turn up later are not.
fn resolve(at: &MountPoint, path: &Path) -> Result<PathBuf, Unprovided> {
    let real = path.canonicalize().and_then(|real| match real.is_dir() {
        true => Ok(real),
        false => Err(io::Error::from(io::ErrorKind::NotADirectory)),
    });
    real.map_err(|reason| Unprovided::Directory {
        at: at.clone(),
        path: path.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::sandbox::Access;

    fn name(text: &str) -> VariableName {
        text.to_owned().try_into().expect("a name")
    }

    fn secret_of(path: &Path) -> (Needs, Allowed) {
        let allowed = Allowed {
            secrets: BTreeMap::from([(name("TOKEN"), SecretSource::File(path.to_owned()))]),
            ..Allowed::default()
        };
        (
            Needs(BTreeSet::from([Grant::Secret(name("TOKEN"))])),
            allowed,
        )
    }

    #[test]
    fn a_secret_is_its_files_text_without_the_last_newline_and_is_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        for (text, value) in [
            ("hunter2", "hunter2"),
            ("hunter2\n", "hunter2"),
            ("hunter2\r\n", "hunter2"),
            ("hunter2\n\n", "hunter2\n"),
        ] {
            std::fs::write(&path, text).expect("write");
            let (needs, allowed) = secret_of(&path);
            let grants = provide(&needs, &allowed).expect("a secret");
            let expected = ("TOKEN".to_owned(), Secret::new(value.to_owned()));
            assert!(grants.environment == [expected], "{text:?}");
            let shown = format!("{grants:?} {}", grants.environment[0].1);
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn a_secret_that_is_not_there_or_too_long_or_no_text_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let refused = || {
            let (needs, allowed) = secret_of(&path);
            let missing = provide(&needs, &allowed).expect_err("refused");
            assert_eq!(missing.len(), 1);
            let text = missing[0].to_string();
            assert!(text.starts_with("secret TOKEN: cannot read "), "{text}");
        };
        refused();
        std::fs::write(&path, vec![b'a'; MAX_SECRET as usize + 1]).expect("write");
        refused();
        std::fs::write(&path, b"\xff").expect("write");
        refused();
    }

    #[test]
    fn variables_of_the_host_are_read_by_their_names_and_one_that_is_not_there_is_named() {
        let (here, absent) = (name("PATH"), name("HOTHOUSE_NO_SUCH_VARIABLE"));
        let allowed = Allowed {
            env: BTreeMap::from([
                (here.clone(), Variable::OfTheHost),
                (absent.clone(), Variable::OfTheHost),
            ]),
            secrets: BTreeMap::from([(name("TOKEN"), SecretSource::Env(here.clone()))]),
            ..Allowed::default()
        };
        let needs = BTreeSet::from([Grant::Env(here), Grant::Secret(name("TOKEN"))]);
        let grants = provide(&Needs(needs), &allowed).expect("both are there");
        let value = Secret::new(std::env::var("PATH").expect("every process has one"));
        let expected = ["PATH", "TOKEN"].map(|name| (name.to_owned(), value.clone()));
        assert!(grants.environment == expected);

        let needs = Needs(BTreeSet::from([Grant::Env(absent)]));
        let missing = provide(&needs, &allowed).expect_err("it is not there");
        let text = missing[0].to_string();
        assert!(text.starts_with("env HOTHOUSE_NO_SUCH_VARIABLE"), "{text}");
    }

    #[test]
    fn what_is_allowed_and_not_asked_for_is_not_provided_nor_the_reverse() {
        let allowed = Allowed {
            env: BTreeMap::from([(name("A"), Variable::Value("1".into()))]),
            ..Allowed::default()
        };
        assert_eq!(
            provide(&Needs::default(), &allowed).expect("nothing"),
            Grants::default()
        );
        let needs = Needs(BTreeSet::from([Grant::Env(name("B"))]));
        assert_eq!(
            provide(&needs, &allowed).expect("nothing"),
            Grants::default()
        );
    }

    #[test]
    fn a_directory_is_mounted_with_the_access_that_is_asked_for_where_its_links_lead() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().join("real");
        std::fs::create_dir(&real).expect("a directory");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&real, &link).expect("a link");
        let at: MountPoint = "/cache".to_owned().try_into().expect("a mount point");
        let directory = super::super::Directory {
            path: link.clone(),
            access: Access::Write,
        };
        let allowed = Allowed {
            directories: BTreeMap::from([(at.clone(), directory)]),
            ..Allowed::default()
        };
        let needs = Needs(BTreeSet::from([Grant::Directory(at, Access::Read)]));
        let grants = provide(&needs, &allowed).expect("a mount");
        assert_eq!(grants.mounts[0].access, Access::Read);
        assert_eq!(
            grants.mounts[0].directory,
            real.canonicalize().expect("its path")
        );

        std::fs::remove_dir(&real).expect("remove it");
        std::fs::write(&real, "a file").expect("a file");
        let missing = provide(&needs, &allowed).expect_err("no directory");
        assert!(missing[0].to_string().contains("/cache"), "{missing:?}");
    }
}
