//! Puts a version of a plugin in the place of another one, as a whole or not at all.
//!
//! The files are written beside the directory, brought to the disk, and exchanged with it in one
//! step of the file system. Whoever opens the directory finds the one version or the other, also
//! where the machine stops in between; what such a stop leaves beside it, the next deploy removes.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, Mode, OFlags, RenameFlags, flock, openat, renameat_with};

use super::gate::Files;
use super::{Manifest, ManifestError, SignatureFile};

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
    /// A deploy would put the version before, or what it is about to put in place, where another
    /// plugin is.
    #[error(
        "{path} is another plugin's path, and a deploy to this one needs it: give one of the two \
         another `path`", path = .0.display()
    )]
    Taken(PathBuf),
    /// All is done but what follows the exchange.
    #[error(
        "the new version is in place, but not all is done: {reason}; the version before, where \
         there was one, is at {path} until the next deploy, or at {previous}",
        path = .path.display(), previous = .previous.display()
    )]
    NotKept {
        /// Where the version before was put by the exchange.
        path: PathBuf,
        /// Where it is kept.
        previous: PathBuf,
        /// Why.
        reason: Box<DeployError>,
    },
}

impl Target {
    /// Takes hold of a plugin's directory, which need not exist. The folder that it is in must.
    /// `others` are the directories of other plugins, which no deploy to this one may touch.
    ///
    /// # Errors
    /// [`DeployError`]: also where it holds files that are not a plugin's.
    pub fn hold<'a>(
        path: &Path,
        others: impl IntoIterator<Item = &'a Path>,
    ) -> Result<Self, DeployError> {
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
        for other in others {
            for needed in [&target.previous, &target.staged] {
                if is_same(other, needed) {
                    return Err(DeployError::Taken(other.to_owned()));
                }
            }
        }
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

    /// Puts the plugin that was examined in `source` in place: these very bytes. What was there
    /// is then at the path that is given back.
    ///
    /// # Errors
    /// [`DeployError`].
    pub fn replace(
        &self,
        source: &Path,
        manifest: &Manifest,
        files: &Files,
    ) -> Result<Option<PathBuf>, DeployError> {
        if self.exists && is_same(source, &self.path) {
            return Err(DeployError::InPlace(self.path.clone()));
        }
        remove(&self.staged)?;
        let staged = self.stage(manifest, files);
        if let Err(error) = staged.and_then(|()| self.exchange()) {
            // What is left goes with the next deploy.
            let _ = remove(&self.staged);
            return Err(error);
        }
        // From here on what is at `staged` is the version before.
        self.finish().map_err(|reason| DeployError::NotKept {
            path: self.staged.clone(),
            previous: self.previous.clone(),
            reason: Box::new(reason),
        })?;
        Ok(self.exists.then(|| self.previous.clone()))
    }

    fn finish(&self) -> Result<(), DeployError> {
        self.sync()?;
        match self.exists {
            true => self.keep(),
            false => Ok(()),
        }
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

    fn stage(&self, manifest: &Manifest, files: &Files) -> Result<(), DeployError> {
        let staged = &self.staged;
        fs::create_dir(staged).map_err(io_error("make", staged))?;
        // What is written goes through this, whatever somebody puts at the path meanwhile.
        let directory = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(CWD, staged, directory, Mode::empty())
            .map(File::from)
            .map_err(|error| io_error("open", staged)(error.into()))?;
        let earlier = match self.exists {
            true => Some(fs::metadata(&self.path).map_err(io_error("look at", &self.path))?),
            false => None,
        };
        let write = |name: &Path, bytes: &[u8]| {
            write(&directory, name, bytes, earlier.as_ref())
                .map_err(io_error("write", &staged.join(name)))
        };
        // First: without it the next deploy would not know whose the component is.
        write(Path::new(Manifest::FILE), files.manifest.as_bytes())?;
        write(&manifest.component, &files.component)?;
        if let Some(signature) = &files.signature {
            write(Path::new(SignatureFile::FILE), signature)?;
        }
        if let Some(earlier) = &earlier {
            give_to_owner(&directory, earlier).map_err(io_error("give to its owner", staged))?;
            directory
                .set_permissions(earlier.permissions())
                .map_err(io_error("set up", staged))?;
        }
        directory.sync_all().map_err(io_error("write", staged))
    }

    fn exchange(&self) -> Result<(), DeployError> {
        match self.exists {
            true => rename(&self.staged, &self.path, RenameFlags::EXCHANGE),
            false => rename(&self.staged, &self.path, RenameFlags::NOREPLACE),
        }
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

/// Writes a new file to the disk. It belongs to whom the version before belongs to.
fn write(
    directory: &File,
    name: &Path,
    bytes: &[u8],
    earlier: Option<&Metadata>,
) -> io::Result<()> {
    let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let mut file = File::from(openat(directory, name, new, Mode::from_raw_mode(0o666))?);
    file.write_all(bytes)?;
    if let Some(earlier) = earlier {
        give_to_owner(&file, earlier)?;
    }
    file.sync_all()
}

/// A host that could read the version before is to read this one, whoever deploys it.
fn give_to_owner(file: &File, earlier: &Metadata) -> io::Result<()> {
    let found = file.metadata()?;
    match (found.uid(), found.gid()) == (earlier.uid(), earlier.gid()) {
        true => Ok(()),
        false => fchown(file, Some(earlier.uid()), Some(earlier.gid())),
    }
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
            // What a killed `plugin sign` leaves.
            || name == Path::new(SignatureFile::NEW)
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
        true => {}
        false => return Ok(()),
    }
    for entry in fs::read_dir(path).map_err(io_error("list", path))? {
        let entry = entry.map_err(io_error("list", path))?;
        // Last: what says whose the component is.
        if entry.file_name() != Manifest::FILE {
            fs::remove_file(entry.path()).map_err(io_error("remove", path))?;
        }
    }
    fs::remove_dir_all(path).map_err(io_error("remove", path))
}

/// Whether two paths lead to one place, where there need not be anything yet.
fn is_same(one: &Path, other: &Path) -> bool {
    match (place(one), place(other)) {
        (Some(one), Some(other)) => one == other,
        (None, _) | (_, None) => false,
    }
}

fn place(path: &Path) -> Option<PathBuf> {
    if let Ok(path) = path.canonicalize() {
        return Some(path);
    }
    let folder = match path.parent()? {
        folder if folder == Path::new("") => Path::new("."),
        folder => folder,
    };
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

#[cfg(test)]
mod tests;
