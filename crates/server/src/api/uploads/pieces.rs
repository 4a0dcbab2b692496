//! The pieces that this process is writing, so that whoever comes back need not wait for the connection that it lost.
//!
//! A phone that changes networks does not say so: its old request looks alive until it has been silent for too long, and
//! keeps the upload locked. Its next request ends the old one, which keeps what it has, and goes on there.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hansard_domain::id::UploadId;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a piece that was told to end may take to write down what it has.
const END_MAX: Duration = Duration::from_secs(5);

/// The piece that is written to each upload.
#[derive(Debug, Default)]
pub(crate) struct Pieces(Mutex<HashMap<UploadId, Piece>>);

/// A piece that is being written, as others see it.
#[derive(Debug, Clone)]
struct Piece {
    /// Cancelled by whoever wants to write next.
    ending: CancellationToken,
    /// Cancelled when the piece is written.
    ended: CancellationToken,
}

impl Piece {
    /// Has the piece end, and waits until it has.
    async fn end(self) {
        self.ending.cancel();
        // One that hangs keeps the lock on the file, which is told by what the caller does next.
        let _ = timeout(END_MAX, self.ended.cancelled()).await;
    }
}

/// A piece that is being written, for its writer. Dropped when it is written.
pub(super) struct Writing {
    ending: CancellationToken,
    _ended: DropGuard,
}

impl Writing {
    /// Resolves when somebody else wants to write.
    pub(super) async fn ending(&self) {
        self.ending.cancelled().await;
    }
}

impl Pieces {
    /// Ends the piece that is written to upload `id`, if there is one.
    pub(super) async fn end(&self, id: &UploadId) {
        let piece = self.pieces().remove(id);
        if let Some(piece) = piece {
            piece.end().await;
        }
    }

    /// Begins a piece for upload `id`, in place of the one that is written to it.
    pub(super) async fn begin(&self, id: &UploadId) -> Writing {
        let piece = Piece { ending: CancellationToken::new(), ended: CancellationToken::new() };
        let writing =
            Writing { ending: piece.ending.clone(), _ended: piece.ended.clone().drop_guard() };
        let earlier = {
            let mut pieces = self.pieces();
            // Those that have ended are taken out by whoever comes next.
            pieces.retain(|_, piece| !piece.ended.is_cancelled());
            pieces.insert(id.clone(), piece)
        };
        if let Some(earlier) = earlier {
            earlier.end().await;
        }
        writing
    }

    fn pieces(&self) -> MutexGuard<'_, HashMap<UploadId, Piece>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
