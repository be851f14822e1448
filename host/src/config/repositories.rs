//! Where the repositories are that events name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::event::Id;
use crate::failure::{ErrorType, Failure};

/// Maps repository ids to directories.
///
/// What the operator wrote may lead through symbolic links: a table's paths, and a pattern up to
/// the part with the id. From there on the names are those of repositories, which others put
/// there, and a link among them is refused.
#[derive(Debug, Clone, Default)]
pub struct Repositories {
    /// Where they are, as a rule.
    pub pattern: Option<RepositoryPattern>,
    /// Directories of single repositories; they come before the pattern.
    pub table: BTreeMap<Id, PathBuf>,
}

/// A path with `{repository_id}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPattern {
    /// Up to the part with the id.
    root: PathBuf,
    /// That part and what follows.
    rest: String,
}

/// The text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryPatternError {
    /// It names one place for all.
    #[error("must contain {PLACEHOLDER}")]
    NoPlaceholder,
    /// It would leave the repository again.
    #[error("must not have `..` behind {PLACEHOLDER}")]
    Above,
}

const PLACEHOLDER: &str = "{repository_id}";

impl RepositoryPattern {
    /// A pattern, relative to `folder`.
    ///
    /// # Errors
    /// [`RepositoryPatternError`].
    pub fn parse(text: &str, folder: &Path) -> Result<Self, RepositoryPatternError> {
        let id = text
            .find(PLACEHOLDER)
            .ok_or(RepositoryPatternError::NoPlaceholder)?;
        let part = text[..id].rfind('/').map_or(0, |slash| slash + 1);
        let (root, rest) = text.split_at(part);
        if rest.split('/').any(|part| part == "..") {
            return Err(RepositoryPatternError::Above);
        }
        Ok(Self {
            root: folder.join(root),
            rest: rest.to_owned(),
        })
    }

    fn of(&self, repository: Id) -> Result<PathBuf, Failure> {
        let rest = self.rest.replace(PLACEHOLDER, &repository.to_string());
        let root = real(repository, &self.root)?;
        let path = root.join(rest.trim_end_matches('/'));
        let found = real(repository, &path)?;
        if found == path {
            return Ok(found);
        }
        Err(Failure::new(
            ErrorType::CapabilityDenied,
            format!(
                "repository {repository} at {} is reached through a symbolic link: name its \
                 directory in [repositories.table] if it is meant",
                path.display()
            ),
        ))
    }
}

impl Repositories {
    /// The directory of a repository, without a symbolic link in its path.
    ///
    /// # Errors
    /// `host_error` where none is configured or it is not there: it is retried, for the
    /// repository may be on its way. `capability_denied` where it is a link of somebody else.
    pub fn find(&self, repository: Id) -> Result<PathBuf, Failure> {
        let path = match (self.table.get(&repository), &self.pattern) {
            (Some(path), _) => real(repository, path)?,
            (None, Some(pattern)) => pattern.of(repository)?,
            (None, None) => {
                let message = format!(
                    "no directory is configured for repository {repository}: set [repositories] \
                     in hothouse.toml"
                );
                return Err(Failure::new(ErrorType::HostError, message));
            }
        };
        match path.is_dir() {
            true => Ok(path),
            false => Err(not_at(
                repository,
                &path,
                &io::Error::from(io::ErrorKind::NotADirectory),
            )),
        }
    }
}

fn real(repository: Id, path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|reason| not_at(repository, path, &reason))
}

fn not_at(repository: Id, path: &Path, reason: &io::Error) -> Failure {
    let message = format!(
        "repository {repository} is not at {}: {reason}",
        path.display()
    );
    Failure::new(ErrorType::HostError, message)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    fn pattern(text: &str, folder: &Path) -> Repositories {
        Repositories {
            pattern: Some(RepositoryPattern::parse(text, folder).expect("a pattern")),
            table: BTreeMap::new(),
        }
    }

    #[test]
    fn a_link_in_the_place_of_a_repository_is_refused_wherever_it_leads() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its path");
        let (own, other, above) = (Id::random(), Id::random(), Id::random());
        let place = |id: Id| root.join(format!("all/{id}"));
        fs::create_dir_all(place(own).join("checkout")).expect("a repository");
        symlink("/etc", place(above)).expect("a link");
        symlink(place(own), place(other)).expect("a link");

        let repositories = pattern("all/{repository_id}", &root);
        assert_eq!(repositories.find(own).expect("a directory"), place(own));
        for id in [other, above] {
            let failure = repositories.find(id).expect_err("a link");
            assert_eq!(failure.error_type, ErrorType::CapabilityDenied);
            assert!(failure.message.contains(&id.to_string()), "{failure}");
        }
        // Also deeper in the pattern.
        let repositories = pattern("all/{repository_id}/checkout", &root);
        let found = repositories.find(own).expect("a directory");
        assert_eq!(found, place(own).join("checkout"));
        let failure = repositories.find(other).expect_err("a link");
        assert_eq!(failure.error_type, ErrorType::CapabilityDenied);
    }

    #[test]
    fn links_of_the_operator_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path().canonicalize().expect("its path");
        let id = Id::random();
        let real = root.join(format!("disk/{id}"));
        fs::create_dir_all(&real).expect("a repository");
        symlink(root.join("disk"), root.join("link")).expect("a link");

        let found = pattern("link/{repository_id}", &root).find(id);
        assert_eq!(found.expect("a directory"), real);
        let table = Repositories {
            table: BTreeMap::from([(id, root.join(format!("link/{id}")))]),
            pattern: None,
        };
        assert_eq!(table.find(id).expect("a directory"), real);
    }

    #[test]
    fn a_repository_that_is_not_there_or_a_file_may_be_on_its_way() {
        let folder = tempfile::tempdir().expect("a folder");
        let (absent, file) = (Id::random(), Id::random());
        fs::write(folder.path().join(file.to_string()), "").expect("a file");
        let repositories = pattern("{repository_id}", folder.path());
        for id in [absent, file] {
            let failure = repositories.find(id).expect_err("no directory");
            assert_eq!(failure.error_type, ErrorType::HostError, "{failure}");
        }
    }

    #[test]
    fn a_pattern_has_the_id_and_does_not_go_up_from_there() {
        let parse = |text| RepositoryPattern::parse(text, Path::new("/srv"));
        assert_eq!(
            parse("repositories"),
            Err(RepositoryPatternError::NoPlaceholder)
        );
        assert_eq!(
            parse("{repository_id}/../x"),
            Err(RepositoryPatternError::Above)
        );
        let found = parse("../repositories/r-{repository_id}/x").expect("a pattern");
        assert_eq!(found.root, Path::new("/srv/../repositories/"));
        assert_eq!(found.rest, "r-{repository_id}/x");
    }
}
