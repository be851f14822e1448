//! What the compiling child answers on its standard output: a byte for the kind, the length,
//! and so many bytes. A whole reply counts however the child ends after it.

use std::io::{self, Read, Write};

/// Longest message of a refusal, in bytes.
const MAX_MESSAGE: usize = 4 << 10;

const ARTIFACT: u8 = 1;
const REFUSED: u8 = 2;

/// The exit code of a child that was denied memory and noticed. One that did not aborts.
pub(super) const OUT_OF_MEMORY: u8 = 3;

/// A child's answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The compiled component.
    Artifact(Vec<u8>),
    /// It is no component; the compiler's words.
    Refused(String),
}

/// There is no whole answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NoReply {
    /// It is longer than what is taken.
    TooLong,
    /// The child ended before its end, or did not keep to the form.
    Broken,
}

impl Reply {
    pub(super) fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Artifact(artifact) => (ARTIFACT, artifact),
            Self::Refused(message) => {
                let message = message.as_bytes();
                (REFUSED, &message[..message.len().min(MAX_MESSAGE)])
            }
        };
        to.write_all(&[kind])?;
        to.write_all(&(bytes.len() as u64).to_le_bytes())?;
        to.write_all(bytes)?;
        to.flush()
    }

    /// Reads an answer whose artifact has at most `most` bytes, and leaves `spare` bytes of
    /// room behind it.
    pub(super) fn read(from: &mut impl Read, most: usize, spare: usize) -> Result<Self, NoReply> {
        let mut kind = [0];
        let mut length = [0; 8];
        from.read_exact(&mut kind).map_err(|_| NoReply::Broken)?;
        from.read_exact(&mut length).map_err(|_| NoReply::Broken)?;
        let length = usize::try_from(u64::from_le_bytes(length)).unwrap_or(usize::MAX);
        let most = match kind[0] {
            ARTIFACT => most,
            REFUSED => MAX_MESSAGE,
            _ => return Err(NoReply::Broken),
        };
        if length > most {
            return Err(NoReply::TooLong);
        }
        let mut bytes = Vec::with_capacity(length + spare);
        let read = from.take(length as u64).read_to_end(&mut bytes);
        if read.ok() != Some(length) {
            return Err(NoReply::Broken);
        }
        Ok(match kind[0] {
            ARTIFACT => Self::Artifact(bytes),
            _ => Self::Refused(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply) -> Vec<u8> {
        let mut bytes = Vec::new();
        reply.write(&mut bytes).expect("write to memory");
        bytes
    }

    fn read(bytes: &[u8], most: usize) -> Result<Reply, NoReply> {
        Reply::read(&mut &*bytes, most, 0)
    }

    #[test]
    fn each_kind_comes_back_as_it_was() {
        for reply in [
            Reply::Artifact(vec![1, 2, 3]),
            Reply::Refused("no component".into()),
        ] {
            assert_eq!(read(&written(&reply), 3), Ok(reply));
        }
    }

    #[test]
    fn an_artifact_that_is_cut_anywhere_is_no_reply() {
        let whole = written(&Reply::Artifact(vec![1, 2, 3]));
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end], 3), Err(NoReply::Broken), "{end}");
        }
    }

    #[test]
    fn an_artifact_over_its_limit_is_not_read() {
        let whole = written(&Reply::Artifact(vec![0; 4]));
        assert_eq!(read(&whole, 3), Err(NoReply::TooLong));
        let boast = [&[ARTIFACT][..], &[0xff; 8]].concat();
        assert_eq!(read(&boast, 3), Err(NoReply::TooLong));
        assert_eq!(read(&[9; 20], 3), Err(NoReply::Broken));
    }
}
