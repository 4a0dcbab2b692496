//! Whether the database is whole: what a backup, a disk or a hand may have broken.

use crate::backend::{run, statements};
use crate::{Error, Store};

/// Findings of a kind that are told.
const FINDINGS_MAX: i64 = 20;

/// Media objects that are looked up with one read of the database.
const OBJECTS_PER_PAGE: i64 = 500;

statements! {
    PAGES = sqlite "PRAGMA integrity_check(20)", postgres "SELECT 'ok'";
    REFERENCES = sqlite "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check LIMIT $1",
        postgres "SELECT '' WHERE $1::BIGINT < 0";
    JOBS = "SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM recordings WHERE id = jobs.recording_id) LIMIT $1";
    WINDOWS = "SELECT DISTINCT transcript_id FROM transcript_windows \
        WHERE NOT EXISTS (SELECT 1 FROM transcripts WHERE id = transcript_windows.transcript_id) LIMIT $1";
    INCOMPLETE = "SELECT id FROM transcripts WHERE windows <> \
        (SELECT COUNT(*) FROM transcript_windows WHERE transcript_id = transcripts.id) LIMIT $1";
    OBJECTS = "SELECT key FROM media_objects WHERE state = 'kept' AND key > $1 ORDER BY key LIMIT $2";
}

impl Store {
    /// Which media objects that belong to recordings are missing, a sentence each; nothing if all are there.
    ///
    /// Looks up every object: it may take minutes. The schema must be up to date.
    ///
    /// # Errors
    /// Where the database or the media store does not answer.
    pub async fn check_media(&self) -> Result<Vec<String>, Error> {
        let (mut findings, mut after) = (Vec::new(), String::new());
        loop {
            let mut reader = self.reader().await?;
            let (conn, limit) = (&mut reader.conn(), OBJECTS_PER_PAGE);
            let keys = run!(conn, fetch_all::<(String,)>, OBJECTS, &after, limit)?;
            drop(reader);
            let Some((last,)) = keys.last() else { return Ok(findings) };
            after.clone_from(last);
            for (key,) in keys {
                if !self.media().has(&key).await? {
                    findings.push(format!("the media object {key} is missing"));
                }
            }
        }
    }

    /// What is wrong with the rows, a sentence each; nothing if all is well.
    ///
    /// Reads everything: it may take minutes. The schema must be up to date.
    ///
    /// # Errors
    /// Where the database does not answer.
    pub async fn check_rows(&self) -> Result<Vec<String>, Error> {
        let mut reader = self.patient_reader().await?;
        let mut conn = reader.conn();
        let pages = run!(&mut conn, fetch_all::<(String,)>, PAGES)?;
        let mut findings: Vec<String> =
            pages.into_iter().map(|(page,)| page).filter(|page| page != "ok").collect();
        for (statement, sentence) in [
            (REFERENCES, "a row refers to one that is missing, in table"),
            (JOBS, "there is no recording for job"),
            (WINDOWS, "there is no transcript for the windows of"),
            (INCOMPLETE, "the number of windows is not that of transcript"),
        ] {
            let rows = run!(&mut conn, fetch_all::<(String,)>, statement, FINDINGS_MAX)?;
            findings.extend(rows.into_iter().map(|(row,)| format!("{sentence} {row}")));
        }
        Ok(findings)
    }
}
