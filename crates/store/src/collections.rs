//! Collections: recordings of a workspace that belong together, as the chapters of a book, in an order of their own.

pub(crate) mod items;

use hansard_domain::id::{CollectionId, Id, WorkspaceId};
use hansard_domain::job::Visibility;
use hansard_domain::time::Timestamp;
use sqlx::FromRow;

use crate::audit::{self, By};
use crate::backend::{Conn, run, statements};
use crate::jobs::Page;
use crate::reach::{Reach, is_found, is_seen};
use crate::{Error, Store, text};

pub use items::{ITEMS_MAX, Item, ItemAdded, Placement};

/// Its recordings are counted as far as the eyes in `$3` find them in it.
macro_rules! collection_columns {
    () => {
        concat!(
            "serial, id, workspace_id, created_by, name, description, kind, visibility, \
             (SELECT COUNT(*) FROM collection_items JOIN recordings ON recordings.id = collection_items.recording_id \
             WHERE collection_items.collection_id = collections.id AND ",
            is_found!(),
            ") AS items, created_at_us, updated_at_us"
        )
    };
}

statements! {
    FIND = "SELECT " (collection_columns) " FROM collections WHERE workspace_id = $1 AND id = $2 AND " (is_seen);
    FIND_NUMBER = "SELECT " (collection_columns) " FROM collections WHERE workspace_id = $1 AND serial = $2 AND " (is_seen);
    LOCK = sqlite "SELECT id FROM collections WHERE workspace_id = $1 AND id = $2 AND " (is_seen),
        postgres "SELECT id FROM collections WHERE workspace_id = $1 AND id = $2 AND " (is_seen) " FOR UPDATE";
    PAGE = "SELECT " (collection_columns) " FROM collections WHERE workspace_id = $1 AND serial < $2 AND " (is_seen) " \
        AND (CAST($4 AS TEXT) IS NULL OR kind = $4) AND ($5 = '' OR $5 LIKE '% ' || visibility || ' %') \
        ORDER BY serial DESC LIMIT $6";
    INSERT = "INSERT INTO collections (id, workspace_id, created_by, name, description, kind, visibility, created_at_us, \
        updated_at_us) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) RETURNING serial";
    UPDATE = "UPDATE collections SET name = $2, description = $3, kind = $4, visibility = $5, updated_at_us = $6 WHERE id = $1";
    DELETE_ITEMS = "DELETE FROM collection_items WHERE collection_id = $1";
    DELETE = "DELETE FROM collections WHERE id = $1";
}

/// A collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collection {
    /// Its number, unique among collections.
    pub serial: i64,
    /// Its name among stored things.
    pub id: CollectionId,
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// The user or service token that made it; `None` where that was nobody in particular.
    pub created_by: Option<String>,
    /// What people call it.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// What it is, in a word of the caller's own, as `book` or `series`.
    pub kind: Option<String>,
    /// Who may see it. The recordings in it keep their own visibility, and only public ones are found in it by others than the
    /// workspace's members.
    pub visibility: Visibility,
    /// How many recordings it has, of those that the caller finds in it.
    pub items: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When something about it changed last, its recordings aside.
    pub updated_at: Timestamp,
}

/// A collection that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCollection {
    /// What people call it.
    pub name: String,
    /// What it is about.
    pub description: Option<String>,
    /// What it is, in a word.
    pub kind: Option<String>,
    /// Who may see it.
    pub visibility: Visibility,
    /// The user or service token that makes it; `None` where that is nobody in particular.
    pub created_by: Option<String>,
}

/// Which collections to list.
#[derive(Debug, Clone, Default)]
pub struct CollectionFilter {
    /// Only those of this kind.
    pub kind: Option<String>,
    /// Only those with one of these visibilities; all if there is none.
    pub visibilities: Vec<Visibility>,
}

/// What is to change about a collection; `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct CollectionEdit {
    /// What people call it.
    pub name: Option<String>,
    /// What it is about, or nothing any more.
    pub description: Option<Option<String>>,
    /// What it is, or nothing any more.
    pub kind: Option<Option<String>>,
    /// Who may see it.
    pub visibility: Option<Visibility>,
}

#[derive(FromRow)]
struct CollectionRow {
    serial: i64,
    id: String,
    workspace_id: String,
    created_by: Option<String>,
    name: String,
    description: Option<String>,
    kind: Option<String>,
    visibility: String,
    items: i64,
    created_at_us: i64,
    updated_at_us: i64,
}

impl CollectionRow {
    fn read(self) -> Result<Collection, Error> {
        let id = self.id;
        let corrupt = |what: &str| Error::Corrupt {
            table: "collections",
            id: id.clone(),
            reason: format!("its {what} cannot be read"),
        };
        Ok(Collection {
            serial: self.serial,
            workspace: WorkspaceId::parse(&self.workspace_id).map_err(|_| corrupt("workspace"))?,
            created_by: self.created_by,
            name: self.name,
            description: self.description,
            kind: self.kind,
            visibility: Visibility::from_name(&self.visibility)
                .ok_or_else(|| corrupt("visibility"))?,
            items: self.items.unsigned_abs(),
            created_at: Timestamp::from_micros(self.created_at_us),
            updated_at: Timestamp::from_micros(self.updated_at_us),
            id: CollectionId::parse(&id).map_err(|_| corrupt("id"))?,
        })
    }
}

/// The collection `id` within `reach`.
pub(crate) async fn find(
    conn: &mut Conn<'_>,
    reach: &Reach,
    id: &CollectionId,
) -> Result<Option<Collection>, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<CollectionRow>, FIND, workspace, id.as_str(), eyes)?;
    row.map(CollectionRow::read).transpose()
}

/// Whether there is a collection `id` within `reach`; it is locked then until the transaction ends.
pub(crate) async fn lock(
    conn: &mut Conn<'_>,
    reach: &Reach,
    id: &CollectionId,
) -> Result<bool, Error> {
    let (workspace, eyes) = (reach.workspace(), reach.eyes());
    let row = run!(conn, fetch_optional::<(String,)>, LOCK, workspace, id.as_str(), eyes)?;
    Ok(row.is_some())
}

impl Store {
    /// Makes a collection in `workspace`.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn create_collection(
        &self,
        workspace: &WorkspaceId,
        new: NewCollection,
    ) -> Result<Collection, Error> {
        text::check("name", Some(&new.name))?;
        text::check("description", new.description.as_deref())?;
        text::check("kind", new.kind.as_deref())?;
        text::check("creator", new.created_by.as_deref())?;
        let (clock, workspace) = (self.clock().clone(), workspace.clone());
        self.write(move |conn| {
            Box::pin(async move {
                let (id, now): (CollectionId, _) = (clock.id(), clock.now());
                let (serial,) = run!(
                    conn,
                    fetch_one::<(i64,)>,
                    INSERT,
                    id.as_str(),
                    workspace.as_str(),
                    new.created_by.as_deref(),
                    &new.name,
                    new.description.as_deref(),
                    new.kind.as_deref(),
                    new.visibility.name(),
                    now.as_micros()
                )?;
                let NewCollection { name, description, kind, visibility, created_by } = new;
                Ok(Collection {
                    serial,
                    id,
                    workspace,
                    created_by,
                    name,
                    description,
                    kind,
                    visibility,
                    items: 0,
                    created_at: now,
                    updated_at: now,
                })
            })
        })
        .await
    }

    /// The collection `id` within `reach`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_collection(
        &self,
        reach: impl Into<Reach>,
        id: &CollectionId,
    ) -> Result<Option<Collection>, Error> {
        find(&mut self.reader().await?.conn(), &reach.into(), id).await
    }

    /// The collection with this number within `reach`, if there is one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn find_collection_number(
        &self,
        reach: impl Into<Reach>,
        serial: i64,
    ) -> Result<Option<Collection>, Error> {
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let row = run!(
            &mut reader.conn(),
            fetch_optional::<CollectionRow>,
            FIND_NUMBER,
            reach.workspace(),
            serial,
            reach.eyes()
        )?;
        row.map(CollectionRow::read).transpose()
    }

    /// Collections within `reach`, newest first, from below the serial `before` on.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a filter that no row can match, or where the database cannot be read.
    pub async fn page_collections(
        &self,
        reach: impl Into<Reach>,
        filter: &CollectionFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<Collection>, Error> {
        text::check("kind", filter.kind.as_deref())?;
        let reach = reach.into();
        let mut reader = self.reader().await?;
        let rows = run!(
            &mut reader.conn(),
            fetch_all::<CollectionRow>,
            PAGE,
            reach.workspace(),
            before.unwrap_or(i64::MAX),
            reach.eyes(),
            filter.kind.as_deref(),
            text::choice(filter.visibilities.iter().map(|visibility| visibility.name())),
            i64::from(limit) + 1
        )?;
        let found = rows.into_iter().map(CollectionRow::read).collect::<Result<Vec<_>, _>>()?;
        Ok(Page::cut(found, limit, |collection| collection.serial))
    }

    /// Changes the collection `id` within `reach`; `None` if there is no such collection.
    ///
    /// # Errors
    /// [`Error::Invalid`] for text that no row can hold, or where the database cannot be written.
    pub async fn update_collection(
        &self,
        reach: impl Into<Reach>,
        id: &CollectionId,
        edit: CollectionEdit,
        by: &By,
    ) -> Result<Option<Collection>, Error> {
        text::check("name", edit.name.as_deref())?;
        text::check("description", edit.description.as_ref().and_then(Option::as_deref))?;
        text::check("kind", edit.kind.as_ref().and_then(Option::as_deref))?;
        let (clock, reach, id, by) = (self.clock().clone(), reach.into(), id.clone(), by.clone());
        self.write(move |conn| {
            Box::pin(async move {
                lock(conn, &reach, &id).await?;
                let Some(mut collection) = find(conn, &reach, &id).await? else { return Ok(None) };
                collection.name = edit.name.unwrap_or(collection.name);
                collection.description = edit.description.unwrap_or(collection.description);
                collection.kind = edit.kind.unwrap_or(collection.kind);
                let was = collection.visibility;
                collection.visibility = edit.visibility.unwrap_or(was);
                collection.updated_at = clock.now();
                run!(
                    conn,
                    execute,
                    UPDATE,
                    id.as_str(),
                    &collection.name,
                    collection.description.as_deref(),
                    collection.kind.as_deref(),
                    collection.visibility.name(),
                    collection.updated_at.as_micros()
                )?;
                let now = collection.visibility;
                if let Some(entry) = audit::visibility_changed(&id, &reach.workspace, was, now) {
                    audit::write(conn, &clock, &by, entry).await?;
                }
                Ok(Some(collection))
            })
        })
        .await
    }

    /// Deletes the collection `id` within `reach`; its recordings stay. `false` if there is no such collection.
    ///
    /// # Errors
    /// Where the database cannot be written.
    pub async fn delete_collection(
        &self,
        reach: impl Into<Reach>,
        id: &CollectionId,
    ) -> Result<bool, Error> {
        let (reach, id) = (reach.into(), id.clone());
        self.write(move |conn| {
            Box::pin(async move {
                if !lock(conn, &reach, &id).await? {
                    return Ok(false);
                }
                run!(conn, execute, DELETE_ITEMS, id.as_str())?;
                run!(conn, execute, DELETE, id.as_str())?;
                Ok(true)
            })
        })
        .await
    }
}
