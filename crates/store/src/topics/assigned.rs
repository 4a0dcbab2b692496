//! The topics of recordings.

use std::collections::HashMap;

use hansard_domain::id::{Id, RecordingId, TopicId};
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use crate::backend::{Conn, run, statements};
use crate::reach::{Reach, is_seen};
use crate::{Error, Store, recordings, text};

macro_rules! assigned {
    () => {
        "SELECT topics.serial, topics.id, topics.name, recording_topics.confidence, recording_topics.reasoning, \
         recording_topics.assigned_by, recording_topics.reviewed, recording_topics.created_at_us, \
         recording_topics.recording_id \
         FROM recording_topics JOIN topics ON topics.id = recording_topics.topic_id"
    };
}

statements! {
    LIST = "" (assigned) " WHERE recording_topics.recording_id = $1 ORDER BY topics.name_key, topics.serial";
    /// Of the recordings in the JSON array `$2`.
    LIST_OF_ALL = sqlite "" (assigned) " JOIN recordings ON recordings.id = recording_topics.recording_id \
        WHERE recording_topics.recording_id IN (SELECT value FROM json_each($2)) AND recordings.workspace_id = $1 \
        AND " (is_seen) " ORDER BY topics.name_key, topics.serial",
        postgres "" (assigned) " JOIN recordings ON recordings.id = recording_topics.recording_id \
        WHERE recording_topics.recording_id = ANY(ARRAY(SELECT json_array_elements_text(CAST($2 AS JSON)))) \
        AND recordings.workspace_id = $1 AND " (is_seen) " ORDER BY topics.name_key, topics.serial";
    /// Kept from being deleted until the transaction ends.
    HOLD = sqlite "SELECT id FROM topics WHERE id = $1", postgres "SELECT id FROM topics WHERE id = $1 FOR KEY SHARE";
    ASSIGN = "INSERT INTO recording_topics (recording_id, topic_id, confidence, reasoning, assigned_by, reviewed, created_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (recording_id, topic_id) DO NOTHING";
    REVIEW = "UPDATE recording_topics SET reviewed = $3 WHERE recording_id = $1 AND topic_id = $2";
    REMOVE = "DELETE FROM recording_topics WHERE recording_id = $1 AND topic_id = $2";
}

/// A topic that a recording has.
#[derive(Debug, Clone, PartialEq)]
pub struct AssignedTopic {
    /// The topic's number.
    pub serial: i64,
    /// The topic.
    pub topic: TopicId,
    /// What people call it.
    pub name: String,
    /// How sure a model is of it, from 0 to 1; `None` where a person assigned it.
    pub confidence: Option<f64>,
    /// Why it was assigned.
    pub reasoning: Option<String>,
    /// The user or service token that assigned it; `None` where that was nobody in particular, or a model.
    pub assigned_by: Option<String>,
    /// Whether a person agreed.
    pub is_reviewed: bool,
    /// When it was assigned.
    pub assigned_at: Timestamp,
}

/// A topic that a recording is to have.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAssignment {
    /// The topic.
    pub topic: TopicId,
    /// How sure a model is of it, from 0 to 1.
    pub confidence: Option<f64>,
    /// Why.
    pub reasoning: Option<String>,
    /// The user or service token that assigns it.
    pub assigned_by: Option<String>,
    /// Whether a person agrees.
    pub is_reviewed: bool,
}

/// What came of an attempt to assign topics; all of them or none.
#[derive(Debug, Clone, PartialEq)]
pub enum TopicsAssigned {
    /// The recording has these topics now.
    Done(Vec<AssignedTopic>),
    /// There is no such recording.
    Missing,
    /// There are no such topics.
    TopicsMissing(Vec<TopicId>),
}

#[derive(FromRow)]
struct AssignedRow {
    serial: i64,
    id: String,
    name: String,
    confidence: Option<f64>,
    reasoning: Option<String>,
    assigned_by: Option<String>,
    reviewed: bool,
    created_at_us: i64,
    recording_id: String,
}

impl AssignedRow {
    fn read(self) -> Result<AssignedTopic, Error> {
        let topic = TopicId::parse(&self.id).map_err(|error| Error::Corrupt {
            table: "topics",
            id: self.id.clone(),
            reason: error.to_string(),
        })?;
        Ok(AssignedTopic {
            serial: self.serial,
            topic,
            name: self.name,
            confidence: self.confidence,
            reasoning: self.reasoning,
            assigned_by: self.assigned_by,
            is_reviewed: self.reviewed,
            assigned_at: Timestamp::from_micros(self.created_at_us),
        })
    }
}

async fn list(conn: &mut Conn<'_>, recording: &RecordingId) -> Result<Vec<AssignedTopic>, Error> {
    let rows = run!(conn, fetch_all::<AssignedRow>, LIST, recording.as_str())?;
    rows.into_iter().map(AssignedRow::read).collect()
}

impl Store {
    /// The topics of a recording within `reach`, by name; `None` if there is no such recording.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn topics_of(
        &self,
        reach: impl Into<Reach>,
        recording: &RecordingId,
    ) -> Result<Option<Vec<AssignedTopic>>, Error> {
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        if recordings::find(&mut conn, &reach, recording).await?.is_none() {
            return Ok(None);
        }
        list(&mut conn, recording).await.map(Some)
    }

    /// The topics of all of these recordings that are within `reach`, by name. One that has none is left out.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn topics_of_all(
        &self,
        reach: impl Into<Reach>,
        recordings: &[RecordingId],
    ) -> Result<HashMap<RecordingId, Vec<AssignedTopic>>, Error> {
        let reach = reach.into();
        let (workspace, eyes) = (reach.workspace(), reach.eyes());
        let ids = text::list(recordings.iter().map(Id::as_str));
        let mut reader = self.reader().await?;
        let conn = &mut reader.conn();
        let rows = run!(conn, fetch_all::<AssignedRow>, LIST_OF_ALL, workspace, ids, eyes)?;
        let mut topics: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            let recording = recordings::read_id(&row.recording_id)?;
            topics.entry(recording).or_default().push(row.read()?);
        }
        Ok(topics)
    }

    /// Gives a recording within `reach` these topics. One that it has already stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn assign_topics(
        &self,
        reach: impl Into<Reach>,
        recording: &RecordingId,
        assignments: Vec<NewAssignment>,
    ) -> Result<TopicsAssigned, Error> {
        for new in &assignments {
            text::check("reasoning", new.reasoning.as_deref())?;
            text::check("creator", new.assigned_by.as_deref())?;
        }
        let (clock, reach, recording) = (self.clock().clone(), reach.into(), recording.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if recordings::hold(conn, &reach, &recording).await?.is_none() {
                    return Ok(TopicsAssigned::Missing);
                }
                let mut missing = Vec::new();
                for NewAssignment { topic, .. } in &assignments {
                    if run!(conn, fetch_optional::<(String,)>, HOLD, topic.as_str())?.is_none() {
                        missing.push(topic.clone());
                    }
                }
                if !missing.is_empty() {
                    return Ok(TopicsAssigned::TopicsMissing(missing));
                }
                let now = clock.now().as_micros();
                for new in &assignments {
                    run!(
                        conn,
                        execute,
                        ASSIGN,
                        recording.as_str(),
                        new.topic.as_str(),
                        new.confidence,
                        new.reasoning.as_deref(),
                        new.assigned_by.as_deref(),
                        new.is_reviewed,
                        now
                    )?;
                }
                list(conn, &recording).await.map(TopicsAssigned::Done)
            })
        })
        .await
    }

    /// Says whether a person agreed that a recording within `reach` has `topic`; `None` if it has not.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn review_topic(
        &self,
        reach: impl Into<Reach>,
        recording: &RecordingId,
        topic: &TopicId,
        is_reviewed: bool,
    ) -> Result<Option<AssignedTopic>, Error> {
        let (reach, recording, topic) = (reach.into(), recording.clone(), topic.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if recordings::hold(conn, &reach, &recording).await?.is_none() {
                    return Ok(None);
                }
                run!(conn, execute, REVIEW, recording.as_str(), topic.as_str(), is_reviewed)?;
                let all = list(conn, &recording).await?;
                Ok(all.into_iter().find(|assigned| assigned.topic == topic))
            })
        })
        .await
    }

    /// Takes `topic` from a recording within `reach`; `false` if it does not have it.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn remove_topic(
        &self,
        reach: impl Into<Reach>,
        recording: &RecordingId,
        topic: &TopicId,
    ) -> Result<bool, Error> {
        let (reach, recording, topic) = (reach.into(), recording.clone(), topic.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if recordings::hold(conn, &reach, &recording).await?.is_none() {
                    return Ok(false);
                }
                let removed = run!(conn, execute, REMOVE, recording.as_str(), topic.as_str())?;
                Ok(removed > 0)
            })
        })
        .await
    }
}
