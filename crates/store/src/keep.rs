//! Keeping a recording of which nothing is asked yet.

use crate::backend::{Conn, run, statements};
use crate::reach::{Reach, is_seen};
use crate::recordings::{Recording, RecordingRow, recording_columns};
use crate::{Error, NewRecording, Store, accept, media, workspaces};

statements! {
    SAME = "SELECT " (recording_columns) " FROM recordings WHERE workspace_id = $1 AND sha256 = $2 AND " (is_seen) " \
        ORDER BY serial LIMIT 1";
}

/// A recording that is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The recording.
    pub recording: Recording,
    /// Whether it was there before, with the same media.
    pub is_duplicate: bool,
}

impl Store {
    /// Keeps a recording whose media are stored, without a job. Where there is one with the same media within `reach`, that one
    /// is given back as it is, and the media that came are given up; of several that come at once one is kept. What a colleague
    /// keeps private is no such one.
    ///
    /// # Errors
    /// [`Error::ExternalIdTaken`], [`Error::Invalid`], also without media, [`Error::MediaSwept`], or where the database cannot be
    /// written.
    pub async fn keep_recording(
        &self,
        reach: impl Into<Reach>,
        recording: NewRecording,
    ) -> Result<Kept, Error> {
        accept::check_recording(&recording)?;
        let Some(media) = recording.media.clone() else {
            return Err(Error::Invalid("the recording has no media".to_owned()));
        };
        let (clock, reach) = (self.clock().clone(), reach.into());
        self.write(move |conn| {
            Box::pin(async move {
                // One after the other, or neither of two would see the other's.
                workspaces::lock(conn, &reach.workspace).await?;
                if let Some(recording) = same(conn, &reach, &media.sha256).await? {
                    media::abandon(conn, &media.key, clock.now()).await?;
                    return Ok(Kept { recording, is_duplicate: true });
                }
                let recording = accept::record(conn, &clock, &reach.workspace, recording).await?;
                Ok(Kept { recording, is_duplicate: false })
            })
        })
        .await
    }
}

/// The first recording within `reach` with these media.
async fn same(
    conn: &mut Conn<'_>,
    reach: &Reach,
    sha256: &str,
) -> Result<Option<Recording>, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<RecordingRow>, SAME, workspace, sha256, eyes)?;
    row.map(RecordingRow::read).transpose()
}
