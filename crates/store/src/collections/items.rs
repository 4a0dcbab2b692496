//! The recordings of collections.
//!
//! Whoever adds a recording holds its collection, so that two do not take the same position at its end.

use std::collections::HashMap;

use hansard_domain::id::{CollectionId, Id, RecordingId};
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use super::{find, lock};
use crate::backend::{Conn, run, statements};
use crate::reach::{Reach, is_found, is_its_recording_seen, is_seen};
use crate::{Error, Store, recordings, text};

/// As many recordings as a collection may have.
pub const ITEMS_MAX: i64 = 10_000;

macro_rules! items {
    () => {
        "SELECT recordings.serial, recordings.id, COALESCE(collection_items.position, 0) AS position, \
         collection_items.assigned_by, collection_items.created_at_us \
         FROM collection_items JOIN recordings ON recordings.id = collection_items.recording_id \
         WHERE collection_items.collection_id = $1"
    };
}

macro_rules! placements {
    () => {
        "SELECT collections.serial, collections.id, collections.name, collections.kind, \
         COALESCE(collection_items.position, 0) AS position, collection_items.assigned_by, collection_items.created_at_us, \
         collection_items.recording_id \
         FROM collection_items JOIN collections ON collections.id = collection_items.collection_id"
    };
}

statements! {
    LIST = "" (items) " AND " (is_found) " ORDER BY collection_items.position, collection_items.created_at_us, \
        recordings.serial LIMIT $2 OFFSET $4";
    FIND = "" (items) " AND collection_items.recording_id = $2";
    END = "SELECT COUNT(*), COALESCE(MAX(position), 0) FROM collection_items WHERE collection_id = $1";
    ADD = "INSERT INTO collection_items (collection_id, recording_id, position, assigned_by, created_at_us) \
        VALUES ($1, $2, $3, $4, $5)";
    MOVE = "UPDATE collection_items SET position = $3 WHERE collection_id = $1 AND recording_id = $2";
    REMOVE = "DELETE FROM collection_items WHERE collection_id = $1 AND recording_id = $2";
    PLACEMENTS = "" (placements) " WHERE collection_items.recording_id = $1 AND collections.workspace_id = $2 AND " (is_seen) " \
        ORDER BY collections.name, collections.serial";
    /// Of the recordings in the JSON array `$1`.
    PLACEMENTS_OF_ALL = sqlite "" (placements) " WHERE collection_items.recording_id IN (SELECT value FROM json_each($1)) \
        AND collections.workspace_id = $2 AND " (is_seen) " AND " (is_its_recording_seen) " \
        ORDER BY collections.name, collections.serial",
        postgres "" (placements) " WHERE collection_items.recording_id = ANY(ARRAY(SELECT json_array_elements_text(CAST($1 AS JSON)))) \
        AND collections.workspace_id = $2 AND " (is_seen) " AND " (is_its_recording_seen) " \
        ORDER BY collections.name, collections.serial";
}

/// A recording in a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The recording's number.
    pub serial: i64,
    /// The recording.
    pub recording: RecordingId,
    /// Its place; several may have the same one.
    pub position: i64,
    /// The user or service token that added it; `None` where that was nobody in particular.
    pub assigned_by: Option<String>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// A collection that a recording is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The collection's number.
    pub serial: i64,
    /// The collection.
    pub collection: CollectionId,
    /// What people call the collection.
    pub name: String,
    /// What the collection is.
    pub kind: Option<String>,
    /// The recording's place in it.
    pub position: i64,
    /// The user or service token that added the recording.
    pub assigned_by: Option<String>,
    /// When it was added.
    pub added_at: Timestamp,
}

/// What came of an attempt to add a recording to a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemAdded {
    /// It is in the collection now.
    Done(Item),
    /// It was in the collection before, and stays where it was.
    Present(Item),
    /// There is no such collection.
    CollectionMissing,
    /// There is no such recording.
    RecordingMissing,
}

#[derive(FromRow)]
struct ItemRow {
    serial: i64,
    id: String,
    position: i64,
    assigned_by: Option<String>,
    created_at_us: i64,
}

impl ItemRow {
    fn read(self) -> Result<Item, Error> {
        Ok(Item {
            serial: self.serial,
            recording: recordings::read_id(&self.id)?,
            position: self.position,
            assigned_by: self.assigned_by,
            added_at: Timestamp::from_micros(self.created_at_us),
        })
    }
}

#[derive(FromRow)]
struct PlacementRow {
    serial: i64,
    id: String,
    name: String,
    kind: Option<String>,
    position: i64,
    assigned_by: Option<String>,
    created_at_us: i64,
    recording_id: String,
}

impl PlacementRow {
    fn read(self) -> Result<Placement, Error> {
        let collection = CollectionId::parse(&self.id).map_err(|error| Error::Corrupt {
            table: "collections",
            id: self.id.clone(),
            reason: error.to_string(),
        })?;
        Ok(Placement {
            serial: self.serial,
            collection,
            name: self.name,
            kind: self.kind,
            position: self.position,
            assigned_by: self.assigned_by,
            added_at: Timestamp::from_micros(self.created_at_us),
        })
    }
}

async fn find_item(
    conn: &mut Conn<'_>,
    collection: &CollectionId,
    recording: &RecordingId,
) -> Result<Option<Item>, Error> {
    let (collection, recording) = (collection.as_str(), recording.as_str());
    let row = run!(conn, fetch_optional::<ItemRow>, FIND, collection, recording)?;
    row.map(ItemRow::read).transpose()
}

impl Store {
    /// Up to `limit` recordings of a collection within `reach`, by position, after the first `offset`; `None` if there is no
    /// such collection. Guests find the public ones alone: a link is for whoever was given it.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn collection_items(
        &self,
        reach: impl Into<Reach>,
        collection: &CollectionId,
        offset: u32,
        limit: u32,
    ) -> Result<Option<Vec<Item>>, Error> {
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        if find(&mut conn, &reach, collection).await?.is_none() {
            return Ok(None);
        }
        let rows = run!(
            &mut conn,
            fetch_all::<ItemRow>,
            LIST,
            collection.as_str(),
            i64::from(limit),
            reach.eyes(),
            i64::from(offset)
        )?;
        rows.into_iter().map(ItemRow::read).collect::<Result<_, _>>().map(Some)
    }

    /// The collections within `reach` that a recording there is in, by name; `None` if there is no such recording.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn collections_of(
        &self,
        reach: impl Into<Reach>,
        recording: &RecordingId,
    ) -> Result<Option<Vec<Placement>>, Error> {
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        if recordings::find(&mut conn, &reach, recording).await?.is_none() {
            return Ok(None);
        }
        let (id, workspace, eyes) = (recording.as_str(), reach.workspace(), reach.eyes());
        let rows = run!(&mut conn, fetch_all::<PlacementRow>, PLACEMENTS, id, workspace, eyes)?;
        rows.into_iter().map(PlacementRow::read).collect::<Result<_, _>>().map(Some)
    }

    /// The collections within `reach` that these recordings there are in, by name. A recording that is in none is left out.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn collections_of_all(
        &self,
        reach: impl Into<Reach>,
        recordings: &[RecordingId],
    ) -> Result<HashMap<RecordingId, Vec<Placement>>, Error> {
        let reach = reach.into();
        let (workspace, eyes) = (reach.workspace(), reach.eyes());
        let ids = text::list(recordings.iter().map(Id::as_str));
        let mut reader = self.reader().await?;
        let conn = &mut reader.conn();
        let rows = run!(conn, fetch_all::<PlacementRow>, PLACEMENTS_OF_ALL, ids, workspace, eyes)?;
        let mut placements: HashMap<_, Vec<_>> = HashMap::new();
        for row in rows {
            let recording = recordings::read_id(&row.recording_id)?;
            placements.entry(recording).or_default().push(row.read()?);
        }
        Ok(placements)
    }

    /// Adds a recording to a collection, both within `reach`; without a position, behind all others.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a collection that has [`ITEMS_MAX`] recordings already, or where the database cannot be written.
    pub async fn add_to_collection(
        &self,
        reach: impl Into<Reach>,
        collection: &CollectionId,
        recording: &RecordingId,
        position: Option<i64>,
        assigned_by: Option<&str>,
    ) -> Result<ItemAdded, Error> {
        text::check("creator", assigned_by)?;
        let (clock, reach) = (self.clock().clone(), reach.into());
        let (collection, recording) = (collection.clone(), recording.clone());
        let assigned_by = assigned_by.map(str::to_owned);
        self.write(move |conn| {
            Box::pin(async move {
                if !lock(conn, &reach, &collection).await? {
                    return Ok(ItemAdded::CollectionMissing);
                }
                let Some(held) = recordings::hold(conn, &reach, &recording).await? else {
                    return Ok(ItemAdded::RecordingMissing);
                };
                if let Some(item) = find_item(conn, &collection, &recording).await? {
                    return Ok(ItemAdded::Present(item));
                }
                let (count, last) = run!(conn, fetch_one::<(i64, i64)>, END, collection.as_str())?;
                if count >= ITEMS_MAX {
                    let full = format!("the collection has {ITEMS_MAX} recordings already");
                    return Err(Error::Invalid(full));
                }
                let item = Item {
                    serial: held.serial,
                    recording,
                    position: position.unwrap_or(last.saturating_add(1)),
                    assigned_by,
                    added_at: clock.now(),
                };
                run!(
                    conn,
                    execute,
                    ADD,
                    collection.as_str(),
                    item.recording.as_str(),
                    item.position,
                    item.assigned_by.as_deref(),
                    item.added_at.as_micros()
                )?;
                Ok(ItemAdded::Done(item))
            })
        })
        .await
    }

    /// Puts a recording at another position of a collection, both within `reach`; others stay where they are. `None` if it is
    /// not in it.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn move_in_collection(
        &self,
        reach: impl Into<Reach>,
        collection: &CollectionId,
        recording: &RecordingId,
        position: i64,
    ) -> Result<Option<Item>, Error> {
        let reach = reach.into();
        let (collection, recording) = (collection.clone(), recording.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if !holds_both(conn, &reach, &collection, &recording).await? {
                    return Ok(None);
                }
                run!(conn, execute, MOVE, collection.as_str(), recording.as_str(), position)?;
                find_item(conn, &collection, &recording).await
            })
        })
        .await
    }

    /// Takes a recording out of a collection, both within `reach`; `false` if it is not in it.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn remove_from_collection(
        &self,
        reach: impl Into<Reach>,
        collection: &CollectionId,
        recording: &RecordingId,
    ) -> Result<bool, Error> {
        let reach = reach.into();
        let (collection, recording) = (collection.clone(), recording.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if !holds_both(conn, &reach, &collection, &recording).await? {
                    return Ok(false);
                }
                let removed = run!(conn, execute, REMOVE, collection.as_str(), recording.as_str())?;
                Ok(removed > 0)
            })
        })
        .await
    }
}

/// Whether collection and recording are within `reach`; then both stay until the transaction ends.
async fn holds_both(
    conn: &mut Conn<'_>,
    reach: &Reach,
    collection: &CollectionId,
    recording: &RecordingId,
) -> Result<bool, Error> {
    Ok(lock(conn, reach, collection).await?
        && recordings::hold(conn, reach, recording).await?.is_some())
}
