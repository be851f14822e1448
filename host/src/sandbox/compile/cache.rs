//! The artifact cache: compiled components in a private directory, authenticated.
//!
//! A file's name says what it must match, its content is sealed (`hothouse_artifact`). Files
//! appear whole, by rename, and any of them may go at any time: several processes share a
//! directory without locks, and the worst that happens is that one compiles anew.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use hothouse_artifact::{Digest, Key, name, open};
use tempfile::NamedTempFile;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::random_bytes;

/// What the files may hold together, in bytes. Beyond it those that were used longest ago go.
const MAX_BYTES: u64 = 1 << 30;

/// The file with the key.
const KEY: &str = "key";

/// How artifacts end, and files that are being written.
const ARTIFACT: &str = "cwasm";
const UNFINISHED: &str = "tmp";

/// A file that is being written for longer than this was left by a process that died.
const STALE: Duration = Duration::from_secs(3600);

/// The cache cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// It is not there and cannot be made, or not be read.
    #[error("{path}: {reason}; set host.cache to a directory that the host may write, or to false", path = .path.display())]
    Unusable {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Others may read or write in it, or could have.
    #[error(
        "{path} has mode {mode:03o}, so others than its owner may have reached what is in it: \
         remove it, or `chmod {right:03o}` it if it is new", path = .path.display()
    )]
    Exposed {
        /// Which file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// The mode that it should have.
        right: u32,
    },
    /// It is another user's.
    #[error("{path} belongs to user {owner}, not to the host's: set host.cache to a directory of its own", path = .path.display())]
    AnotherOwner {
        /// Which file or directory.
        path: PathBuf,
        /// Whose.
        owner: u32,
    },
    /// The key is none.
    #[error("{path} is no key: remove it, and the artifacts are compiled anew", path = .path.display())]
    NoKey {
        /// Which file.
        path: PathBuf,
    },
}

/// Compiled components in a directory.
#[derive(Debug)]
pub struct Cache {
    directory: PathBuf,
    key: Key,
}

impl Cache {
    /// Opens the cache in a directory, which is made where it is missing, with its key.
    ///
    /// # Errors
    /// [`CacheError`], where it cannot be used or is not private.
    pub fn open(directory: &Path) -> Result<Self, CacheError> {
        let unusable = |reason| CacheError::Unusable {
            path: directory.to_owned(),
            reason,
        };
        make(directory).map_err(unusable)?;
        let found = fs::metadata(directory).map_err(unusable)?;
        check_private(directory, &found, 0o700)?;
        let path = directory.join(KEY);
        let key = match read_key(&path)? {
            Some(key) => key,
            None => {
                write_key(directory, &path).map_err(unusable)?;
                // Of two processes that begin at once, the first one's.
                read_key(&path)?.ok_or(CacheError::NoKey { path })?
            }
        };
        Ok(Self {
            directory: directory.to_owned(),
            key,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What its artifacts are sealed with.
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// A component that was compiled before. What is not as it was written is removed.
    pub(super) fn get(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let path = self.path(engine, digest);
        let sealed = match read(&path, MAX_BYTES) {
            Ok(sealed) => sealed,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(
                    "cannot read the compiled component {}: {error}; compiling anew",
                    path.display()
                );
                return None;
            }
        };
        match open(engine, &self.key, digest, &sealed) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(
                    "the compiled component {} is not used: {error}; removing it and compiling anew",
                    path.display()
                );
                // Where it cannot be removed it is found out again.
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps what [`seal`](hothouse_artifact::seal) gave. Where that fails it is logged: it
    /// costs the next start a compile.
    pub(super) fn put(&self, engine: &Engine, digest: &Digest, sealed: &[u8]) {
        let path = self.path(engine, digest);
        if let Err(error) = self.write(&path, sealed, MAX_BYTES) {
            tracing::warn!(
                "the compiled component is not kept in {}: {error}; going on without",
                self.directory.display()
            );
        }
    }

    fn path(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let name = name(engine, digest);
        self.directory.join(format!("{name}.{ARTIFACT}"))
    }

    fn write(&self, path: &Path, sealed: &[u8], most: u64) -> io::Result<()> {
        let file = unfinished(&self.directory, sealed)?;
        file.persist(path)?;
        File::open(&self.directory)?.sync_all()?;
        self.prune(path, most)
    }

    /// Removes what processes that died left, and what was used longest ago, until all but
    /// `newest` fit. That one stays.
    fn prune(&self, newest: &Path, most: u64) -> io::Result<()> {
        let now = SystemTime::now();
        let mut found = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let path = entry?.path();
            // Another process may have removed it.
            let Ok(metadata) = fs::symlink_metadata(&path) else {
                continue;
            };
            let used = metadata.modified()?;
            let extension = path.extension().unwrap_or_default();
            if extension == UNFINISHED && now.duration_since(used).is_ok_and(|age| age > STALE) {
                let _ = fs::remove_file(&path);
            } else if extension == ARTIFACT {
                found.push((used, metadata.len(), path));
            }
        }
        found.sort();
        let mut bytes: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, size, path) in found {
            if bytes <= most {
                break;
            }
            if path != newest {
                let _ = fs::remove_file(&path);
                bytes -= size;
            }
        }
        Ok(())
    }
}

/// Makes a private directory; those above it as the user's mask says.
fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(directory) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

fn check_private(path: &Path, found: &Metadata, right: u32) -> Result<(), CacheError> {
    if found.uid() != rustix::process::geteuid().as_raw() {
        return Err(CacheError::AnotherOwner {
            path: path.to_owned(),
            owner: found.uid(),
        });
    }
    match found.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(CacheError::Exposed {
            path: path.to_owned(),
            mode,
            right,
        }),
        _ => Ok(()),
    }
}

fn read_key(path: &Path) -> Result<Option<Key>, CacheError> {
    let unusable = |reason| CacheError::Unusable {
        path: path.to_owned(),
        reason,
    };
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(error)),
    };
    check_private(path, &file.metadata().map_err(unusable)?, 0o600)?;
    let mut bytes = Vec::new();
    (&file).take(33).read_to_end(&mut bytes).map_err(unusable)?;
    match <[u8; 32]>::try_from(bytes) {
        Ok(bytes) => Ok(Some(Key::new(bytes))),
        Err(_) => Err(CacheError::NoKey {
            path: path.to_owned(),
        }),
    }
}

fn write_key(directory: &Path, path: &Path) -> io::Result<()> {
    let file = unfinished(directory, &random_bytes()?)?;
    match file.persist_noclobber(path) {
        Err(refused) if refused.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(refused) => Err(refused.error),
        Ok(_) => File::open(directory)?.sync_all(),
    }
}

/// A file that is on the disk and has no name of its own yet. Its owner alone may read it.
fn unfinished(directory: &Path, bytes: &[u8]) -> io::Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .suffix(&format!(".{UNFINISHED}"))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Reads a file of at most `most` bytes, and notes that it was used.
fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let size = file.metadata()?.len();
    if size > most {
        return Err(ErrorKind::FileTooLarge.into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    (&file).take(most).read_to_end(&mut bytes)?;
    // On a disk that cannot be written nothing is removed either.
    let _ = file.set_modified(SystemTime::now());
    Ok(bytes)
}

#[cfg(test)]
mod tests;
