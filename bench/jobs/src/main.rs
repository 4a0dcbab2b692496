//! How many jobs a second go through the whole pipeline, beside a task queue on the same machine. See `bench/README.md`.

mod celery;
mod ours;
mod posts;
mod start;

use anyhow::{Context, bail};

/// Jobs of a round, unless another number is asked for.
const JOBS: usize = 5_000;

/// Rounds, in each of which everybody has a turn; the median counts.
const ROUNDS: usize = 3;

/// Jobs over which memory must stay as it is.
const MANY_JOBS: usize = 100_000;

const USAGE: &str = "usage: hansard-bench-jobs [JOBS|memory|start]";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => compare(JOBS).await,
        ["memory"] => ours::memory(MANY_JOBS).await,
        ["start"] => start::run().await,
        [count] => compare(count.parse().context(USAGE)?).await,
        _ => bail!(USAGE),
    }
}

/// How many a second were handed in, and how many were done.
#[derive(Debug, Clone, Copy)]
struct Speed {
    accepted: f64,
    done: f64,
}

impl Speed {
    /// How many a second came from one end to the other.
    fn through(self) -> f64 {
        1.0 / (1.0 / self.accepted + 1.0 / self.done)
    }
}

async fn compare(count: usize) -> anyhow::Result<()> {
    let (mut theirs, mut sqlite, mut postgres) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        println!("round {round}, {count} each, a second:");
        theirs.push(show("celery, redis", celery::run(count)?));
        for (kind, speeds) in
            [(ours::Kind::Sqlite, &mut sqlite), (ours::Kind::Postgres, &mut postgres)]
        {
            let place = ours::Place::new(kind)?;
            let name = format!("hansard, {}", place.name());
            speeds.push(show(&name, ours::run(&place, count).await?));
        }
    }
    println!("medians, beside celery's:");
    for (name, ours) in [("sqlite", &sqlite), ("postgres", &postgres)] {
        let ratio = |part: fn(Speed) -> f64| median(ours, part) / median(&theirs, part);
        println!(
            "hansard, {name}: {:.2} times the jobs accepted, {:.2} times the jobs done, {:.2} times both",
            ratio(|speed| speed.accepted),
            ratio(|speed| speed.done),
            ratio(Speed::through)
        );
    }
    for kind in [ours::Kind::Sqlite, ours::Kind::Postgres] {
        posts::run(&ours::Place::new(kind)?).await?;
    }
    Ok(())
}

fn show(name: &str, speed: Speed) -> Speed {
    let Speed { accepted, done } = speed;
    println!("{name}: {accepted:.0} accepted, {done:.0} done, {:.0} both", speed.through());
    speed
}

fn median(speeds: &[Speed], part: fn(Speed) -> f64) -> f64 {
    let mut values: Vec<f64> = speeds.iter().copied().map(part).collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
