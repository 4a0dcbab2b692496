//! Speed and memory of our Whisper beside whisper.cpp, on the machine it runs on. See `bench/README.md`.

mod compare;
mod engine;
mod ggml;
mod memory;
mod ours;
mod serve;
mod theirs;

use std::env;
use std::path::Path;

use anyhow::bail;
use compare::Setting;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["memory"] => memory::run(),
        ["serve", engine, model, threads] => serve::run(engine, Path::new(model), threads.parse()?),
        ["listen", minutes] => memory::listen(minutes.parse()?),
        ["--busy", ref shapes @ ..] => compare::run(shapes, Setting::Busy),
        [flag, ..] if flag.starts_with('-') => {
            bail!("usage: hansard-bench [--busy] [tiny|base|small ...] | memory")
        }
        ref shapes => compare::run(shapes, Setting::Quiet),
    }
}
