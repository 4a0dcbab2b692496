//! Topics: the vocabulary of the installation, a tree that all workspaces share.
//!
//! Whoever changes the tree holds all of it, so that two moves cannot make a circle of each other.

pub(crate) mod assigned;

use hansard_domain::id::{Id, TopicId};
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use crate::backend::{Conn, run, statements};
use crate::{Error, Store, text};

pub use assigned::{AssignedTopic, NewAssignment, TopicsAssigned};

macro_rules! topic_columns {
    () => {
        "serial, id, name, description, parent_id, \
         (SELECT above.serial FROM topics AS above WHERE above.id = topics.parent_id) AS parent_serial, \
         created_at_us, updated_at_us"
    };
}

/// As many as there may be, so that all of them can be read at once.
pub const TOPICS_MAX: i64 = 10_000;

statements! {
    FIND = "SELECT " (topic_columns) " FROM topics WHERE id = $1";
    FIND_NUMBER = "SELECT " (topic_columns) " FROM topics WHERE serial = $1";
    /// With the numbers in the JSON array `$1`.
    FIND_NUMBERS = sqlite "SELECT " (topic_columns) " FROM topics WHERE serial IN (SELECT value FROM json_each($1)) ORDER BY serial",
        postgres "SELECT " (topic_columns) " FROM topics \
        WHERE serial = ANY(ARRAY(SELECT CAST(json_array_elements_text(CAST($1 AS JSON)) AS BIGINT))) ORDER BY serial";
    LIST = "SELECT " (topic_columns) " FROM topics ORDER BY name_key, serial";
    COUNT = "SELECT COUNT(*) FROM topics";
    /// SQLite has one writer anyway. Those who read topics, or refer to them, do not wait.
    HOLD_TREE = sqlite "SELECT 1", postgres "LOCK TABLE topics IN SHARE ROW EXCLUSIVE MODE";
    /// Until nothing more can be assigned to it.
    LOCK = sqlite "SELECT id FROM topics WHERE id = $1", postgres "SELECT id FROM topics WHERE id = $1 FOR UPDATE";
    INSERT = "INSERT INTO topics (id, name, name_key, description, parent_id, created_at_us, updated_at_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $6)";
    UPDATE = "UPDATE topics SET name = $2, name_key = $3, description = $4, parent_id = $5, updated_at_us = $6 WHERE id = $1";
    /// Whether `$2` is topic `$1`, or above it.
    IS_ABOVE = "WITH RECURSIVE above (id, parent_id) AS (SELECT id, parent_id FROM topics WHERE id = $1 \
        UNION SELECT topics.id, topics.parent_id FROM topics JOIN above ON topics.id = above.parent_id) \
        SELECT COUNT(*) FROM above WHERE id = $2";
    COUNT_BELOW = "SELECT COUNT(*) FROM topics WHERE parent_id = $1";
    DELETE_ASSIGNMENTS = "DELETE FROM recording_topics WHERE topic_id = $1";
    DELETE = "DELETE FROM topics WHERE id = $1";
}

/// A topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its number, unique among topics.
    pub serial: i64,
    /// Its name among stored things.
    pub id: TopicId,
    /// What people call it; unique, whatever the case of its letters.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// The topic right above it; `None` for a root.
    pub parent: Option<TopicId>,
    /// That one's number.
    pub parent_serial: Option<i64>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something about it changed last.
    pub updated_at: Timestamp,
}

/// A topic that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// What people call it.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// The topic right above it; `None` for a root.
    pub parent: Option<TopicId>,
}

/// What is to change about a topic; `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct TopicEdit {
    /// What people call it.
    pub name: Option<String>,
    /// What it is about, or nothing any more.
    pub description: Option<Option<String>>,
    /// The topic right above it, or none any more.
    pub parent: Option<Option<TopicId>>,
}

/// What came of an attempt to make or change a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicWritten {
    /// It is this now.
    Done(Box<Topic>),
    /// There is no such topic.
    Missing,
    /// There is no such topic to be above it.
    ParentMissing,
    /// It would be its own parent.
    OwnParent,
    /// It would be below one that is below it.
    Cycle,
}

/// What came of an attempt to delete a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicDeleted {
    /// It is gone.
    Done,
    /// There is no such topic.
    Missing,
    /// So many topics are right below it.
    HasChildren(u64),
}

#[derive(FromRow)]
struct TopicRow {
    serial: i64,
    id: String,
    name: String,
    description: Option<String>,
    parent_id: Option<String>,
    parent_serial: Option<i64>,
    created_at_us: i64,
    updated_at_us: i64,
}

impl TopicRow {
    fn read(self) -> Result<Topic, Error> {
        let id = self.id;
        let corrupt = |reason: &str| Error::Corrupt {
            table: "topics",
            id: id.clone(),
            reason: reason.to_owned(),
        };
        let parent = self.parent_id.as_deref().map(TopicId::parse).transpose();
        Ok(Topic {
            serial: self.serial,
            name: self.name,
            description: self.description,
            parent: parent.map_err(|_| corrupt("its parent has no valid id"))?,
            parent_serial: self.parent_serial,
            created_at: Timestamp::from_micros(self.created_at_us),
            updated_at: Timestamp::from_micros(self.updated_at_us),
            id: TopicId::parse(&id).map_err(|_| corrupt("it has no valid id"))?,
        })
    }
}

async fn find(conn: &mut Conn<'_>, id: &TopicId) -> Result<Option<Topic>, Error> {
    let row = run!(conn, fetch_optional::<TopicRow>, FIND, id.as_str())?;
    row.map(TopicRow::read).transpose()
}

impl Store {
    /// All topics, by name.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn topics(&self) -> Result<Vec<Topic>, Error> {
        let rows = run!(&mut self.reader().await?.conn(), fetch_all::<TopicRow>, LIST)?;
        rows.into_iter().map(TopicRow::read).collect()
    }

    /// Topic `id`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_topic(&self, id: &TopicId) -> Result<Option<Topic>, Error> {
        find(&mut self.reader().await?.conn(), id).await
    }

    /// The topic with this number, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_topic_number(&self, serial: i64) -> Result<Option<Topic>, Error> {
        let mut reader = self.reader().await?;
        let row = run!(&mut reader.conn(), fetch_optional::<TopicRow>, FIND_NUMBER, serial)?;
        row.map(TopicRow::read).transpose()
    }

    /// The topics with these numbers, by number. One that there is not is left out.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_topic_numbers(&self, serials: &[i64]) -> Result<Vec<Topic>, Error> {
        let serials = text::list(serials.iter().copied());
        let mut reader = self.reader().await?;
        let rows = run!(&mut reader.conn(), fetch_all::<TopicRow>, FIND_NUMBERS, serials)?;
        rows.into_iter().map(TopicRow::read).collect()
    }

    /// Makes a topic: [`TopicWritten::Done`] or [`TopicWritten::ParentMissing`].
    ///
    /// # Errors
    /// [`Error::TopicNameTaken`], [`Error::Invalid`] for text that no row can hold and where there are [`TOPICS_MAX`] already,
    /// or where the database cannot be written.
    pub async fn create_topic(&self, new: NewTopic) -> Result<TopicWritten, Error> {
        text::check("name", Some(&new.name))?;
        text::check("description", new.description.as_deref())?;
        let clock = self.clock().clone();
        self.write(move |conn| {
            Box::pin(async move {
                run!(conn, execute, HOLD_TREE)?;
                let (count,) = run!(conn, fetch_one::<(i64,)>, COUNT)?;
                if count >= TOPICS_MAX {
                    return Err(Error::Invalid(format!("there are {TOPICS_MAX} topics already")));
                }
                let parent = new.parent.as_ref();
                if let Some(parent) = parent
                    && find(conn, parent).await?.is_none()
                {
                    return Ok(TopicWritten::ParentMissing);
                }
                let id: TopicId = clock.id();
                run!(
                    conn,
                    execute,
                    INSERT,
                    id.as_str(),
                    &new.name,
                    new.name.to_lowercase(),
                    new.description.as_deref(),
                    parent.map(TopicId::as_str),
                    clock.now().as_micros()
                )
                .map_err(name_taken)?;
                written(conn, &id).await
            })
        })
        .await
    }

    /// Changes topic `id`.
    ///
    /// # Errors
    /// [`Error::TopicNameTaken`], [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn update_topic(&self, id: &TopicId, edit: TopicEdit) -> Result<TopicWritten, Error> {
        text::check("name", edit.name.as_deref())?;
        text::check("description", edit.description.as_ref().and_then(Option::as_deref))?;
        let (clock, id) = (self.clock().clone(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                run!(conn, execute, HOLD_TREE)?;
                let Some(topic) = find(conn, &id).await? else { return Ok(TopicWritten::Missing) };
                if let Some(Some(parent)) = &edit.parent
                    && let Some(refused) = refuse_parent(conn, &id, parent).await?
                {
                    return Ok(refused);
                }
                let name = edit.name.unwrap_or(topic.name);
                run!(
                    conn,
                    execute,
                    UPDATE,
                    id.as_str(),
                    &name,
                    name.to_lowercase(),
                    edit.description.unwrap_or(topic.description),
                    edit.parent.unwrap_or(topic.parent).as_ref().map(TopicId::as_str),
                    clock.now().as_micros()
                )
                .map_err(name_taken)?;
                written(conn, &id).await
            })
        })
        .await
    }

    /// Deletes topic `id`, which recordings lose as well, unless there are others below it.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn delete_topic(&self, id: &TopicId) -> Result<TopicDeleted, Error> {
        let id = id.clone();
        self.write(move |conn| {
            Box::pin(async move {
                run!(conn, execute, HOLD_TREE)?;
                if run!(conn, fetch_optional::<(String,)>, LOCK, id.as_str())?.is_none() {
                    return Ok(TopicDeleted::Missing);
                }
                let (below,) = run!(conn, fetch_one::<(i64,)>, COUNT_BELOW, id.as_str())?;
                if below > 0 {
                    return Ok(TopicDeleted::HasChildren(below.unsigned_abs()));
                }
                run!(conn, execute, DELETE_ASSIGNMENTS, id.as_str())?;
                run!(conn, execute, DELETE, id.as_str())?;
                Ok(TopicDeleted::Done)
            })
        })
        .await
    }
}

/// Why `parent` cannot be right above topic `id`.
async fn refuse_parent(
    conn: &mut Conn<'_>,
    id: &TopicId,
    parent: &TopicId,
) -> Result<Option<TopicWritten>, Error> {
    if parent == id {
        return Ok(Some(TopicWritten::OwnParent));
    }
    if find(conn, parent).await?.is_none() {
        return Ok(Some(TopicWritten::ParentMissing));
    }
    let (above,) = run!(conn, fetch_one::<(i64,)>, IS_ABOVE, parent.as_str(), id.as_str())?;
    Ok((above > 0).then_some(TopicWritten::Cycle))
}

async fn written(conn: &mut Conn<'_>, id: &TopicId) -> Result<TopicWritten, Error> {
    let topic = find(conn, id).await?;
    Ok(topic.map_or(TopicWritten::Missing, |topic| TopicWritten::Done(Box::new(topic))))
}

/// What a violated index says about a topic that is written.
fn name_taken(error: Error) -> Error {
    if error.is_taken("name_key") { Error::TopicNameTaken } else { error }
}
