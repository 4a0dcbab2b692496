//! How many jobs a second go through the whole pipeline, beside a task queue on the same machine. See `bench/README.md`.

mod celery;
mod ours;
mod posts;

use anyhow::{Context, bail};

/// Jobs of a run, unless another number is asked for.
const JOBS: usize = 5_000;

/// Jobs whose memory is compared with that of a tenth of them.
const MANY_JOBS: usize = 100_000;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => compare(JOBS).await,
        ["memory"] => ours::memory(MANY_JOBS).await,
        [count] => compare(count.parse().context("usage: hansard-bench-jobs [JOBS|memory]")?).await,
        _ => bail!("usage: hansard-bench-jobs [JOBS|memory]"),
    }
}

async fn compare(count: usize) -> anyhow::Result<()> {
    let theirs = celery::run(count)?;
    println!("celery, redis: {:.0} tasks/s queued, {:.0} tasks/s done", theirs.queued, theirs.done);
    for database in [ours::Kind::Sqlite, ours::Kind::Postgres] {
        let place = ours::Place::new(database)?;
        let ours = ours::run(&place, count).await?;
        println!(
            "hansard, {}: {:.0} jobs/s accepted, {:.0} jobs/s done: {:.2} times celery's",
            place.name(),
            ours.accepted,
            ours.done,
            ours.done / theirs.done
        );
        posts::run(&place).await?;
    }
    Ok(())
}
