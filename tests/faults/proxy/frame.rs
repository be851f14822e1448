//! Cutting a stream of bytes into frames of RESP 2, the form of requests and replies.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What is no RESP 2.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotResp(String);

/// Takes bytes as they come and gives whole frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame, once all of it is there.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, NotResp> {
        let Some(end) = end_of_frame(&self.buffer, 0)? else {
            return Ok(None);
        };
        let rest = self.buffer.split_off(end);
        Ok(Some(std::mem::replace(&mut self.buffer, rest)))
    }

    /// The next frame of a connection; none at its end, or where it breaks.
    pub(crate) async fn read(&mut self, from: &mut (impl AsyncRead + Unpin)) -> Option<Vec<u8>> {
        let mut chunk = vec![0; 16 << 10];
        loop {
            match self.next() {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => {}
                Err(NotResp(what)) => panic!("the proxy cannot read {what}"),
            }
            match from.read(&mut chunk).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => self.push(&chunk[..read]),
            }
        }
    }
}

/// Where the frame at `start` ends; none where its end is not there yet.
fn end_of_frame(bytes: &[u8], start: usize) -> Result<Option<usize>, NotResp> {
    let Some(length) = bytes[start..].windows(2).position(|pair| pair == b"\r\n") else {
        return Ok(None);
    };
    let (line, end) = (&bytes[start..start + length], start + length + 2);
    match line.first() {
        Some(b'+' | b'-' | b':') => Ok(Some(end)),
        Some(b'$') => {
            let Some(size) = count(line)? else {
                return Ok(Some(end));
            };
            let end = end + size + 2;
            Ok((end <= bytes.len()).then_some(end))
        }
        Some(b'*') => {
            let mut end = end;
            for _ in 0..count(line)?.unwrap_or(0) {
                match end_of_frame(bytes, end)? {
                    Some(next) => end = next,
                    None => return Ok(None),
                }
            }
            Ok(Some(end))
        }
        _ => Err(NotResp(String::from_utf8_lossy(line).into_owned())),
    }
}

/// The number behind the first byte of a line; none for the -1 of a nil.
fn count(line: &[u8]) -> Result<Option<usize>, NotResp> {
    let text = String::from_utf8_lossy(line);
    match text[1..].parse::<i64>() {
        Ok(-1) => Ok(None),
        Ok(number @ 0..) => Ok(Some(number as usize)),
        Ok(_) | Err(_) => Err(NotResp(text.into_owned())),
    }
}

/// The arguments of a request frame.
pub(crate) fn arguments(frame: &[u8]) -> Vec<&[u8]> {
    let mut arguments = Vec::new();
    let mut rest = line(frame).1;
    while !rest.is_empty() {
        let (head, body) = line(rest);
        let Ok(Some(size)) = count(head) else {
            break;
        };
        arguments.push(&body[..size]);
        rest = &body[size + 2..];
    }
    arguments
}

/// The first line and what is behind it.
fn line(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => (&bytes[..end], &bytes[end + 2..]),
        None => (bytes, &[]),
    }
}

/// Whether the reply to a fetch hands out anything: its first part is a list that is not empty.
pub(crate) fn hands_out(reply: &[u8]) -> bool {
    let (head, rest) = line(reply);
    let (first, _) = line(rest);
    head.starts_with(b"*") && first.starts_with(b"*") && first != b"*0" && first != b"*-1"
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn bulk(bytes: &[u8]) -> Vec<u8> {
        let mut frame = format!("${}\r\n", bytes.len()).into_bytes();
        frame.extend_from_slice(bytes);
        frame.extend_from_slice(b"\r\n");
        frame
    }

    fn list(items: &[Vec<u8>]) -> Vec<u8> {
        let mut frame = format!("*{}\r\n", items.len()).into_bytes();
        frame.extend(items.iter().flatten());
        frame
    }

    fn any_frame() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            "[ -~]{0,9}".prop_map(|text| format!("+{text}\r\n").into_bytes()),
            "[A-Z]{1,9} [ -~]{0,9}".prop_map(|text| format!("-{text}\r\n").into_bytes()),
            any::<i64>().prop_map(|number| format!(":{number}\r\n").into_bytes()),
            // Any bytes, among them what looks like the end of a line.
            vec(prop_oneof![Just(b'\r'), Just(b'\n'), any::<u8>()], 0..20)
                .prop_map(|bytes| bulk(&bytes)),
            Just(b"$-1\r\n".to_vec()),
            Just(b"*-1\r\n".to_vec()),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            vec(inner, 0..4).prop_map(|items| list(&items))
        })
    }

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_the_bytes_are_cut(
            frames in vec(any_frame(), 1..8),
            cuts in vec(1_usize..9, 1..40),
        ) {
            let bytes = frames.concat();
            let mut rest = bytes.as_slice();
            let mut cuts = cuts.iter().cycle();
            let mut reader = Frames::default();
            let mut found = Vec::new();
            while !rest.is_empty() {
                let cut = (*cuts.next().expect("a cycle")).min(rest.len());
                let (chunk, behind) = rest.split_at(cut);
                reader.push(chunk);
                rest = behind;
                while let Some(frame) = reader.next().expect("it is RESP") {
                    found.push(frame);
                }
            }
            prop_assert_eq!(found, frames);
        }

        #[test]
        fn the_arguments_of_a_request_are_read_to_the_byte(
            words in vec(vec(any::<u8>(), 0..20), 0..6),
        ) {
            let frame = list(&words.iter().map(|word| bulk(word)).collect::<Vec<_>>());
            prop_assert_eq!(arguments(&frame), words);
        }
    }

    #[test]
    fn what_is_no_resp_is_refused() {
        for bytes in [&b"GET / HTTP/1.1\r\n"[..], b"$x\r\n", b"*-2\r\n", b"\r\n"] {
            let mut reader = Frames::default();
            reader.push(bytes);
            assert!(reader.next().is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_fetch_that_finds_nothing_hands_nothing_out() {
        assert!(!hands_out(b"*5\r\n*0\r\n:-1\r\n:0\r\n:0\r\n$3\r\n0-0\r\n"));
        assert!(!hands_out(b"-NOGROUP no such group\r\n"));
        assert!(hands_out(
            b"*5\r\n*1\r\n*0\r\n:-1\r\n:0\r\n:0\r\n$3\r\n0-0\r\n"
        ));
    }
}
