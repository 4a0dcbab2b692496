//! What models are called.

/// Short names as Whisper's users know them, the repositories that they mean, from the model to be preferred to the last.
/// Where two names mean one repository, the first is shown.
pub const SHORT_NAMES: [(&str, &str); 19] = [
    ("large-v3-turbo", "openai/whisper-large-v3-turbo"),
    ("turbo", "openai/whisper-large-v3-turbo"),
    ("large-v3", "openai/whisper-large-v3"),
    ("large", "openai/whisper-large-v3"),
    ("large-v2", "openai/whisper-large-v2"),
    ("large-v1", "openai/whisper-large"),
    ("medium", "openai/whisper-medium"),
    ("small", "openai/whisper-small"),
    ("base", "openai/whisper-base"),
    ("tiny", "openai/whisper-tiny"),
    ("distil-large-v3.5", "distil-whisper/distil-large-v3.5"),
    ("distil-large-v3", "distil-whisper/distil-large-v3"),
    ("distil-large-v2", "distil-whisper/distil-large-v2"),
    ("medium.en", "openai/whisper-medium.en"),
    ("distil-medium.en", "distil-whisper/distil-medium.en"),
    ("small.en", "openai/whisper-small.en"),
    ("distil-small.en", "distil-whisper/distil-small.en"),
    ("base.en", "openai/whisper-base.en"),
    ("tiny.en", "openai/whisper-tiny.en"),
];

/// The hub allows no longer part of an id.
const PART_BYTES_MAX: usize = 96;

/// Branches and tags are shorter.
const REVISION_BYTES_MAX: usize = 200;

/// The revision of a model that is named without one.
pub(super) const DEFAULT_REVISION: &str = "main";

/// A model on the hub. Its parts are safe in a path: no `..`, no separator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelId {
    /// User or organisation.
    pub owner: String,
    /// The repository's name.
    pub name: String,
    /// Branch, tag or commit, if one was named; it may have slashes, but no `..`.
    pub revision: Option<String>,
}

impl ModelId {
    /// Reads a short name or `owner/name`, with `@revision` or without.
    pub fn parse(model: &str) -> Option<Self> {
        let (id, revision) = match model.split_once('@') {
            Some((id, revision)) => (id, Some(revision)),
            None => (model, None),
        };
        let long = SHORT_NAMES.iter().find(|(short, _)| *short == id).map(|(_, long)| *long);
        let (owner, name) = long.unwrap_or(id).split_once('/')?;
        if !is_part(owner) || !is_part(name) || !revision.is_none_or(is_revision) {
            return None;
        }
        let revision = revision.map(str::to_owned);
        Some(Self { owner: owner.to_owned(), name: name.to_owned(), revision })
    }

    /// `owner/name`.
    pub fn id(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// The revision that is meant.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(DEFAULT_REVISION)
    }
}

impl std::fmt::Display for ModelId {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.owner, self.name)?;
        self.revision.iter().try_for_each(|revision| write!(formatter, "@{revision}"))
    }
}

/// The short name of a repository, if it has one, and its place in the order of preference.
pub(super) fn short_name(id: &str) -> Option<(usize, &'static str)> {
    let place = SHORT_NAMES.iter().position(|(_, long)| *long == id)?;
    Some((place, SHORT_NAMES[place].0))
}

/// Whether `name` is one plain part of a path, in the hub's alphabet.
pub(super) fn is_part(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=PART_BYTES_MAX).contains(&name.len())
        && name.bytes().all(allowed)
        && !name.starts_with(['.', '-'])
        && !name.contains("..")
        && !name.contains("--")
}

/// Whether `revision` is a branch, tag or commit that is safe below a folder.
pub(super) fn is_revision(revision: &str) -> bool {
    revision.len() <= REVISION_BYTES_MAX
        && revision.split('/').all(|part| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
            !part.is_empty() && part.bytes().all(allowed) && !part.starts_with('.')
        })
}

/// Whether `revision` is a full commit, whose files never change.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_mean_repositories() {
        for (name, id) in [
            ("tiny", "openai/whisper-tiny"),
            ("large", "openai/whisper-large-v3"),
            ("turbo", "openai/whisper-large-v3-turbo"),
            ("distil-small.en", "distil-whisper/distil-small.en"),
            ("ana/whisper-pt@v1.0", "ana/whisper-pt@v1.0"),
            ("small@refs/pr/7", "openai/whisper-small@refs/pr/7"),
        ] {
            assert_eq!(ModelId::parse(name).unwrap().to_string(), id);
        }
    }

    #[test]
    fn every_short_name_is_a_valid_id() {
        for (short, long) in SHORT_NAMES {
            assert_eq!(ModelId::parse(short).unwrap().id(), long);
        }
    }

    #[test]
    fn a_name_that_leads_elsewhere_is_refused() {
        for name in [
            "",
            "whisper",
            "a/b/c",
            "../b",
            "a/..",
            "a/.hidden",
            "/a/b",
            "a\\b/c",
            "a/b@",
            "a/b@../x",
            "a/b@x//y",
            "a/b?x",
            "a--b/c",
            "a/b@.git",
        ] {
            assert_eq!(ModelId::parse(name), None, "{name}");
        }
    }
}
