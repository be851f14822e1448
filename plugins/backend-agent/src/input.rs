//! What a backend agent is asked for, and what is wrong with it.

use std::fmt;

use hothouse_sdk::HandlerError;
use serde::Deserialize;

/// The `input_data` of an `agent.execution.started` for a backend agent.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Input {
    /// Paths in the repository, with `/`, relative to its root.
    pub files_to_modify: Vec<String>,
    /// What to do, in words.
    pub requirements: String,
}

impl Input {
    /// Finds the first thing that is wrong with the input.
    ///
    /// # Errors
    ///
    /// That thing.
    pub fn check(&self) -> Result<(), InputError> {
        if self.files_to_modify.is_empty() {
            return Err(InputError::NoFiles);
        }
        if self.requirements.trim().is_empty() {
            return Err(InputError::NoRequirements);
        }
        self.files_to_modify
            .iter()
            .try_for_each(|path| check_path(path))
    }
}

fn check_path(path: &str) -> Result<(), InputError> {
    if path.trim().is_empty() {
        return Err(InputError::EmptyPath);
    }
    // Windows' spellings too: the repository's other tools may run there.
    let has_drive = path.as_bytes().get(1) == Some(&b':');
    if path.starts_with(['/', '\\']) || has_drive {
        return Err(InputError::AbsolutePath(path.to_owned()));
    }
    if path.split(['/', '\\']).any(|part| part == "..") {
        return Err(InputError::OutsideRepository(path.to_owned()));
    }
    Ok(())
}

/// What is wrong with an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputError {
    /// `files_to_modify` is empty.
    NoFiles,
    /// `requirements` is empty, or blank.
    NoRequirements,
    /// A path is empty, or blank.
    EmptyPath,
    /// A path is not relative to the repository's root.
    AbsolutePath(String),
    /// A path has a `..` in it.
    OutsideRepository(String),
}

impl fmt::Display for InputError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFiles => write!(formatter, "files_to_modify is empty"),
            Self::NoRequirements => write!(formatter, "requirements is empty"),
            Self::EmptyPath => write!(formatter, "files_to_modify: a path is empty"),
            Self::AbsolutePath(path) => {
                write!(formatter, "files_to_modify: `{path}` is an absolute path")
            }
            Self::OutsideRepository(path) => {
                write!(formatter, "files_to_modify: `{path}` leaves the repository")
            }
        }
    }
}

impl std::error::Error for InputError {}

impl From<InputError> for HandlerError {
    fn from(error: InputError) -> Self {
        Self::validation(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[&str], requirements: &str) -> Result<(), InputError> {
        Input {
            files_to_modify: files.iter().map(|&file| file.to_owned()).collect(),
            requirements: requirements.to_owned(),
        }
        .check()
    }

    #[test]
    fn relative_paths_and_some_words_are_right() {
        assert_eq!(check(&["src/a.js", "b..c/d.js"], "Add it"), Ok(()));
    }

    #[test]
    fn an_empty_list_and_empty_requirements_are_refused() {
        assert_eq!(check(&[], "Add it"), Err(InputError::NoFiles));
        assert_eq!(check(&["a.js"], " \n"), Err(InputError::NoRequirements));
        assert_eq!(check(&["a.js", " "], "Add it"), Err(InputError::EmptyPath));
    }

    #[test]
    fn absolute_paths_are_refused_in_every_spelling() {
        for path in ["/etc/passwd", "\\\\server\\share", "C:\\a.js", "c:/a.js"] {
            assert_eq!(
                check(&["a.js", path], "Add it"),
                Err(InputError::AbsolutePath(path.to_owned()))
            );
        }
    }

    #[test]
    fn paths_that_leave_the_repository_are_refused_in_every_spelling() {
        for path in ["..", "../a.js", "src/../../a.js", "src\\..\\a.js"] {
            assert_eq!(
                check(&[path], "Add it"),
                Err(InputError::OutsideRepository(path.to_owned()))
            );
        }
    }
}
