//! One fork-join pool.

/// Threads that run the tasks of one call together with the caller.
#[derive(Debug)]
pub struct Pool {
    threads: usize,
}

impl Pool {
    /// A pool of `threads` threads (at least one), the caller included.
    #[must_use]
    pub fn new(threads: usize) -> Pool {
        Pool { threads: threads.max(1) }
    }

    /// How many threads work on a call, the caller included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Runs `f(0)` to `f(tasks - 1)` and returns when all are done.
    pub fn run(&self, tasks: usize, f: &(dyn Fn(usize) + Sync)) {
        (0..tasks).for_each(f);
    }
}
