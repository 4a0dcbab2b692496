//! `hansard user`: who may log in to the service, and as what.

mod list;
mod password;

use std::io::{self, IsTerminal};

use anyhow::{Context, anyhow};
use clap::{Args, Subcommand};
use hansard_domain::access::Role;
use hansard_store::users::{NewUser, User, UserEdit, UserEdited, UserName};
use hansard_store::{Erased, Erasure, Error as StoreError};
use serde_json::Value;

use crate::args::values;
use crate::exit::{Exit, Failure};
use crate::output;
use crate::people::{self, Installation, People, Start, failure, label};

const IN_PRACTICE: &str = "\
USER is an id (usr_...), a username, or an e-mail address that only one user has.

The users are in the database of the service, and the commands work beside a service that runs: it
sees what they changed with its next request.

The first administrator, who logs in with a password:

    hansard user create ana@example.org --role admin --password-stdin < password.txt

A program has no password, but a token:

    hansard user create nightly@example.org --name 'Nightly uploads'
    hansard token create uploads --user nightly@example.org

Whoever logs in with an identity provider is made at the first login, and can be changed then:

    hansard user role bob@example.org admin

Somebody has forgotten the password. Another one ends all their sessions:

    hansard user password bob@example.org < password.txt

Somebody leaves. This shuts them out at once and keeps everything:

    hansard user disable ana@example.org

This erases them with their own workspace and prints what was removed:

    hansard user delete ana@example.org --yes

An erasure that broke off has shut the user out already; call it again, by id, to finish it.

Exit codes:
    0  done
    1  there is no such user, the e-mail address or username is taken, nobody else is an
       administrator, or the database cannot be reached
    2  the command line or the configuration is wrong, or the password is no good";

#[derive(Debug, Args)]
#[command(after_long_help = IN_PRACTICE)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    installation: Installation,

    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Make a user with a workspace of their own, and print the id
    ///
    /// From the first user on, callers on this machine need credentials too. People who log in with an identity provider are
    /// made at their first login, and not here: an account there is never known by its e-mail address.
    Create(CreateArgs),
    /// List all users, newest first
    List {
        /// As a JSON document
        #[arg(long)]
        json: bool,
    },
    /// Say what a user is: admin, editor or viewer
    ///
    /// An admin governs the installation, an editor makes and changes recordings, a viewer reads. Groups of an identity
    /// provider no longer change the role then.
    Role {
        /// Id, e-mail address or username
        user: String,
        /// What the user is from now on
        #[arg(value_parser = values::role())]
        role: Role,
    },
    /// Give a user another password, and end all their sessions
    ///
    /// Reads a password of at least 12 characters from standard input. A user who had none logs in with it and the e-mail
    /// address from now on. Keys and tokens are left.
    Password {
        /// Id, e-mail address or username
        user: String,
    },
    /// Shut a user out at once, and keep everything
    ///
    /// Ends all sessions; keys and passwords are refused until the user is enabled.
    Disable {
        /// Id, e-mail address or username
        user: String,
    },
    /// Let a disabled user in again
    Enable {
        /// Id, e-mail address or username
        user: String,
    },
    /// Erase a user with all that is theirs alone, and print what was removed
    ///
    /// Removes the workspace of the user with its recordings, media, jobs, transcripts and deliveries, and the user's logins,
    /// sessions and tokens. What the user made in workspaces of others stays, without the name. There is no way back.
    Delete {
        /// Id, e-mail address or username
        user: String,
        /// Erase without a terminal, as from a script
        #[arg(long)]
        yes: bool,
    },
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// E-mail address, which no other user has
    email: String,

    /// Name for people
    #[arg(long, value_name = "NAME")]
    name: Option<String>,

    /// Name to be found by, which no other user has
    #[arg(long, value_name = "NAME")]
    username: Option<String>,

    /// What the user is: an admin governs the installation, an editor makes and changes recordings, a viewer reads
    #[arg(long, value_name = "ROLE", default_value = "editor", value_parser = values::role())]
    role: Role,

    /// Read a password of at least 12 characters from standard input; without one the user comes in with tokens only
    #[arg(long)]
    password_stdin: bool,
}

/// Does what `args` say.
pub(crate) fn run(args: &UserArgs) -> Result<Exit, Failure> {
    let at = &args.installation;
    match &args.command {
        UserCommand::Create(new) => {
            // Before the database: hashing takes a while, and a password that is no good is told first.
            let hash = new.password_stdin.then(password::hash_from_stdin).transpose()?;
            people::run(at, Start::Here, async |people| create(people, new, hash).await)
        }
        UserCommand::List { json } => {
            people::run(at, Start::Elsewhere, async |people| list::print(people, *json).await)
        }
        UserCommand::Role { user, role } => {
            edit(at, user, UserEdit { role: Some(*role), ..UserEdit::default() })
        }
        UserCommand::Password { user } => {
            let password_hash = Some(Some(password::hash_from_stdin()?));
            edit(at, user, UserEdit { password_hash, ..UserEdit::default() })
        }
        UserCommand::Disable { user } => {
            edit(at, user, UserEdit { is_disabled: Some(true), ..UserEdit::default() })
        }
        UserCommand::Enable { user } => {
            edit(at, user, UserEdit { is_disabled: Some(false), ..UserEdit::default() })
        }
        UserCommand::Delete { user, yes } => {
            if !yes && !io::stdin().is_terminal() {
                let message = "there is no way back; without a terminal, say --yes";
                return Err(Failure::usage(message.to_owned()));
            }
            people::run(at, Start::Elsewhere, async |people| delete(people, user).await)
        }
    }
}

async fn create(people: &People, args: &CreateArgs, hash: Option<String>) -> Result<(), Failure> {
    let name = UserName::Email(args.email.clone());
    match people.store.find_user(&name).await {
        Ok(None) => {}
        // The store lets users of several providers share an address; whoever types one means one user.
        Ok(Some(_)) | Err(StoreError::Invalid(_)) => return Err(failure(StoreError::EmailTaken)),
        Err(error) => return Err(failure(error)),
    }
    let (was_open, home) = (people.is_open().await?, people.home().await?);
    let new = NewUser {
        email: Some(args.email.clone()),
        name: args.name.clone(),
        username: args.username.clone(),
        password_hash: hash,
        ..NewUser::of(args.role)
    };
    let user = people.store.create_user(new, &home, &people.by).await.map_err(failure)?;
    output::data(&format!("{}\n", user.id))?;
    output::note(&told(&user));
    if was_open {
        people::tell_no_longer_open();
    }
    let use_of_key = if user.has_password {
        "a key for a program"
    } else {
        "without a password, with a key only"
    };
    output::note(&format!("{use_of_key}: hansard token create NAME --user {}", label(&user)));
    Ok(())
}

fn edit(at: &Installation, given: &str, edit: UserEdit) -> Result<Exit, Failure> {
    people::run(at, Start::Elsewhere, async |people| {
        let (user, home) = (people.user(given).await?, people.home().await?);
        let is_password = edit.password_hash.is_some();
        let edited = people.store.update_user(&user.id, edit, &home, &people.by).await;
        match edited.map_err(failure)? {
            UserEdited::Done(user) => {
                output::note(&told(&user));
                if is_password {
                    output::note("the password is another one, and all sessions have ended");
                }
                Ok(())
            }
            UserEdited::Missing => Err(Failure::failed(format!("{} is being erased", user.id))),
            UserEdited::LastAdmin => Err(last_admin(&user)),
        }
    })
}

async fn delete(people: &People, given: &str) -> Result<(), Failure> {
    let user = people.user(given).await?;
    let erased = people.store.erase_user(&user.id, &people.by).await.with_context(|| {
        let id = &user.id;
        format!("the erasure broke off; hansard user delete {id} --yes goes on with it")
    });
    match erased? {
        Erasure::Done(erased) => {
            output::data(&report(&erased)?)?;
            output::note(&format!("{} is erased; the audit log keeps the id", user.id));
            Ok(())
        }
        // Somebody else was asked as well, and was faster.
        Erasure::Missing => Err(Failure::failed(format!("there is no user {} any more", user.id))),
        Erasure::LastAdmin => Err(last_admin(&user)),
    }
}

fn last_admin(user: &User) -> Failure {
    let label = label(user);
    Failure::failed(format!(
        "nobody but {label} governs the installation; make another user admin first"
    ))
}

/// What a user is now.
fn told(user: &User) -> String {
    let state = if user.disabled_at.is_some() { ", disabled" } else { "" };
    format!("{}: {}{state}", label(user), user.role.name())
}

/// A line for each kind of thing that was removed, with its number.
fn report(erased: &Erased) -> anyhow::Result<String> {
    let Value::Object(counts) = serde_json::to_value(erased)? else {
        return Err(anyhow!("the report of the erasure cannot be written"));
    };
    Ok(counts.iter().map(|(what, count)| format!("{what}: {count}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_everything_that_was_removed() {
        let report = report(&Erased { recordings: 3, media_bytes: 5_000, ..Erased::default() });

        let report = report.unwrap();
        assert!(
            report.starts_with("recordings: 3\nmedia_objects: 0\nmedia_bytes: 5000\n"),
            "{report}"
        );
        assert!(report.ends_with("memberships: 0\n"), "{report}");
    }
}
