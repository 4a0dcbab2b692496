//! To whom an object belongs that a request names: all that the decision about it needs to know, in one read.

use hansard_domain::access::{Kind, Named, Ownership};
use hansard_domain::id::{Id, UserId, WorkspaceId};
use hansard_domain::job::Visibility;

use crate::backend::{run, statements};
use crate::{Error, Store};

macro_rules! recording_owner {
    () => {
        "recordings.workspace_id, recordings.created_by, CAST(NULL AS TEXT), recordings.visibility FROM recordings"
    };
}

macro_rules! job_owner {
    () => {
        "jobs.workspace_id, recordings.created_by, CAST(NULL AS TEXT), recordings.visibility FROM jobs \
         LEFT JOIN recordings ON recordings.id = jobs.recording_id"
    };
}

macro_rules! collection_owner {
    () => {
        "workspace_id, created_by, CAST(NULL AS TEXT), visibility FROM collections"
    };
}

macro_rules! nobody {
    () => {
        "CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT)"
    };
}

statements! {
    RECORDING = "SELECT " (recording_owner) " WHERE recordings.id = $1";
    RECORDING_SERIAL = "SELECT " (recording_owner) " WHERE recordings.serial = $1";
    JOB = "SELECT " (job_owner) " WHERE jobs.id = $1";
    JOB_SERIAL = "SELECT " (job_owner) " WHERE jobs.serial = $1";
    TRANSCRIPT = "SELECT transcripts.workspace_id, recordings.created_by, CAST(NULL AS TEXT), recordings.visibility \
        FROM transcripts LEFT JOIN recordings ON recordings.id = transcripts.recording_id WHERE transcripts.id = $1";
    /// Besides admins, nobody goes on with what somebody else has begun.
    UPLOAD = "SELECT workspace_id, created_by, CAST(NULL AS TEXT), 'private' FROM uploads WHERE id = $1";
    ENDPOINT = "SELECT workspace_id, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT) FROM endpoints WHERE id = $1";
    DELIVERY = "SELECT workspace_id, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT) FROM deliveries WHERE id = $1";
    SESSION = "SELECT CAST(NULL AS TEXT), CAST(NULL AS TEXT), user_id, CAST(NULL AS TEXT) FROM sessions WHERE id = $1";
    TOKEN = "SELECT workspace_id, CAST(NULL AS TEXT), user_id, CAST(NULL AS TEXT) FROM tokens WHERE id = $1";
    USER = "SELECT " (nobody) " FROM users WHERE id = $1";
    /// No user is called by another's id in MxWhisper.
    USER_NAME = "SELECT " (nobody) " FROM users WHERE external_id = $1 OR id = $1";
    WORKSPACE = "SELECT id, CAST(NULL AS TEXT), CAST(NULL AS TEXT), CAST(NULL AS TEXT) FROM workspaces WHERE id = $1";
    TOPIC = "SELECT " (nobody) " FROM topics WHERE id = $1";
    TOPIC_SERIAL = "SELECT " (nobody) " FROM topics WHERE serial = $1";
    COLLECTION = "SELECT " (collection_owner) " WHERE id = $1";
    COLLECTION_SERIAL = "SELECT " (collection_owner) " WHERE serial = $1";
}

/// Workspace, creator, user and visibility.
type Row = (Option<String>, Option<String>, Option<String>, Option<String>);

fn read(row: Row, name: &Named) -> Result<Ownership, Error> {
    let corrupt = |table| Error::Corrupt {
        table,
        id: format!("{name:?}"),
        reason: "its owner cannot be read".to_owned(),
    };
    let (workspace, creator, user, visibility) = row;
    let workspace = workspace.as_deref().map(WorkspaceId::parse).transpose();
    let user = user.as_deref().map(UserId::parse).transpose();
    let visibility = visibility.map(|name| {
        Visibility::from_name(&name).ok_or_else(|| corrupt("recordings or collections"))
    });
    Ok(Ownership {
        workspace: workspace.map_err(|_| corrupt("workspaces"))?,
        creator,
        user: user.map_err(|_| corrupt("users"))?,
        visibility: visibility.transpose()?,
    })
}

impl Store {
    /// To whom the one of a kind belongs that somebody names; `None` if there is none, or none that can be named like this.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub async fn ownership(&self, kind: Kind, name: &Named) -> Result<Option<Ownership>, Error> {
        let statement = match (kind, name) {
            (Kind::Recording, Named::Id(_)) => RECORDING,
            (Kind::Recording, Named::Serial(_)) => RECORDING_SERIAL,
            (Kind::Job, Named::Id(_)) => JOB,
            (Kind::Job, Named::Serial(_)) => JOB_SERIAL,
            (Kind::Transcript, Named::Id(_)) => TRANSCRIPT,
            (Kind::Upload, Named::Id(_)) => UPLOAD,
            (Kind::Endpoint, Named::Id(_)) => ENDPOINT,
            (Kind::Delivery, Named::Id(_)) => DELIVERY,
            (Kind::Session, Named::Id(_)) => SESSION,
            (Kind::Token, Named::Id(_)) => TOKEN,
            (Kind::User, Named::Id(_)) => USER,
            (Kind::User, Named::UserName(_)) => USER_NAME,
            (Kind::Workspace, Named::Id(_)) => WORKSPACE,
            (Kind::Topic, Named::Id(_)) => TOPIC,
            (Kind::Topic, Named::Serial(_)) => TOPIC_SERIAL,
            (Kind::Collection, Named::Id(_)) => COLLECTION,
            (Kind::Collection, Named::Serial(_)) => COLLECTION_SERIAL,
            (_, Named::Serial(_) | Named::UserName(_)) => return Ok(None),
        };
        let mut reader = self.reader().await?;
        let mut conn = reader.conn();
        let row = match name {
            Named::Serial(serial) => run!(&mut conn, fetch_optional::<Row>, statement, *serial)?,
            // No row has a name that it cannot hold.
            Named::Id(name) | Named::UserName(name) if name.contains('\0') => None,
            Named::Id(name) | Named::UserName(name) => {
                run!(&mut conn, fetch_optional::<Row>, statement, name.as_str())?
            }
        };
        row.map(|row| read(row, name)).transpose()
    }
}
