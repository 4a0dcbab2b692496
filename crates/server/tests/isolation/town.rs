//! Many workspaces, each full of things that say whose they are.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use hansard_domain::access::{Kind, Role};
use hansard_domain::id::Id;
use hansard_domain::job::{TranscribeOptions, Visibility};
use hansard_domain::source::Source;
use hansard_server::{Declaration, NamedBy};
use hansard_store::recordings::RecordingFilter;
use hansard_store::users::User;
use hansard_store::{NewJob, NewRecording, Store};
use serde_json::json;

use crate::draw::Draw;
use crate::things::{Made, key, make, transcribed, user};

/// Recordings of each workspace that have a transcript.
const TRANSCRIBED: usize = 5;

/// Kinds of which each workspace has one that its owner never names.
const KEPT_KINDS: usize = 9;

/// Topics that every installation has, numbered from 1.
const SEEDED_TOPICS: usize = 21;

/// Letters of an id behind its prefix.
const ID_LETTERS: usize = 26;

pub(crate) struct Town {
    users: Vec<User>,
    /// For each workspace: a key that may do everything there, and one that only reads.
    keys: Vec<[String; 2]>,
    things: HashMap<Kind, Vec<Thing>>,
    owners: HashMap<String, usize>,
    recordings: usize,
    /// What all kept things were in the beginning, by their ids.
    before: BTreeMap<String, String>,
}

/// Something that belongs to a workspace.
struct Thing {
    /// The number of the workspace.
    owner: usize,
    made: Made,
    /// Its owner never names it, so whoever changes it is somebody else.
    is_kept: bool,
}

/// A value for a parameter of a path.
pub(crate) struct Named {
    pub(crate) text: String,
    /// Whether it is another workspace's.
    pub(crate) is_foreign: bool,
}

/// What all text of a workspace holds.
fn marker(workspace: usize) -> String {
    format!("ws-{workspace:02}-zebra")
}

impl Town {
    pub(crate) async fn build(store: &Store, workspaces: usize, recordings: usize) -> Self {
        let mut town = Self {
            users: Vec::new(),
            keys: Vec::new(),
            things: HashMap::new(),
            owners: HashMap::new(),
            recordings,
            before: BTreeMap::new(),
        };
        for number in 0..workspaces {
            let user = user(store, &marker(number), Role::Editor).await;
            let all = key(store, &user, Role::Admin, false, Vec::new()).await;
            let reads = key(store, &user, Role::Viewer, false, Vec::new()).await;
            town.keys.push([all, reads]);
            let workspace = Made { id: user.workspace.to_string(), serial: 0 };
            town.note(Kind::Workspace, number, workspace, false);
            let itself = Made { id: user.id.to_string(), serial: user.serial };
            town.note(Kind::User, number, itself, false);
            for index in 0..TRANSCRIBED {
                let (made, is_kept) =
                    (transcribed(store, &user, &marker(number)).await, index == 0);
                town.note(Kind::Recording, number, made.recording, is_kept);
                town.note(Kind::Job, number, made.job, is_kept);
                town.note(Kind::Transcript, number, made.transcript, is_kept);
            }
            town.users.push(user);
        }
        for (number, user) in town.users.clone().iter().enumerate() {
            town.furnish(store, number, user).await;
        }
        town.before = town.kept(store).await;
        town
    }

    /// What waits to be transcribed, and the rest.
    async fn furnish(&mut self, store: &Store, number: usize, user: &User) {
        let accepted = (TRANSCRIBED..self.recordings).map(|index| {
            let source = Source::S3 { bucket: marker(number), key: format!("{index}.webm") };
            let text = marker(number);
            let recording = NewRecording {
                title: Some(format!("{text} {index}")),
                external_id: Some(format!("{text}-{index}")),
                metadata: json!({ "of": text }).to_string(),
                visibility: if index % 2 == 0 {
                    Visibility::Private
                } else {
                    Visibility::Workspace
                },
                created_by: Some(user.id.to_string()),
                ..NewRecording::of(source)
            };
            let options = TranscribeOptions { prompt: Some(text), ..TranscribeOptions::default() };
            store.accept(&user.workspace, recording, NewJob::of(options), None)
        });
        for accepted in futures_util::future::join_all(accepted).await {
            let accepted = accepted.unwrap();
            let (recording, job) = (accepted.recording, accepted.job);
            let made = Made { id: recording.id.to_string(), serial: recording.serial };
            self.note(Kind::Recording, number, made, false);
            let made = Made { id: job.id.to_string(), serial: job.serial };
            self.note(Kind::Job, number, made, false);
        }
        for kind in [
            Kind::Upload,
            Kind::Endpoint,
            Kind::Delivery,
            Kind::Token,
            Kind::Session,
            Kind::Collection,
        ] {
            for is_kept in [false, true] {
                let made = make(store, user, kind, "").await;
                self.note(kind, number, made, is_kept);
            }
        }
    }

    fn note(&mut self, kind: Kind, owner: usize, made: Made, is_kept: bool) {
        self.owners.insert(made.id.clone(), owner);
        self.things.entry(kind).or_default().push(Thing { owner, made, is_kept });
    }

    pub(crate) fn key(&self, caller: usize, draw: &mut Draw) -> &str {
        &self.keys[caller][usize::from(draw.once_in(4))]
    }

    /// A value for a parameter: of the caller's own as often as of anybody's.
    pub(crate) fn name_for(
        &self,
        route: &Declaration,
        segment: &str,
        caller: usize,
        draw: &mut Draw,
    ) -> Named {
        let name = segment.trim_matches(['{', '}', '*']);
        let needs = route.access.wanted();
        let object = needs
            .and_then(|needs| needs.objects().find(|object| object.parameter == name).copied());
        // Topics are everybody's, and what is no object of anybody's has no owner either.
        let Some((object, thing)) =
            object.and_then(|object| Some((object, self.some(object.kind, caller, draw)?)))
        else {
            return Named { text: (1 + draw.below(SEEDED_TOPICS)).to_string(), is_foreign: false };
        };
        let text = match object.by {
            NamedBy::Serial | NamedBy::SerialOrNothing => thing.made.serial.to_string(),
            NamedBy::Id | NamedBy::UserName => thing.made.id.clone(),
        };
        // A user is no workspace's: whoever has the id may make somebody a member.
        let is_foreign = thing.owner != caller && object.kind != Kind::User;
        Named { text, is_foreign }
    }

    fn some(&self, kind: Kind, caller: usize, draw: &mut Draw) -> Option<&Thing> {
        let all = self.things.get(&kind)?;
        let foreign = draw.one_of(all);
        if foreign.owner != caller && draw.once_in(2) {
            return Some(foreign);
        }
        let own: Vec<_> =
            all.iter().filter(|thing| thing.owner == caller && !thing.is_kept).collect();
        Some(own[draw.below(own.len())])
    }

    /// Filters that lists have, most of which a route will not know.
    pub(crate) fn query(&self, caller: usize, draw: &mut Draw) -> String {
        let recording = self.some(Kind::Recording, caller, draw).map_or("", |thing| &thing.made.id);
        let other = draw.below(self.users.len());
        match draw.below(8) {
            0 => "?limit=100".to_owned(),
            1 => format!("?recording_id={recording}"),
            2 => format!("?external_id={}-{}", marker(other), draw.below(self.recordings)),
            3 => "?limit=100&state=queued".to_owned(),
            4 => format!("?limit=100&offset={}", draw.below(2_000)),
            5 => "?format=txt".to_owned(),
            _ => String::new(),
        }
    }

    /// A body that names things of others, and marks what it changes as the caller's.
    pub(crate) fn body(&self, caller: usize, draw: &mut Draw) -> String {
        let text = marker(caller);
        let mut some = |kind| self.some(kind, caller, draw).map(|thing| thing.made.clone());
        let (recording, job) = (some(Kind::Recording), some(Kind::Job));
        let (upload, collection) = (some(Kind::Upload), some(Kind::Collection));
        let id = |made: &Option<Made>| made.as_ref().map(|made| made.id.clone());
        let serial = |made: &Option<Made>| made.as_ref().map(|made| made.serial);
        let body = match draw.below(6) {
            0 => json!({ "source": { "upload": { "id": id(&upload) } } }),
            1 => json!({ "title": text }),
            2 => json!({ "name": text, "description": text }),
            3 => json!({ "collection_id": serial(&collection), "topic_ids": [1, 2] }),
            4 => json!({ "recording_id": id(&recording), "job_id": id(&job), "position": 1 }),
            _ => json!({}),
        };
        body.to_string()
    }

    /// The workspaces whose marker `text` holds.
    pub(crate) fn markers_in<'a>(&self, text: &'a str) -> impl Iterator<Item = usize> + 'a {
        text.match_indices("-zebra")
            .filter_map(|(at, _)| text.get(at.checked_sub(2)?..at)?.parse().ok())
    }

    /// The ids in `text` whose owner is known.
    pub(crate) fn ids_in<'a>(&'a self, text: &'a str) -> impl Iterator<Item = (&'a str, usize)> {
        text.match_indices('_').filter_map(|(at, _)| {
            let id = text.get(at.checked_sub(3)?..at + 1 + ID_LETTERS)?;
            self.owners.get(id).map(|owner| (id, *owner))
        })
    }

    /// Nobody has changed what is another's, neither what its owner never touches nor what a title says.
    pub(crate) async fn check_rows(&self, store: &Store) {
        let after = self.kept(store).await;
        for (id, was) in &self.before {
            assert_eq!(after.get(id), Some(was), "somebody else has changed {id}");
        }
        for (number, user) in self.users.iter().enumerate() {
            let (mut before, mut seen) = (None, 0);
            loop {
                let filter = RecordingFilter::default();
                let page =
                    store.page_recordings(&user.workspace, &filter, before, 100).await.unwrap();
                for recording in &page.items {
                    let title = recording.title.as_deref().unwrap_or_default();
                    for other in self.markers_in(title) {
                        assert_eq!(other, number, "{title:?} stands in workspace {number}");
                    }
                }
                seen += page.items.len();
                before = page.next;
                if before.is_none() {
                    break;
                }
            }
            assert!(seen > 0, "workspace {number} is empty");
        }
    }

    /// All kept things as they are now, by their ids.
    async fn kept(&self, store: &Store) -> BTreeMap<String, String> {
        let mut kept = BTreeMap::new();
        for (kind, things) in &self.things {
            for Thing { owner, made, .. } in things.iter().filter(|thing| thing.is_kept) {
                let row = row_of(store, &self.users[*owner], *kind, &made.id).await;
                kept.insert(made.id.clone(), row);
            }
        }
        assert_eq!(kept.len(), self.users.len() * KEPT_KINDS);
        kept
    }
}

/// Everything that the store says about something that is there.
async fn row_of(store: &Store, user: &User, kind: Kind, id: &str) -> String {
    fn found<T: Debug>(row: Result<Option<T>, hansard_store::Error>) -> String {
        format!("{:?}", row.unwrap().expect("it is there"))
    }
    let home = &user.workspace;
    match kind {
        Kind::Recording => found(store.find_recording(home, &parse(id)).await),
        Kind::Job => found(store.find_job(home, &parse(id)).await),
        Kind::Transcript => found(store.find_transcript(home, &parse(id)).await),
        Kind::Upload => found(store.find_upload(home, &parse(id)).await),
        Kind::Endpoint => found(store.find_endpoint(home, &parse(id)).await),
        Kind::Delivery => found(store.find_delivery(home, &parse(id)).await),
        Kind::Token => {
            let check = store.find_token(&parse(id)).await;
            found(check.map(|check| check.map(|check| check.token)))
        }
        Kind::Collection => found(store.find_collection(home, &parse(id)).await),
        Kind::Session => {
            let sessions = store.sessions_of(&user.id).await.unwrap();
            found(Ok(sessions.into_iter().find(|session| session.id.as_str() == id)))
        }
        Kind::User | Kind::Workspace | Kind::Topic => unreachable!("none of these is kept"),
    }
}

fn parse<I: Id>(id: &str) -> I {
    I::parse(id).unwrap()
}
