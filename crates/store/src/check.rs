//! Whether everything is whole: what a backup, a disk or a hand may have broken.

use crate::backend::{run, statements};
use crate::{Error, Store};

/// Findings of a kind that are told.
const FINDINGS_MAX: i64 = 20;

/// Media objects that are looked up with one read of the database.
const OBJECTS_PER_PAGE: i64 = 500;

statements! {
    /// What the database itself knows to be broken. PostgreSQL keeps its constraints at all times, but an index may have been
    /// left half built, a constraint may have been added unchecked, and a disk may have returned other bytes than it was given.
    PAGES = sqlite "PRAGMA integrity_check(20)",
        postgres "SELECT 'index ' || indexrelid::REGCLASS::TEXT || ' is not valid; REINDEX makes it anew' FROM pg_index \
        JOIN pg_class ON pg_class.oid = indexrelid \
        WHERE NOT indisvalid AND relnamespace = current_schema()::REGNAMESPACE \
        UNION ALL SELECT 'constraint ' || conname::TEXT || ' of ' || conrelid::REGCLASS::TEXT || ' was never validated' \
        FROM pg_constraint WHERE NOT convalidated AND connamespace = current_schema()::REGNAMESPACE \
        UNION ALL SELECT checksum_failures::TEXT || ' pages had a wrong checksum when they were read' FROM pg_stat_database \
        WHERE datname = current_database() AND checksum_failures > 0";
    REFERENCES = sqlite "SELECT DISTINCT \"table\" FROM pragma_foreign_key_check LIMIT $1",
        postgres "SELECT '' WHERE $1::BIGINT < 0";
    JOBS = "SELECT id FROM jobs WHERE NOT EXISTS (SELECT 1 FROM recordings WHERE id = jobs.recording_id) LIMIT $1";
    WINDOWS = "SELECT DISTINCT transcript_id FROM transcript_windows \
        WHERE NOT EXISTS (SELECT 1 FROM transcripts WHERE id = transcript_windows.transcript_id) LIMIT $1";
    INCOMPLETE = "SELECT id FROM transcripts WHERE windows <> \
        (SELECT COUNT(*) FROM transcript_windows WHERE transcript_id = transcripts.id) LIMIT $1";
    UNKEPT = "SELECT id FROM recordings WHERE media_key IS NOT NULL AND NOT EXISTS \
        (SELECT 1 FROM media_objects WHERE key = recordings.media_key AND state = 'kept') LIMIT $1";
    OBJECTS = "SELECT key, size_bytes FROM media_objects \
        LEFT JOIN recordings ON recordings.id = recording_id AND media_key = key \
        WHERE state = 'kept' AND key > $1 ORDER BY key LIMIT $2";
}

impl Store {
    /// Which media objects that belong to recordings are missing or have another size than they had, a sentence each; nothing
    /// if all are well.
    ///
    /// Looks up every object, and reads none: it may take minutes. The schema must be up to date.
    ///
    /// # Errors
    /// Where the database or the media store does not answer.
    pub async fn check_media(&self) -> Result<Vec<String>, Error> {
        let (mut findings, mut untold, mut after) = (Vec::new(), 0_u64, String::new());
        loop {
            let mut reader = self.reader().await?;
            let (conn, limit) = (&mut reader.conn(), OBJECTS_PER_PAGE);
            let rows = run!(conn, fetch_all::<(String, Option<i64>)>, OBJECTS, &after, limit)?;
            drop(reader);
            let Some((last, _)) = rows.last() else { break };
            after.clone_from(last);
            for (key, expected) in rows {
                let found = self.media().size(&key).await?.map(i64::try_from);
                let finding = match (found, expected) {
                    (None, _) => format!("the media object {key} is missing"),
                    (Some(Ok(found)), Some(expected)) if found != expected => {
                        format!("the media object {key} has {found} bytes and not {expected}")
                    }
                    (Some(_), _) => continue,
                };
                if (findings.len() as i64) < FINDINGS_MAX {
                    findings.push(finding);
                } else {
                    untold += 1;
                }
            }
        }
        if untold > 0 {
            findings.push(format!("{untold} more media objects are missing or have another size"));
        }
        Ok(findings)
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
            (UNKEPT, "there is no media object for recording"),
        ] {
            let rows = run!(&mut conn, fetch_all::<(String,)>, statement, FINDINGS_MAX)?;
            findings.extend(rows.into_iter().map(|(row,)| format!("{sentence} {row}")));
        }
        Ok(findings)
    }
}
