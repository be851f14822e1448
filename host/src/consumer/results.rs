//! Results that are to be committed. None is lost before the bus has answered it.

use std::sync::Arc;

use crate::bus::Commit;

/// Commits that go together at the most.
const MAX_BATCH: usize = 256;

/// Bytes of outcomes that go together, but for one that is larger.
const MAX_BATCH_BYTES: usize = 4 << 20;

/// Commits in the order in which their runs ended.
#[derive(Default)]
pub(super) struct Results {
    waiting: Vec<Commit>,
    /// On its way to the bus.
    batch: Arc<Vec<Commit>>,
    /// What the bus refused alone.
    refused: Vec<Commit>,
}

impl Results {
    pub(super) fn extend(&mut self, commits: impl IntoIterator<Item = Commit>) {
        self.waiting.extend(commits);
    }

    /// Whether nothing waits to be sent.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The commits at the front that go together, to be sent now.
    pub(super) fn next_batch(&mut self) -> Arc<Vec<Commit>> {
        let mut bytes = 0;
        let fits = self.waiting.iter().take(MAX_BATCH).take_while(|commit| {
            let first = bytes == 0;
            bytes += commit.verdict.size();
            first || bytes <= MAX_BATCH_BYTES
        });
        let size = fits.count();
        self.batch = Arc::new(self.waiting.drain(..size).collect());
        Arc::clone(&self.batch)
    }

    /// The batch was answered.
    pub(super) fn answered(&mut self) -> Arc<Vec<Commit>> {
        std::mem::take(&mut self.batch)
    }

    /// The batch was not answered: it is sent again as it is.
    pub(super) fn keep_batch(&mut self) {
        let batch = std::mem::take(&mut self.batch);
        self.waiting.splice(0..0, batch.iter().cloned());
    }

    /// The bus refuses this one; it waits for [`retry_refused`](Self::retry_refused).
    pub(super) fn refuse(&mut self, commit: Commit) {
        self.refused.push(commit);
    }

    /// What was refused is sent again.
    pub(super) fn retry_refused(&mut self) {
        self.waiting.append(&mut self.refused);
    }
}
