//! One engine in a process of its own, so that its peak memory is its own, taking orders line by line.

use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::FromStr;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::engine::{Kind, TOKENS};

/// What can be asked of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Milliseconds to make the frames of a window.
    FrontEnd,
    /// Milliseconds to encode a window.
    Encode,
    /// Milliseconds of one decoder step with so many rows.
    Decode(usize),
    /// The most memory the process ever held, in MiB.
    Peak,
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrontEnd => f.write_str("front-end"),
            Self::Encode => f.write_str("encode"),
            Self::Decode(rows) => write!(f, "decode {rows}"),
            Self::Peak => f.write_str("peak"),
        }
    }
}

impl FromStr for Order {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        Ok(match line.split_once(' ').unwrap_or((line, "")) {
            ("front-end", "") => Self::FrontEnd,
            ("encode", "") => Self::Encode,
            ("decode", rows) => Self::Decode(rows.parse()?),
            ("peak", "") => Self::Peak,
            _ => bail!("unknown order: {line}"),
        })
    }
}

/// What an engine answers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Answer {
    /// By the clock on the wall, or the memory.
    pub(crate) value: f64,
    /// By the processor's account of the thread that gave the order: what an engine with one thread took, however
    /// many other programs wanted the processor.
    pub(crate) processor: f64,
}

/// Loads the engine and obeys until the orders end.
pub(crate) fn run(engine: &str, model: &Path, threads: usize) -> anyhow::Result<()> {
    let kind = Kind::named(engine).with_context(|| format!("unknown engine: {engine}"))?;
    let mut engine = kind.load(model, threads)?;
    for line in io::stdin().lines() {
        let order: Order = line?.parse()?;
        let (start, processor_start) = (Instant::now(), processor_time()?);
        match order {
            Order::FrontEnd => engine.front_end()?,
            Order::Encode => engine.encode()?,
            Order::Decode(rows) => engine.decode(rows)?,
            Order::Peak => {}
        }
        let wall = start.elapsed().as_secs_f64() * 1e3;
        let processor = processor_time()? - processor_start;
        let (value, processor) = match order {
            Order::Peak => (peak_memory()?, 0.0),
            Order::Decode(_) => (wall / TOKENS as f64, processor / TOKENS as f64),
            Order::FrontEnd | Order::Encode => (wall, processor),
        };
        println!("{value} {processor}");
        io::stdout().flush()?;
    }
    Ok(())
}

/// How long this thread was on a processor, in ms.
fn processor_time() -> anyhow::Result<f64> {
    let statistics = std::fs::read_to_string("/proc/thread-self/schedstat")
        .context("processor times need Linux")?;
    let nanoseconds = statistics.split(' ').next().context("the kernel keeps no schedstat")?;
    Ok(nanoseconds.parse::<f64>()? / 1e6)
}

/// The most memory this process ever held, in MiB, as Linux counts it.
pub(crate) fn peak_memory() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("peak memory needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    Ok(kibibytes.context("the kernel states no VmHWM")?.parse::<f64>()? / 1024.0)
}

/// An engine in another process.
pub(crate) struct Remote {
    process: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Remote {
    /// Starts the engine with the model at `path`.
    pub(crate) fn start(kind: Kind, path: &Path, threads: usize) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg("serve")
            .arg(kind.to_string())
            .arg(path)
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let orders = process.stdin.take().context("no way to give orders")?;
        let answers = BufReader::new(process.stdout.take().context("no way to hear answers")?);
        Ok(Self { process, orders, answers })
    }

    /// The answer to one order.
    pub(crate) fn ask(&mut self, order: Order) -> anyhow::Result<Answer> {
        writeln!(self.orders, "{order}").context("the engine's process has ended")?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        let numbers = answer.trim().split_once(' ');
        let (value, processor) = numbers.with_context(|| format!("no answer to {order}"))?;
        Ok(Answer { value: value.parse()?, processor: processor.parse()? })
    }

    /// Ends the process.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let Self { mut process, orders, .. } = self;
        drop(orders);
        let status = process.wait()?;
        anyhow::ensure!(status.success(), "an engine's process ended with {status}");
        Ok(())
    }
}
