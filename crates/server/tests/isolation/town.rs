//! Many workspaces, each full of things that say whose they are.

use std::collections::HashMap;

use hansard_domain::access::{Kind, Role};
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

/// Letters of an id behind its prefix.
const ID_LETTERS: usize = 26;

pub(crate) struct Town {
    users: Vec<User>,
    /// For each workspace: a key that may do everything there, and one that only reads.
    keys: Vec<[String; 2]>,
    /// For each kind: whose, and what.
    things: HashMap<Kind, Vec<(usize, Made)>>,
    owners: HashMap<String, usize>,
    recordings: usize,
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
        };
        for number in 0..workspaces {
            let user = user(store, &marker(number), Role::Editor).await;
            let all = key(store, &user, Role::Admin, false, Vec::new()).await;
            let reads = key(store, &user, Role::Viewer, false, Vec::new()).await;
            town.keys.push([all, reads]);
            town.owners.insert(user.workspace.to_string(), number);
            town.owners.insert(user.id.to_string(), number);
            for _ in 0..TRANSCRIBED {
                let made = transcribed(store, &user, &marker(number)).await;
                town.note(Kind::Recording, number, made.recording);
                town.note(Kind::Job, number, made.job);
                town.note(Kind::Transcript, number, made.transcript);
            }
            town.users.push(user);
        }
        for (number, user) in town.users.clone().iter().enumerate() {
            town.furnish(store, number, user).await;
        }
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
            self.note(Kind::Recording, number, made);
            self.note(Kind::Job, number, Made { id: job.id.to_string(), serial: job.serial });
        }
        for kind in [
            Kind::Upload,
            Kind::Endpoint,
            Kind::Delivery,
            Kind::Token,
            Kind::Session,
            Kind::Collection,
        ] {
            let made = make(store, user, kind, "").await;
            self.note(kind, number, made);
        }
    }

    fn note(&mut self, kind: Kind, owner: usize, made: Made) {
        self.owners.insert(made.id.clone(), owner);
        self.things.entry(kind).or_default().push((owner, made));
    }

    pub(crate) fn key(&self, caller: usize, draw: &mut Draw) -> &str {
        &self.keys[caller][usize::from(draw.once_in(4))]
    }

    /// A value for a parameter: of the caller's own as often as of somebody else's.
    pub(crate) fn name_for(
        &self,
        route: &Declaration,
        segment: &str,
        caller: usize,
        draw: &mut Draw,
    ) -> String {
        let name = segment.trim_matches(['{', '}', '*']);
        let needs = route.access.wanted();
        let object = needs
            .and_then(|needs| needs.objects().find(|object| object.parameter == name).copied());
        let Some(object) = object else { return "1".to_owned() };
        match self.some(object.kind, caller, draw) {
            Some(made) => match object.by {
                NamedBy::Serial | NamedBy::SerialOrNothing => made.serial.to_string(),
                NamedBy::Id | NamedBy::UserName => made.id.clone(),
            },
            None => self.users[draw.below(self.users.len())].id.to_string(),
        }
    }

    fn some(&self, kind: Kind, caller: usize, draw: &mut Draw) -> Option<&Made> {
        let all = self.things.get(&kind)?;
        if draw.once_in(2) {
            return Some(&draw.one_of(all).1);
        }
        let own: Vec<_> = all.iter().filter(|(owner, _)| *owner == caller).collect();
        Some(&draw.one_of(&own).1)
    }

    /// Filters that lists have, most of which a route will not know.
    pub(crate) fn query(&self, caller: usize, draw: &mut Draw) -> String {
        let recording = self.some(Kind::Recording, caller, draw).map_or("", |made| &made.id);
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
        let mut some = |kind| self.some(kind, caller, draw).cloned();
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

    /// Nobody has changed what is another's: whatever a title says, its workspace said.
    pub(crate) async fn check_rows(&self, store: &Store) {
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
}
