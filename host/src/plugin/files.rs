//! Files that somebody else made: opened only where they are files, and read up to a bound.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file, which links may lead to. What is none, as a device or a pipe, is
/// neither read nor waited for.
///
/// # Errors
/// As [`File::open`], and where it is no file.
fn open(path: &Path) -> io::Result<File> {
    // Without the flag the opening of a pipe waits for who writes to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no file")),
    }
}

/// The bytes of a file that has at most `most` of them. Of one that says to have more nothing is
/// read.
///
/// # Errors
/// As [`open`]; [`FileTooLarge`](io::ErrorKind::FileTooLarge) where it has more.
pub(crate) fn read_small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let mut bytes = Vec::new();
    let mut length = file.metadata()?.len();
    if length <= most {
        file.take(most + 1).read_to_end(&mut bytes)?;
        // It may have grown meanwhile.
        length = bytes.len() as u64;
    }
    if length > most {
        let message = format!("it has more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use rustix::fs::{CWD, Mode, mkfifoat};

    use super::*;

    #[test]
    fn a_file_is_read_whole_or_not_at_all() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plugin.toml");
        fs::write(&path, "12345").expect("write");
        assert_eq!(read_small(&path, 5).expect("a file"), b"12345");
        let error = read_small(&path, 4).expect_err("too large");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let link = folder.path().join("link");
        symlink(&path, &link).expect("a link");
        assert_eq!(read_small(&link, 5).expect("a file"), b"12345");
        let error = read_small(&folder.path().join("absent"), 5).expect_err("absent");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_file_is_neither_read_nor_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).expect("a pipe");
        let zero = folder.path().join("zero");
        symlink("/dev/zero", &zero).expect("a link");
        for path in [&pipe, &zero, &folder.path().to_owned()] {
            let error = read_small(path, 10).expect_err("no file");
            assert_eq!(error.to_string(), "it is no file", "{}", path.display());
        }
    }
}
