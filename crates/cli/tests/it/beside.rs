//! The two databases, as the commands of an operator meet them.

use std::process::Command;

use hansard_testkit::postgres::Postgres;
use hansard_testkit::tools;

use crate::program::{Desk, Ended};

/// Runs each story beside either database.
macro_rules! on_both {
    ($($story:ident,)+) => {
        mod sqlite {
            $(#[test] fn $story() { super::$story(&crate::beside::Beside::sqlite()); })+
        }
        mod postgres {
            $(#[test] fn $story() { super::$story(&crate::beside::Beside::postgres()); })+
        }
    };
}
pub(crate) use on_both;

/// A desk beside one of the two databases.
pub(crate) struct Beside {
    pub(crate) desk: Desk,
    pub(crate) url: String,
    /// What the database is called in messages.
    pub(crate) address: String,
    pub(crate) sql: Box<dyn Fn(&str)>,
}

impl Beside {
    pub(crate) fn sqlite() -> Self {
        let desk = Desk::new();
        let file = desk.path("own.db");
        let sql = move |statement: &str| {
            let script = "import sqlite3, sys\n\
                with sqlite3.connect(sys.argv[1]) as db: db.execute(sys.argv[2])";
            let mut python = Command::new(tools::python());
            runs(python.args(["-c", script]).arg(&file).arg(statement));
        };
        let (url, address) = ("sqlite:///own.db".to_owned(), "own.db".to_owned());
        Self { desk, url, address, sql: Box::new(sql) }
    }

    pub(crate) fn postgres() -> Self {
        let url = Postgres::shared().create_database();
        let address = url.replacen("postgres@", "", 1);
        let own = url.clone();
        let sql = move |statement: &str| {
            let mut psql = Command::new(tools::postgres_bin().join("psql"));
            runs(psql.args([&own, "--quiet", "--command", statement]));
        };
        Self { desk: Desk::new(), url, address, sql: Box::new(sql) }
    }

    /// The program, to be run on this database.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = self.desk.command(args);
        command.env("DATABASE_URL", &self.url);
        command
    }

    /// Runs the program on this database to its end.
    pub(crate) fn run(&self, args: &[&str]) -> Ended {
        self.command(args).output().expect("the program runs").into()
    }
}

fn runs(command: &mut Command) {
    let output = command.output().expect("the program is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
