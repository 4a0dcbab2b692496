//! Who may call a route: what each line of the table declares.
//!
//! A declaration is data and nothing else. The door decides by it before the handler runs, the document of the API tells it, and
//! a test walks all of them.

use std::fmt::Display;

use hansard_domain::access::{Kind, Permission};
use hansard_domain::problem::ProblemCode;

use crate::problem::Problem;

/// Who may call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Public,
    /// Whoever shows a shared secret in the body, as an adapter's original has it. The handler checks it.
    BodySecret,
    /// Whoever shows valid credentials, whatever they are good for: to learn what that is.
    Known,
    /// Users, for what is their own: sessions, keys, the account itself.
    Owner(Needs),
    /// Whoever has the permission, by role and scopes, and has the objects within reach.
    Role(Needs),
}

/// What a caller needs for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// To be allowed this.
    pub permission: Permission,
    /// And this, where things of another kind are shown or tied as well.
    pub also: Option<Permission>,
    /// To reach what the path names, in its order.
    pub objects: [Option<Object>; OBJECTS_MAX],
}

/// Objects that a path names at most.
const OBJECTS_MAX: usize = 2;

/// Something that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: Kind,
    /// How it is named.
    pub by: NamedBy,
    /// The parameter of the path that names it.
    pub parameter: &'static str,
    /// What is answered where it is not there for the caller.
    pub answers: Answers,
    /// Whether members of other workspaces may read it as well where it is shared with whoever has its id.
    pub is_shareable: bool,
    /// Whether whoever governs the installation may read it as well, wherever it is.
    pub is_overseen: bool,
}

/// How a path names an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NamedBy {
    /// By its id.
    Id,
    /// By its number, as the systems do whose clients we serve. Anything else is a mistake in the request.
    Serial,
    /// By its number as well, and anything else names nothing.
    SerialOrNothing,
    /// A user, by MxWhisper's name or by id.
    UserName,
}

/// What is answered about an object that is not there for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// The same, whether there is none or it is somebody else's: nobody learns which.
    Hidden(Told),
    /// What an adapter's original tells.
    Told {
        /// There is none.
        missing: Told,
        /// It is somebody else's.
        foreign: Told,
    },
}

impl Answers {
    /// The answer where there is none.
    pub const fn missing(self) -> Told {
        match self {
            Self::Hidden(told) | Self::Told { missing: told, .. } => told,
        }
    }

    /// The answer where it is somebody else's.
    pub const fn foreign(self) -> Told {
        match self {
            Self::Hidden(told) | Self::Told { foreign: told, .. } => told,
        }
    }
}

/// An answer that refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The stable name of what is wrong.
    pub code: ProblemCode,
    /// A sentence for people, in which `{name}` stands for a parameter of the path. Without one, the code's own.
    pub detail: Option<&'static str>,
}

impl Told {
    /// A code that needs no more words.
    pub(crate) const fn code(code: ProblemCode) -> Self {
        Self { code, detail: None }
    }

    /// A code, and what an adapter's original says.
    pub(crate) const fn saying(code: ProblemCode, detail: &'static str) -> Self {
        Self { code, detail: Some(detail) }
    }

    /// The problem that says it, with values for parameters of the path.
    pub(crate) fn filled<'a, V: Display>(
        self,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) -> Problem {
        let problem = Problem::new(self.code);
        let Some(detail) = self.detail else { return problem };
        let filled = values.into_iter().fold(detail.to_owned(), |text, (name, value)| {
            text.replace(&format!("{{{name}}}"), &value.to_string())
        });
        problem.detail(filled)
    }
}

/// A sentence without parameters.
impl From<Told> for Problem {
    fn from(told: Told) -> Self {
        told.filled(std::iter::empty::<(&str, &str)>())
    }
}

impl Object {
    /// An object that the native API names by its id, in `parameter`.
    pub(crate) const fn named(kind: Kind, parameter: &'static str) -> Self {
        let answers = Answers::Hidden(Told::code(not_found(kind)));
        Self { kind, by: NamedBy::Id, parameter, answers, is_shareable: false, is_overseen: false }
    }

    /// One that an adapter's original names by its number, with the original's two answers.
    pub(crate) const fn numbered(
        kind: Kind,
        parameter: &'static str,
        missing: Told,
        foreign: Told,
    ) -> Self {
        let answers = Answers::Told { missing, foreign };
        Self {
            kind,
            by: NamedBy::Serial,
            parameter,
            answers,
            is_shareable: false,
            is_overseen: false,
        }
    }

    /// The same, and whoever governs the installation may read it as well, wherever it is.
    pub(crate) const fn overseen(self) -> Self {
        Self { is_overseen: true, ..self }
    }
}

impl Access {
    /// Whoever has `permission`.
    pub(crate) const fn needs(permission: Permission) -> Self {
        Self::Role(Needs { permission, also: None, objects: [None; OBJECTS_MAX] })
    }

    /// Whoever has `permission` and the object `{id}` of the path within reach.
    pub(crate) const fn of(permission: Permission, kind: Kind) -> Self {
        Self::needs(permission).object(Object::named(kind, "id"))
    }

    /// Users, for what is their own.
    pub(crate) const fn own() -> Self {
        let permission = Permission::OwnAccount;
        Self::Owner(Needs { permission, also: None, objects: [None; OBJECTS_MAX] })
    }

    /// The same, for those who have a second permission too.
    ///
    /// # Panics
    /// For what is not asked for by role, and for a third permission, when the table is made.
    pub(crate) const fn and(self, permission: Permission) -> Self {
        let Self::Role(needs) = self else { panic!("only a role has more than one permission") };
        assert!(needs.also.is_none(), "a route needs two permissions at most");
        Self::Role(Needs { also: Some(permission), ..needs })
    }

    /// The same, with `object` within reach as well.
    ///
    /// # Panics
    /// For one object too many, when the table is made.
    pub(crate) const fn object(self, object: Object) -> Self {
        match self {
            Self::Owner(needs) => Self::Owner(needs.with(object)),
            Self::Role(needs) => Self::Role(needs.with(object)),
            Self::Public | Self::BodySecret | Self::Known => {
                panic!("who may call it is not asked for objects")
            }
        }
    }

    /// The same, and what it names last may be read by others too where it is shared.
    pub(crate) const fn shared(self) -> Self {
        let Self::Role(mut needs) = self else { panic!("only objects of workspaces are shared") };
        let last = if needs.objects[1].is_some() { 1 } else { 0 };
        if let Some(object) = &mut needs.objects[last] {
            object.is_shareable = true;
        }
        Self::Role(needs)
    }

    /// Whether the door lets in whoever comes: everybody, or whoever the handler then looks at.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Public | Self::BodySecret)
    }

    /// What a caller needs besides being known; `None` where that is nothing.
    pub const fn wanted(self) -> Option<Needs> {
        match self {
            Self::Public | Self::BodySecret | Self::Known => None,
            Self::Owner(needs) | Self::Role(needs) => Some(needs),
        }
    }
}

impl Needs {
    const fn with(mut self, object: Object) -> Self {
        let free = if self.objects[0].is_none() { 0 } else { 1 };
        assert!(self.objects[free].is_none(), "a path names two objects at most");
        self.objects[free] = Some(object);
        self
    }

    /// All permissions that it takes.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        std::iter::once(self.permission).chain(self.also)
    }

    /// The objects that the path names.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().flatten()
    }
}

/// The native answer where there is none of a kind.
pub(crate) const fn not_found(kind: Kind) -> ProblemCode {
    match kind {
        Kind::Recording => ProblemCode::RecordingNotFound,
        Kind::Job => ProblemCode::JobNotFound,
        Kind::Transcript => ProblemCode::TranscriptNotFound,
        Kind::Upload => ProblemCode::UploadNotFound,
        Kind::Endpoint => ProblemCode::EndpointNotFound,
        Kind::Delivery => ProblemCode::DeliveryNotFound,
        Kind::Session => ProblemCode::SessionNotFound,
        Kind::Token => ProblemCode::TokenNotFound,
        Kind::User => ProblemCode::UserNotFound,
        Kind::Workspace => ProblemCode::WorkspaceNotFound,
        Kind::Topic => ProblemCode::TopicNotFound,
        Kind::Collection => ProblemCode::CollectionNotFound,
    }
}
