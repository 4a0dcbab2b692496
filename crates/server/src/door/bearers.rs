//! Tokens that others have signed: identity providers, for their users, and the operator, for MxWhisper's programs.

use hansard_domain::access::{Principal, Role};
use hansard_domain::id::WorkspaceId;
use hansard_domain::problem::ProblemCode;
use hansard_net::{Client, Url};
use hansard_store::audit::ActorRef;
use hansard_store::tokens::{NewJwt, TokenCheck};
use hansard_store::users::{Claimed, NewUser, Provisioned, User, UserName};
use hansard_store::{Clock, Error as StoreError};

use crate::App;
use crate::caller::Sender;
use crate::door::jwks::{Jwks, Source};
use crate::door::jwt::{Algorithm, Claims, Refusal, Token};
use crate::door::kept::Unavailable;
use crate::door::profile::{Profile, is_invited};
use crate::door::service::{ServiceClaims, ServiceSecret};
use crate::door::{seat, tokens};
use crate::problem::Problem;
use crate::settings::Admission;

/// Whose signatures count.
pub(crate) struct Issuers {
    providers: Vec<Issuer>,
    service: Option<ServiceSecret>,
}

/// A provider whose tokens are credentials.
struct Issuer {
    name: String,
    audience: String,
    groups_claim: String,
    keys: Jwks,
}

impl Issuers {
    /// Those of the settings. Nothing is fetched yet.
    pub(crate) fn new(admission: &Admission, client: &Client, clock: &Clock) -> Self {
        let providers = admission.providers.iter().filter_map(|provider| {
            let address = provider.jwks_url.as_deref().map(Url::parse).transpose().ok()?;
            let source = match address {
                Some(address) => Source::Keys(address),
                None => Source::Discovery { issuer: provider.expected_issuer.clone() },
            };
            Some(Issuer {
                name: provider.expected_issuer.clone(),
                audience: provider.audience.clone()?,
                groups_claim: provider.groups_claim.clone(),
                keys: Jwks::new(client.clone(), source, clock.clone()),
            })
        });
        let service = admission.service_secret.as_ref();
        Self {
            providers: providers.collect(),
            service: service.and_then(|secret| ServiceSecret::new(secret.expose())),
        }
    }
}

/// Why a token opens nothing.
enum Closed {
    /// It is no good; its bearer learns only that.
    Refused(Refusal),
    /// That cannot be told now.
    Problem(Problem),
}

impl From<Refusal> for Closed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<StoreError> for Closed {
    fn from(error: StoreError) -> Self {
        match error {
            // Claims that no row can hold belong to nobody.
            StoreError::Invalid(_) => Self::Refused(Refusal::Claim),
            error => Self::Problem(error.into()),
        }
    }
}

impl From<Unavailable> for Closed {
    fn from(unavailable: Unavailable) -> Self {
        let code = ProblemCode::IdentityProviderUnavailable;
        Self::Problem(Problem::new(code).retry_after(unavailable.retry_after))
    }
}

impl From<Problem> for Closed {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Whose token `text` is; `None` if it is none that counts.
pub(crate) async fn resolve(
    app: &App,
    text: &str,
    wanted: Option<&WorkspaceId>,
    sender: &Sender,
) -> Result<Option<Principal>, Problem> {
    if !Token::is_like(text) {
        return Ok(None);
    }
    match open(app, text, wanted, sender).await {
        Ok(principal) => Ok(principal),
        Err(Closed::Problem(problem)) => Err(problem),
        Err(Closed::Refused(refusal)) => {
            tracing::debug!(reason = %refusal, "a signed token was refused");
            Ok(None)
        }
    }
}

async fn open(
    app: &App,
    text: &str,
    wanted: Option<&WorkspaceId>,
    sender: &Sender,
) -> Result<Option<Principal>, Closed> {
    let token = Token::parse(text)?;
    let issuers = &app.door().issuers;
    if token.algorithm() == Algorithm::Hs256 {
        let secret = issuers.service.as_ref().ok_or(Refusal::Algorithm)?;
        let claims = secret.open(&token, app.clock().now())?;
        return service(app, claims, sender).await;
    }
    let stated = token.stated_issuer()?;
    let issuer = issuers.providers.iter().find(|issuer| issuer.name == stated);
    let issuer = issuer.ok_or(Refusal::Issuer)?;
    let key = issuer.keys.find(token.key_id()?).await?.ok_or(Refusal::UnknownKey)?;
    let claims = key.open(&token)?;
    let subject = claims.check(&issuer.name, &issuer.audience, app.clock().now())?;
    person(app, issuer, subject, &claims, wanted, sender).await
}

/// The user whom a provider's token is about, made on first sight.
async fn person(
    app: &App,
    issuer: &Issuer,
    subject: &str,
    claims: &Claims,
    wanted: Option<&WorkspaceId>,
    sender: &Sender,
) -> Result<Option<Principal>, Closed> {
    let profile = Profile::of(&claims.others, &issuer.groups_claim);
    let admission = &app.settings().admission;
    let (roles, allowed) = (&admission.group_roles, &admission.allowed_emails);
    // A token is no way round the list of those who may log in.
    let is_allowed = |email: &String| is_invited(email, allowed);
    if !allowed.is_empty() && !profile.verified_email.as_ref().is_some_and(is_allowed) {
        return Ok(None);
    }
    let claimed = Claimed {
        issuer: issuer.name.clone(),
        subject: subject.to_owned(),
        role: profile.role(roles),
        email: profile.verified_email,
        name: profile.name,
        username: profile.username,
        picture: profile.picture,
        default_role: roles.otherwise,
    };
    let by = sender.by(ActorRef::SYSTEM);
    match app.store().provision(&claimed, app.workspace(), true, &by).await? {
        Provisioned::User(user) => Ok(Some(seat(app, sender, &user, wanted).await?)),
        Provisioned::Disabled | Provisioned::Unknown => Ok(None),
    }
}

/// The user whose service token it is, if nobody has revoked it.
async fn service(
    app: &App,
    claims: ServiceClaims,
    sender: &Sender,
) -> Result<Option<Principal>, Closed> {
    let by = sender.by(ActorRef::SYSTEM);
    let user = match user_of(app, &claims.subject).await? {
        Some(user) => user,
        None => welcome(app, &claims, &by).await?,
    };
    if user.disabled_at.is_some() || user.revocations != claims.revocations {
        return Ok(None);
    }
    let mut known = match app.store().find_jti(&claims.id).await? {
        Some(token) => token,
        None => {
            let jwt = NewJwt {
                jti: claims.id,
                workspace: user.workspace.clone(),
                user: user.id.clone(),
                name: claims.username,
                role: Role::Admin,
                expires_at: claims.expires_at,
            };
            app.store().note_jwt(jwt, &by).await?
        }
    };
    // One that was revoked before it was seen belongs to nobody.
    if !known.is_live(app.clock().now()) || known.user.as_ref() != Some(&user.id) {
        return Ok(None);
    }
    // What its bearer may and governs is a matter of the user alone, as in MxWhisper.
    (known.role, known.governs) = (Role::Admin, true);
    let check = TokenCheck {
        member: Some(Role::Admin),
        user: Some(user),
        hash: None,
        previous_hash: None,
        token: known,
    };
    let Some(principal) = tokens::principal(&check) else { return Ok(None) };
    tokens::note_use(app, &check.token, &sender.by(ActorRef::from(&principal.actor))).await;
    Ok(Some(principal))
}

/// The user whom MxWhisper calls `subject`, or who has that id here.
pub(crate) async fn user_of(app: &App, subject: &str) -> Result<Option<User>, StoreError> {
    let store = app.store();
    match store.find_user(&UserName::External(subject.to_owned())).await? {
        Some(user) => Ok(Some(user)),
        None => match hansard_domain::id::Id::parse(subject) {
            Ok(id) => store.find_user(&UserName::Id(id)).await,
            Err(_) => Ok(None),
        },
    }
}

/// Makes the user of a service token that was never seen before, as MxWhisper does.
async fn welcome(
    app: &App,
    claims: &ServiceClaims,
    by: &hansard_store::audit::By,
) -> Result<User, Closed> {
    let user = NewUser {
        external_id: Some(claims.subject.clone()),
        username: Some(claims.username.clone()),
        ..NewUser::of(Role::Editor)
    };
    match app.store().create_user(user, app.workspace(), by).await {
        Ok(user) => Ok(user),
        // Somebody else made it in the same moment; or the name is another's, and it goes without.
        Err(StoreError::UsernameTaken | StoreError::IdentityTaken) => {
            match user_of(app, &claims.subject).await? {
                Some(user) => Ok(user),
                None => {
                    let user = NewUser {
                        external_id: Some(claims.subject.clone()),
                        name: Some(claims.username.clone()),
                        ..NewUser::of(Role::Editor)
                    };
                    Ok(app.store().create_user(user, app.workspace(), by).await?)
                }
            }
        }
        Err(error) => Err(error.into()),
    }
}
