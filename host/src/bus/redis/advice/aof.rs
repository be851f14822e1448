//! The torn tail of an append-only file.
//!
//! Redis writes a script's effects between MULTI and EXEC. Where it was cut off in the middle
//! of them, it loads the file without them at its next start, but may leave the MULTI in it.
//! At the start after that, everything written meanwhile is inside that transaction: it is
//! dropped, or, where a later EXEC ends it, the half commit is done as well.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A line of the format: a count, or an annotation.
const LONGEST_LINE: u64 = 2048;

/// A transaction may be open at the file's end because it is being written right now.
const LOOKS: u32 = 5;
const BETWEEN_LOOKS: Duration = Duration::from_millis(200);

/// What the files say.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Every transaction has its end.
    Whole,
    /// One has none.
    Torn {
        /// In which file.
        file: PathBuf,
        /// Where it begins.
        offset: u64,
    },
    /// The files cannot be read, or are not what they should be.
    NotHere,
}

/// Reads the increments that a manifest names. Blocks, for as long as the files take; holds
/// none of their values in memory.
pub(super) fn tail(manifest: &Path) -> Tail {
    match look(manifest) {
        Ok(None) => Tail::Whole,
        Ok(Some((file, offset))) => Tail::Torn { file, offset },
        Err(_) => Tail::NotHere,
    }
}

fn look(manifest: &Path) -> io::Result<Option<(PathBuf, u64)>> {
    let text = std::fs::read_to_string(manifest)?;
    let folder = manifest.parent().unwrap_or(Path::new(""));
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["file", name, "seq", _, "type", "i", ..] = words[..] else {
            continue;
        };
        let path = folder.join(name);
        if let Some(offset) = open_transaction(&mut BufReader::new(File::open(&path)?))? {
            return Ok(Some((path, offset)));
        }
    }
    Ok(None)
}

/// Where a transaction begins that has no end.
fn open_transaction(file: &mut BufReader<File>) -> io::Result<Option<u64>> {
    let mut looks = 0;
    let mut from = 0;
    loop {
        match scan(file, from)? {
            Scan::Closed => return Ok(None),
            Scan::Nested(offset) => return Ok(Some(offset)),
            Scan::Open(offset) => {
                looks = if offset == from { looks + 1 } else { 0 };
                if looks == LOOKS {
                    return Ok(Some(offset));
                }
                from = offset;
                std::thread::sleep(BETWEEN_LOOKS);
            }
        }
    }
}

enum Scan {
    /// Every transaction ended.
    Closed,
    /// One is open at the end of what could be read.
    Open(u64),
    /// One is open where the next begins.
    Nested(u64),
}

fn scan(file: &mut BufReader<File>, from: u64) -> io::Result<Scan> {
    file.seek(SeekFrom::Start(from))?;
    let mut open = None;
    loop {
        let at = file.stream_position()?;
        match command(file) {
            Ok(Command::Multi) => match open {
                Some(open) => return Ok(Scan::Nested(open)),
                None => open = Some(at),
            },
            Ok(Command::Exec) => open = None,
            Ok(Command::Other) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                return Ok(open.map_or(Scan::Closed, Scan::Open));
            }
            Err(error) => return Err(error),
        }
    }
}

enum Command {
    Multi,
    Exec,
    Other,
}

fn command(file: &mut BufReader<File>) -> io::Result<Command> {
    let line = line(file)?;
    if line.starts_with(b"#") {
        return Ok(Command::Other);
    }
    let words = count(&line, b'*')?;
    let mut found = Command::Other;
    for word in 0..words {
        let length = count(&self::line(file)?, b'$')?;
        if word == 0 && words == 1 && length <= 5 {
            let mut name = vec![0; length as usize];
            file.read_exact(&mut name)?;
            if name.eq_ignore_ascii_case(b"MULTI") {
                found = Command::Multi;
            } else if name.eq_ignore_ascii_case(b"EXEC") {
                found = Command::Exec;
            }
        } else {
            let length = i64::try_from(length).map_err(io::Error::other)?;
            file.seek_relative(length)?;
        }
        // Also tells that the value, which was passed over, is there to its end.
        let mut end = [0; 2];
        file.read_exact(&mut end)?;
        if end != *b"\r\n" {
            return Err(io::Error::other("a value has another length"));
        }
    }
    Ok(found)
}

fn line(file: &mut BufReader<File>) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    file.take(LONGEST_LINE).read_until(b'\n', &mut line)?;
    if line.strip_suffix(b"\n").is_none() {
        return Err(match line.len() as u64 {
            LONGEST_LINE => io::Error::other("a line is too long"),
            _ => ErrorKind::UnexpectedEof.into(),
        });
    }
    Ok(line)
}

fn count(line: &[u8], mark: u8) -> io::Result<u64> {
    let digits = line
        .strip_prefix(&[mark])
        .and_then(|rest| rest.strip_suffix(b"\r\n"));
    digits
        .and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok())
        .ok_or_else(|| io::Error::other("not an append-only file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: &[u8] = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$7\r\nMULTI\r\n\r\n";
    const MULTI: &[u8] = b"*1\r\n$5\r\nMULTI\r\n";
    const EXEC: &[u8] = b"*1\r\n$4\r\nEXEC\r\n";

    fn tail_of(parts: &[&[u8]]) -> Tail {
        let folder = tempfile::tempdir().expect("a folder");
        let manifest = folder.path().join("a.manifest");
        let text = "file a.base.rdb seq 1 type b\nfile a.incr.aof seq 1 type i\n";
        std::fs::write(&manifest, text).expect("write");
        std::fs::write(folder.path().join("a.incr.aof"), parts.concat()).expect("write");
        match tail(&manifest) {
            Tail::Torn { file, offset } => Tail::Torn {
                file: file.file_name().expect("a name").into(),
                offset,
            },
            other => other,
        }
    }

    fn torn_at(offset: usize) -> Tail {
        Tail::Torn {
            file: "a.incr.aof".into(),
            offset: offset as u64,
        }
    }

    #[test]
    fn a_file_whose_transactions_have_their_ends_is_whole() {
        assert_eq!(tail_of(&[]), Tail::Whole);
        let stamp = b"#TS:1700000000\r\n";
        assert_eq!(tail_of(&[SET, stamp, MULTI, SET, EXEC, SET]), Tail::Whole);
    }

    #[test]
    fn a_transaction_without_its_end_is_found_at_the_end_and_before_the_next() {
        assert_eq!(tail_of(&[SET, MULTI, SET, SET]), torn_at(SET.len()));
        assert_eq!(tail_of(&[MULTI, &SET[..9]]), torn_at(0));
        let next = [SET, MULTI, SET, MULTI, SET, EXEC, SET];
        assert_eq!(tail_of(&next), torn_at(SET.len()));
    }

    #[test]
    fn what_cannot_be_read_is_not_judged() {
        assert_eq!(tail(Path::new("/no/such.manifest")), Tail::NotHere);
        assert_eq!(tail_of(&[b"REDIS0011\n"]), Tail::NotHere);
        assert_eq!(tail_of(&[MULTI, b"*1\r\n$x\r\n"]), Tail::NotHere);
    }
}
