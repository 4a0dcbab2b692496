//! What a provider says about a person, and what follows from it here: whether they may come in, and as what.

use hansard_domain::access::Role;
use serde_json::{Map, Value};
use url::Url;

/// Bytes of a name, an address or a group. Longer ones are not taken.
const TEXT_BYTES_MAX: usize = 320;

/// Characters of the address of a picture. Longer ones are not taken.
const PICTURE_MAX: usize = 2_048;

/// Groups of a person. Further ones are not looked at.
const GROUPS_MAX: usize = 1_000;

/// A person, as the verified claims of a token or of a login describe them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Profile {
    /// The address, if the provider has checked that it is theirs.
    pub(crate) verified_email: Option<String>,
    /// Their name, for people.
    pub(crate) name: Option<String>,
    /// What they are called at the provider.
    pub(crate) username: Option<String>,
    /// Where there is a picture of them: an address of HTTPS.
    pub(crate) picture: Option<String>,
    /// Their groups; `None` if the provider says nothing about groups, which is not the same as having none.
    pub(crate) groups: Option<Vec<String>>,
}

impl Profile {
    /// What `claims` say. `groups_claim` names the claim with the groups; dots in it lead into objects, unless there is a claim
    /// whose name has the dots.
    pub(crate) fn of(claims: &Map<String, Value>, groups_claim: &str) -> Self {
        let text = |name: &str| {
            let text = claims.get(name)?.as_str()?.trim();
            (1..=TEXT_BYTES_MAX).contains(&text.len()).then(|| text.to_owned())
        };
        // Only the truth itself: some providers write it as text, and some text is not true.
        let is_verified = claims.get("email_verified") == Some(&Value::Bool(true));
        Self {
            verified_email: text("email").filter(|email| is_verified && is_address(email)),
            name: text("name"),
            username: text("preferred_username"),
            picture: claims.get("picture").and_then(Value::as_str).and_then(picture),
            groups: groups_at(claims, groups_claim),
        }
    }

    /// The role that their groups give: that of the first list, the highest role's first, that names one of them. `None` if the
    /// provider says nothing about groups.
    pub(crate) fn role(&self, roles: &GroupRoles) -> Option<Role> {
        let groups = self.groups.as_ref()?;
        let has_one_of = |listed: &[String]| listed.iter().any(|group| groups.contains(group));
        Some(if has_one_of(&roles.admin) {
            Role::Admin
        } else if has_one_of(&roles.editor) {
            Role::Editor
        } else if has_one_of(&roles.viewer) {
            Role::Viewer
        } else {
            roles.otherwise
        })
    }
}

/// Which groups have which role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRoles {
    /// Groups of administrators.
    pub admin: Vec<String>,
    /// Groups of editors.
    pub editor: Vec<String>,
    /// Groups of viewers.
    pub viewer: Vec<String>,
    /// The role of those who are in none of them.
    pub otherwise: Role,
}

impl Default for GroupRoles {
    /// Everybody is an editor.
    fn default() -> Self {
        Self { admin: Vec::new(), editor: Vec::new(), viewer: Vec::new(), otherwise: Role::Editor }
    }
}

/// Whether somebody with the address `email` is invited. `invited` holds addresses, and domains with or without an `@` in
/// front; an empty list invites everybody whom the provider knows.
pub(crate) fn is_invited(email: &str, invited: &[String]) -> bool {
    let Some((_, domain)) = email.rsplit_once('@') else { return false };
    invited.is_empty()
        || invited.iter().any(|entry| match entry.rsplit_once('@') {
            None => entry.eq_ignore_ascii_case(domain),
            Some(("", listed)) => listed.eq_ignore_ascii_case(domain),
            Some(_) => entry.eq_ignore_ascii_case(email),
        })
}

/// Whether `text` could be an address: one `@` with something on both sides, and nothing that does not belong there.
fn is_address(text: &str) -> bool {
    let has_odd = text.chars().any(|char| char.is_whitespace() || char.is_control() || char == ',');
    let parts = text
        .split_once('@')
        .filter(|(local, domain)| !local.is_empty() && !domain.is_empty() && !domain.contains('@'));
    parts.is_some() && !has_odd
}

/// The address in `text` as browsers write it, if they may show what is there: over HTTPS, and with no credentials in it.
fn picture(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let has_credentials = !url.username().is_empty() || url.password().is_some();
    let is_taken = url.scheme() == "https" && !has_credentials && url.as_str().len() <= PICTURE_MAX;
    is_taken.then(|| url.into())
}

fn groups_at(claims: &Map<String, Value>, path: &str) -> Option<Vec<String>> {
    let descend = || {
        let (first, rest) = path.split_once('.')?;
        rest.split('.').try_fold(claims.get(first)?, |value, name| value.get(name))
    };
    let found = claims.get(path).or_else(descend)?;
    let one = std::slice::from_ref(found);
    let items = match found {
        Value::Array(items) => items.as_slice(),
        // Some providers leave out the brackets around a single one.
        Value::String(_) => one,
        _ => return None,
    };
    let groups =
        items.iter().filter_map(Value::as_str).filter(|group| group.len() <= TEXT_BYTES_MAX);
    Some(groups.take(GROUPS_MAX).map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(claims: &Value) -> Profile {
        Profile::of(claims.as_object().unwrap(), "groups")
    }

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    #[test]
    fn a_person_is_described_by_their_claims() {
        let claims = json!({ "email": "Ana@Example.org", "email_verified": true, "name": " Ana ",
            "preferred_username": "ana", "groups": ["a", 7, "b"], "picture": "https://p.example/ana.png" });
        let expected = Profile {
            verified_email: Some("Ana@Example.org".to_owned()),
            name: Some("Ana".to_owned()),
            username: Some("ana".to_owned()),
            picture: Some("https://p.example/ana.png".to_owned()),
            groups: Some(texts(&["a", "b"])),
        };
        assert_eq!(of(&claims), expected);
        let nobody = Profile {
            verified_email: None,
            name: None,
            username: None,
            picture: None,
            groups: None,
        };
        assert_eq!(of(&json!({})), nobody);
        let nothing = json!({ "name": "", "preferred_username": 7, "groups": 7, "picture": 7 });
        assert_eq!(of(&nothing), nobody);
    }

    #[test]
    fn a_picture_is_one_that_browsers_may_show() {
        let picture = |address: &str| of(&json!({ "picture": address })).picture;

        let taken = picture("HTTPS://P.example/a picture\n?s=96");
        assert_eq!(taken.as_deref(), Some("https://p.example/a%20picture?s=96"));
        for wrong in [
            "",
            "ana.png",
            "//p.example/ana.png",
            "http://p.example/ana.png",
            "data:image/png;base64,iVBORw0KGgo=",
            "javascript:alert(1)",
            "https://ana:secret@p.example/ana.png",
            &format!("https://p.example/{}", "a".repeat(2_048)),
        ] {
            assert_eq!(picture(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_counts_only_if_the_provider_has_checked_it() {
        let email = |email: &str, verified: Value| {
            of(&json!({ "email": email, "email_verified": verified })).verified_email
        };
        assert!(email("ana@example.org", json!(true)).is_some());
        for verified in [json!(false), json!("true"), json!(1), json!(null), json!(["true"])] {
            assert_eq!(email("ana@example.org", verified.clone()), None, "{verified}");
        }
        assert_eq!(of(&json!({ "email": "ana@example.org" })).verified_email, None);
        for wrong in [
            "ana",
            "@example.org",
            "ana@",
            "a@b@example.org",
            "a b@example.org",
            "a@b,c@example.org",
            "a\n@b",
        ] {
            assert_eq!(email(wrong, json!(true)), None, "{wrong:?}");
        }
        assert_eq!(email(&format!("{}@example.org", "a".repeat(400)), json!(true)), None);
    }

    #[test]
    fn groups_are_found_where_the_settings_say() {
        let claims = json!({ "realm_access": { "roles": ["editors"], "deep": { "er": "one" } },
            "https://app.example/groups": ["ns"], "groups": [] });
        let at = |path| Profile::of(claims.as_object().unwrap(), path).groups;

        assert_eq!(at("realm_access.roles"), Some(texts(&["editors"])));
        assert_eq!(at("realm_access.deep.er"), Some(texts(&["one"])));
        assert_eq!(at("https://app.example/groups"), Some(texts(&["ns"])));
        assert_eq!(at("groups"), Some(Vec::new()), "none is something else than nothing said");
        for wrong in
            ["", ".", "roles", "realm_access", "realm_access.", "realm_access.roles.0", "groups.x"]
        {
            assert_eq!(at(wrong), None, "{wrong:?}");
        }
        let many = json!({ "groups": vec!["g"; 5_000] });
        assert_eq!(of(&many).groups.map(|groups| groups.len()), Some(1_000));
    }

    #[test]
    fn the_highest_of_the_groups_decides() {
        let roles = GroupRoles {
            admin: texts(&["admins"]),
            editor: texts(&["editors"]),
            viewer: texts(&["guests"]),
            otherwise: Role::Editor,
        };
        let role = |groups: Value| of(&json!({ "groups": groups })).role(&roles);

        assert_eq!(role(json!(["guests", "admins", "editors"])), Some(Role::Admin));
        assert_eq!(role(json!(["guests", "editors"])), Some(Role::Editor));
        assert_eq!(role(json!(["guests"])), Some(Role::Viewer));
        assert_eq!(role(json!(["Admins", "admins2", " admins"])), Some(Role::Editor));
        assert_eq!(role(json!([])), Some(Role::Editor));
        assert_eq!(of(&json!({})).role(&roles), None, "then nothing changes");
    }

    #[test]
    fn invitations_name_addresses_or_domains() {
        let invited = texts(&["ana@gmail.com", "@example.org", "Example.NET"]);
        for email in
            ["ana@gmail.com", "ANA@gmail.com", "x@example.org", "x@EXAMPLE.ORG", "x@example.net"]
        {
            assert!(is_invited(email, &invited), "{email}");
        }
        for email in [
            "eve@gmail.com",
            "ana@gmail.com.evil.example",
            "x@evil-example.org",
            "x@sub.example.org",
            "x@example.org.evil.example",
            "example.org",
            "x@example.org@evil.example",
            "",
        ] {
            assert!(!is_invited(email, &invited), "{email}");
        }
        assert!(is_invited("anybody@anywhere.example", &[]));
        assert!(!is_invited("nobody", &[]));
    }
}
