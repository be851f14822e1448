//! Puts a version of a plugin in the place of another one, as a whole or not at all.
//!
//! The files are written beside the directory, brought to the disk, and exchanged with it in one
//! step of the file system. Whoever opens the directory finds the one version or the other, also
//! where the machine stops in between; what such a stop leaves beside it, the next deploy removes.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use super::{Manifest, ManifestError, SignatureFile};

/// Most bytes of a file beside the component.
const MAX_SMALL: u64 = 1 << 20;

/// Files shown of those that are not a plugin's.
const SHOWN: usize = 5;

/// The directory that a plugin is deployed to. While it is held, no other deploy goes to its
/// folder.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    staged: PathBuf,
    previous: PathBuf,
    exists: bool,
    // Locked.
    folder: File,
}

/// A plugin cannot be deployed. The version in place is untouched, but for
/// [`NotKept`](DeployError::NotKept).
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// The file system refuses.
    #[error("cannot {what} {path}: {reason}", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why not.
        reason: io::Error,
    },
    /// Somebody deploys to the same folder.
    #[error("another deploy is under way in {path}", path = .0.display())]
    Busy(PathBuf),
    /// It is no directory that could be exchanged.
    #[error(
        "{path} is a file or a symbolic link, and a deploy exchanges directories",
        path = .0.display()
    )]
    NoDirectory(PathBuf),
    /// It holds what a deploy would take out of its place.
    #[error(
        "{path} holds what is not a plugin's: {}; a deploy exchanges the directory as a whole, so \
         set the plugin's `path` to one of its own", .files.join(", "), path = .path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Some of what it holds.
        files: Vec<String>,
    },
    /// The source is the target.
    #[error("{path} is what is in place already", path = .0.display())]
    InPlace(PathBuf),
    /// The source is not what it was a moment ago.
    #[error("{path} changed while it was deployed", path = .0.display())]
    Changed(PathBuf),
    /// The copy's manifest.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// All is done but the last step.
    #[error(
        "the new version is in place; the one before could not be kept and is at {path} until the \
         next deploy: {reason}", path = .path.display()
    )]
    NotKept {
        /// Where the version before is.
        path: PathBuf,
        /// Why.
        reason: Box<DeployError>,
    },
}

impl Target {
    /// Takes hold of a plugin's directory, which need not exist. The folder that it is in must.
    ///
    /// # Errors
    /// [`DeployError`]: also where it holds files that are not a plugin's.
    pub fn hold(path: &Path) -> Result<Self, DeployError> {
        let no_directory = || DeployError::NoDirectory(path.to_owned());
        let name = path.file_name().ok_or_else(no_directory)?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            Some(_) | None => Path::new("."),
        };
        let held = File::open(folder).map_err(io_error("open", folder))?;
        match flock(&held, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(DeployError::Busy(folder.to_owned()));
            }
            Err(error) => return Err(io_error("lock", folder)(error.into())),
        }
        let beside = |before: &str, after: &str| {
            let mut beside = OsString::from(before);
            beside.push(name);
            beside.push(after);
            folder.join(beside)
        };
        let target = Self {
            path: path.to_owned(),
            staged: beside(".", ".deploying"),
            previous: beside("", ".previous"),
            exists: is_plugin(path)?,
            folder: held,
        };
        is_plugin(&target.previous)?;
        is_plugin(&target.staged)?;
        Ok(target)
    }

    /// The manifest in place; none where nothing is.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn manifest(&self) -> Option<Result<Manifest, ManifestError>> {
        self.exists.then(|| Manifest::load(&self.path))
    }

    /// Puts the plugin in `source` in place. What was there is then at the path that is given
    /// back. `manifest` and `digest` are what was examined: nothing else is put in place.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn replace(
        &self,
        source: &Path,
        manifest: &Manifest,
        digest: &str,
    ) -> Result<Option<PathBuf>, DeployError> {
        if self.exists && is_same(source, &self.path) {
            return Err(DeployError::InPlace(self.path.clone()));
        }
        remove(&self.staged)?;
        let staged = self.stage(source, manifest, digest);
        if let Err(error) = staged.and_then(|()| self.exchange()) {
            // What is left goes with the next deploy.
            let _ = remove(&self.staged);
            return Err(error);
        }
        if !self.exists {
            return Ok(None);
        }
        self.keep().map_err(|reason| DeployError::NotKept {
            path: self.staged.clone(),
            reason: Box::new(reason),
        })?;
        Ok(Some(self.previous.clone()))
    }

    /// What was exchanged becomes the version before.
    fn keep(&self) -> Result<(), DeployError> {
        match is_plugin(&self.previous)? {
            true => rename(&self.staged, &self.previous, RenameFlags::EXCHANGE)?,
            false => rename(&self.staged, &self.previous, RenameFlags::NOREPLACE)?,
        }
        remove(&self.staged)?;
        self.sync()
    }

    fn stage(&self, source: &Path, manifest: &Manifest, digest: &str) -> Result<(), DeployError> {
        let staged = &self.staged;
        fs::create_dir(staged).map_err(io_error("make", staged))?;
        let component = copy(source, staged, &manifest.component, u64::MAX)?;
        copy(source, staged, Path::new(Manifest::FILE), MAX_SMALL)?;
        let signature = Path::new(SignatureFile::FILE);
        if source.join(signature).symlink_metadata().is_ok() {
            copy(source, staged, signature, MAX_SMALL)?;
        }
        let is_same = crate::sandbox::digest(&component) == digest;
        if !is_same || Manifest::load(staged)? != *manifest {
            return Err(DeployError::Changed(source.to_owned()));
        }
        if self.exists {
            let permissions = fs::metadata(&self.path)
                .map_err(io_error("look at", &self.path))?
                .permissions();
            fs::set_permissions(staged, permissions).map_err(io_error("set up", staged))?;
        }
        let directory = File::open(staged).map_err(io_error("open", staged))?;
        directory.sync_all().map_err(io_error("write", staged))
    }

    fn exchange(&self) -> Result<(), DeployError> {
        match self.exists {
            true => rename(&self.staged, &self.path, RenameFlags::EXCHANGE)?,
            false => rename(&self.staged, &self.path, RenameFlags::NOREPLACE)?,
        }
        self.sync()
    }

    fn sync(&self) -> Result<(), DeployError> {
        self.folder
            .sync_all()
            .map_err(io_error("write the folder of", &self.path))
    }
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DeployError {
    let path = path.to_owned();
    move |reason| DeployError::Io { what, path, reason }
}

/// Copies a file and gives its bytes, which are on the disk then.
fn copy(from: &Path, to: &Path, name: &Path, most: u64) -> Result<Vec<u8>, DeployError> {
    let (from, to) = (from.join(name), to.join(name));
    let file = File::open(&from).map_err(io_error("read", &from))?;
    let mut bytes = Vec::new();
    let read = file.take(most).read_to_end(&mut bytes);
    read.map_err(io_error("read", &from))?;
    let mut copy = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&to)
        .map_err(io_error("write", &to))?;
    io::Write::write_all(&mut copy, &bytes)
        .and_then(|()| copy.sync_all())
        .map_err(io_error("write", &to))?;
    Ok(bytes)
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> Result<(), DeployError> {
    renameat_with(CWD, from, CWD, to, flags)
        .map_err(|error| io_error("put in place", to)(error.into()))
}

/// Whether there is a directory, and nothing in it but a plugin.
fn is_plugin(path: &Path) -> Result<bool, DeployError> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(io_error("look at", path)(error)),
        Ok(found) if found.is_dir() => {}
        Ok(_) => return Err(DeployError::NoDirectory(path.to_owned())),
    }
    let component = Manifest::load(path).ok().map(|manifest| manifest.component);
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io_error("list", path))? {
        let entry = entry.map_err(io_error("list", path))?;
        let name = PathBuf::from(entry.file_name());
        let is_its = name == Path::new(Manifest::FILE)
            || name == Path::new(SignatureFile::FILE)
            || name
                .extension()
                .is_some_and(|extension| extension == "wasm")
            || component.as_ref() == Some(&name);
        let is_file = entry.file_type().map_err(io_error("list", path))?.is_file();
        if !(is_its && is_file) {
            files.push(name.display().to_string());
        }
    }
    if files.is_empty() {
        return Ok(true);
    }
    files.sort();
    let path = path.to_owned();
    files.truncate(SHOWN);
    Err(DeployError::Foreign { path, files })
}

/// Removes a directory that holds a plugin, or a part of one.
fn remove(path: &Path) -> Result<(), DeployError> {
    match is_plugin(path)? {
        true => fs::remove_dir_all(path).map_err(io_error("remove", path)),
        false => Ok(()),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        (Err(_), _) | (_, Err(_)) => false,
    }
}
