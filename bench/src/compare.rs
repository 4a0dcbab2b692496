//! The table: each figure of both engines, measured in turn, and their ratio.

use anyhow::{Context, bail};
use hansard_testkit::shapes::{Dtype, Layout, Shape};

use crate::engine::{BEAM, Kind};
use crate::ggml;
use crate::serve::{Answer, Order, Remote};
use crate::theirs;

/// How often each figure is taken; the median counts.
const REPETITIONS: usize = 7;

/// What is compared if nothing else is asked for.
const SHAPES: [&str; 3] = ["tiny", "base", "small"];

/// Seed of the weights.
const SEED: u64 = 2;

/// What is timed, and how the table names it.
const FIGURES: [(Order, &str); 4] = [
    (Order::FrontEnd, "front end, ms per window"),
    (Order::Encode, "encoder, ms per window"),
    (Order::Decode(1), "decoder, ms per token"),
    (Order::Decode(BEAM), "decoder, ms per step of 5"),
];

/// Whether the machine can be trusted with wall time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// It has nothing else to do: two threads each, wall time.
    Quiet,
    /// It has: one thread each, processor time. whisper.cpp's threads wait for each other in loops, so that with two
    /// on a busy machine it is slower by orders of magnitude, which says nothing.
    Busy,
}

impl Setting {
    fn threads(self) -> usize {
        match self {
            Self::Quiet => 2,
            Self::Busy => 1,
        }
    }

    fn time(self, answer: Answer) -> f64 {
        match self {
            Self::Quiet => answer.value,
            Self::Busy => answer.processor,
        }
    }
}

/// Compares the engines on models of these shapes and prints the table.
pub(crate) fn run(shapes: &[&str], setting: Setting) -> anyhow::Result<()> {
    let shapes = if shapes.is_empty() { &SHAPES } else { shapes };
    let shapes: Vec<Shape> = shapes.iter().map(|name| shape(name)).collect::<Result<_, _>>()?;
    println!("{}", theirs::description());
    let (threads, clock) = match setting {
        Setting::Quiet => ("2 threads", "wall"),
        Setting::Busy => ("1 thread", "processor"),
    };
    println!("{threads} each, f16 weights, {clock} time, median of {REPETITIONS} taken in turn\n");
    println!(
        "{:<6} {:<28} {:>12} {:>12} {:>7}",
        "shape",
        "figure",
        Kind::Ours,
        Kind::Theirs,
        "ratio"
    );
    for shape in shapes {
        compare(&shape, setting).with_context(|| format!("cannot compare {}", shape.name))?;
    }
    println!("\nThe ratio is ours to theirs: below 1 we are the faster or the smaller.");
    Ok(())
}

fn shape(name: &str) -> anyhow::Result<Shape> {
    Ok(match name {
        "tiny" => Shape::tiny(),
        "base" => Shape::base(),
        "small" => Shape::small(),
        _ => bail!("unknown shape {name}: tiny, base and small are known"),
    })
}

fn compare(shape: &Shape, setting: Setting) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ggml.bin");
    shape.write_model(SEED, folder.path(), Layout::Single, Dtype::F16)?;
    ggml::convert(folder.path(), &file)?;

    let mut ours = Remote::start(Kind::Ours, folder.path(), setting.threads())?;
    let mut theirs = Remote::start(Kind::Theirs, &file, setting.threads())?;
    for (order, _) in FIGURES {
        // The first of each warms caches and pages and does not count.
        ours.ask(order)?;
        theirs.ask(order)?;
    }
    let mut samples: Vec<[Vec<f64>; 2]> = FIGURES.iter().map(|_| Default::default()).collect();
    for _ in 0..REPETITIONS {
        for ((order, _), [of_ours, of_theirs]) in FIGURES.iter().zip(&mut samples) {
            of_ours.push(setting.time(ours.ask(*order)?));
            of_theirs.push(setting.time(theirs.ask(*order)?));
        }
    }
    for ((_, figure), [of_ours, of_theirs]) in FIGURES.iter().zip(samples) {
        print_row(shape, figure, median(of_ours), median(of_theirs));
    }
    let (peak, their_peak) = (ours.ask(Order::Peak)?.value, theirs.ask(Order::Peak)?.value);
    print_row(shape, "peak memory, MiB", peak, their_peak);
    ours.finish()?;
    theirs.finish()
}

fn print_row(shape: &Shape, figure: &str, ours: f64, theirs: f64) {
    let ratio = ours / theirs;
    println!("{:<6} {figure:<28} {ours:>12.2} {theirs:>12.2} {ratio:>7.2}", shape.name);
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
