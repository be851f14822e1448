//! Images of answers for the guest `parrot.wat`: values of the contract's types in the canonical
//! ABI's form, with any bytes for texts.

/// What the guest is to answer.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// Of an agent.
    Executed { output_data: Vec<u8> },
    /// Of an analyzer: language, framework, database, then the boundaries.
    Analyzed {
        stack: [Vec<u8>; 3],
        boundaries: Vec<Vec<u8>>,
        risk: f64,
    },
    /// Of a handler: types and data.
    Handled { events: Vec<(Vec<u8>, Vec<u8>)> },
    /// Of any.
    Failed(Failed),
}

/// Why there is no result.
#[derive(Debug, Clone)]
pub(crate) enum Failed {
    Validation(Vec<u8>),
    Permanent(Vec<u8>),
    Retryable(Vec<u8>, Option<u64>),
}

/// A line to log first.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) level: u32,
    pub(crate) text: Vec<u8>,
}

/// Where the result is in an image: behind the guest's four words.
const RESULT: usize = 16;

/// Size of the largest result.
const RESULT_SIZE: usize = 48;

/// The image of an answer.
pub(crate) fn image(answer: &Answer, line: Option<&Line>) -> Vec<u8> {
    let mut image = Image(vec![0; RESULT + RESULT_SIZE]);
    image.word(0, RESULT as u32);
    match line {
        Some(Line { level, text }) => {
            image.word(4, *level);
            image.text(8, text);
        }
        None => image.word(4, u32::MAX),
    }
    let at = RESULT + 8;
    match answer {
        Answer::Executed { output_data } => image.text(at, output_data),
        Answer::Analyzed {
            stack,
            boundaries,
            risk,
        } => {
            for (index, name) in stack.iter().enumerate() {
                image.text(at + 8 * index, name);
            }
            let list = image.list(at + 24, boundaries.len(), 8);
            for (index, name) in boundaries.iter().enumerate() {
                image.text(list + 8 * index, name);
            }
            image.put(at + 32, &risk.to_le_bytes());
        }
        Answer::Handled { events } => {
            let list = image.list(at, events.len(), 16);
            for (index, (kind, data)) in events.iter().enumerate() {
                image.text(list + 16 * index, kind);
                image.text(list + 16 * index + 8, data);
            }
        }
        Answer::Failed(failed) => {
            image.put(RESULT, &[1]);
            let (case, message) = match failed {
                Failed::Validation(message) => (0, message),
                Failed::Permanent(message) => (1, message),
                Failed::Retryable(message, delay) => {
                    if let Some(delay) = delay {
                        image.put(at + 16, &[1]);
                        image.put(at + 24, &delay.to_le_bytes());
                    }
                    (2, message)
                }
            };
            image.put(at, &[case]);
            image.text(at + 8, message);
        }
    }
    image.0
}

struct Image(Vec<u8>);

impl Image {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn word(&mut self, at: usize, word: u32) {
        self.put(at, &word.to_le_bytes());
    }

    /// A text at the image's end, its address and length at `at`.
    fn text(&mut self, at: usize, text: &[u8]) {
        self.word(at, self.0.len() as u32);
        self.word(at + 4, text.len() as u32);
        self.0.extend(text);
    }

    /// An empty list at the image's end, its address and length at `at`. Gives its address.
    fn list(&mut self, at: usize, length: usize, element: usize) -> usize {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        let list = self.0.len();
        self.word(at, list as u32);
        self.word(at + 4, length as u32);
        self.0.resize(list + length * element, 0);
        list
    }
}
