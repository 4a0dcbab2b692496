//! One fork-join pool.

use std::any::Any;
use std::cell::UnsafeCell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// Looks at the gate before an idle worker sleeps: some tens of microseconds, the pause between two
/// layers of a decoder.
const SPINS: u32 = 2000;
/// Looks at the count of active workers before the caller starts to yield its core to them.
const SPINS_BEFORE_YIELD: u32 = 1000;

/// In the gate: the workers that have joined the job.
const ACTIVE: u64 = 0xffff;
/// In the gate: workers may join.
const OPEN: u64 = 1 << 16;
/// In the gate: workers end.
const STOP: u64 = 1 << 17;
/// In the gate: the lowest bit of the number of the job.
const JOB: u64 = 1 << 18;

/// Threads that work together with the caller of [`Pool::run`].
///
/// It may be shared. Who finds the workers busy, another caller or a task that itself calls `run`,
/// does all its tasks on its own thread.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

struct Shared {
    /// [`ACTIVE`], [`OPEN`], [`STOP`] and the number of the job, changed together.
    gate: AtomicU64,
    /// A caller owns the workers.
    taken: AtomicBool,
    job: UnsafeCell<Option<Job>>,
    /// For each worker: it sleeps or is about to.
    asleep: Vec<AtomicBool>,
}

// SAFETY: `job` is written only by the caller that owns `taken`, while the gate is shut and no
// worker is active, and read by workers only between joining and leaving.
unsafe impl Sync for Shared {}
// SAFETY: the pointers in `job` are to `Sync` data that outlives the call of `run`.
unsafe impl Send for Shared {}

/// One call of `run`.
#[derive(Clone, Copy)]
struct Job {
    tasks: *const Tasks<'static>,
}

struct Tasks<'a> {
    next: AtomicUsize,
    count: usize,
    f: &'a (dyn Fn(usize) + Sync),
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Tasks<'_> {
    /// Does tasks until none is left.
    fn work(&self) {
        loop {
            let task = self.next.fetch_add(1, Ordering::Relaxed);
            if task >= self.count {
                return;
            }
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.f)(task))) {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(panic);
            }
        }
    }
}

impl Pool {
    /// A pool of `threads` threads, the caller included; 0 counts as 1.
    ///
    /// Where the system refuses a thread the pool has fewer.
    #[must_use]
    pub fn new(threads: usize) -> Pool {
        let extra = threads.saturating_sub(1).min(ACTIVE as usize);
        let shared = Arc::new(Shared {
            gate: AtomicU64::new(0),
            taken: AtomicBool::new(false),
            job: UnsafeCell::new(None),
            asleep: (0..extra).map(|_| AtomicBool::new(false)).collect(),
        });
        let spawn = |worker| {
            let shared = Arc::clone(&shared);
            let name = format!("nn-{worker}");
            thread::Builder::new().name(name).spawn(move || shared.serve(worker)).ok()
        };
        let workers = (0..extra).map_while(spawn).collect();
        Pool { shared, workers }
    }

    /// How many threads work on a call, the caller included.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `f(0)` to `f(tasks - 1)`, on all threads and in any order; returns when all are done.
    ///
    /// # Panics
    /// With the first panic of a task, after all others have run; the pool stays usable.
    pub fn run(&self, tasks: usize, f: &(dyn Fn(usize) + Sync)) {
        let tasks = Tasks { next: AtomicUsize::new(0), count: tasks, f, panic: Mutex::new(None) };
        let alone = tasks.count <= 1 || self.workers.is_empty();
        if alone || self.shared.taken.swap(true, Ordering::Acquire) {
            tasks.work();
        } else {
            self.share(&tasks);
            self.shared.taken.store(false, Ordering::Release);
        }
        let panic = tasks.panic.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// As [`Pool::run`], but on this thread alone unless the work is `worth` waking others for.
    pub(crate) fn run_if(&self, worth: bool, tasks: usize, f: &(dyn Fn(usize) + Sync)) {
        if worth {
            self.run(tasks, f);
        } else {
            (0..tasks).for_each(f);
        }
    }

    /// Does `tasks` with the workers. The caller owns `taken`.
    fn share(&self, tasks: &Tasks<'_>) {
        let gate = &self.shared.gate;
        let job = Job { tasks: std::ptr::from_ref(tasks).cast() };
        // SAFETY: this caller owns `taken`, the gate is shut and nobody is active. The pointer is
        // used only until the loop below has seen that nobody is active any more.
        unsafe { *self.shared.job.get() = Some(job) };
        gate.fetch_add(JOB | OPEN, Ordering::SeqCst);
        // Either a worker that falls asleep sees the open gate, or this sees that it falls asleep.
        for (worker, asleep) in self.workers.iter().zip(&self.shared.asleep) {
            if asleep.load(Ordering::SeqCst) {
                worker.thread().unpark();
            }
        }
        tasks.work();
        gate.fetch_and(!OPEN, Ordering::AcqRel);
        let mut spins = 0;
        while gate.load(Ordering::Acquire) & ACTIVE != 0 {
            if spins < SPINS_BEFORE_YIELD {
                spins += 1;
                std::hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

impl Shared {
    /// The life of a worker.
    fn serve(&self, worker: usize) {
        let mut last = 0;
        loop {
            let gate = self.wait(worker, last);
            if gate & STOP != 0 {
                return;
            }
            let joined = gate + 1;
            let exchange =
                self.gate.compare_exchange(gate, joined, Ordering::Acquire, Ordering::Relaxed);
            if exchange.is_err() {
                continue;
            }
            last = gate / JOB;
            // SAFETY: having joined, the caller waits for this worker before `job` changes.
            if let Some(job) = unsafe { *self.job.get() } {
                // SAFETY: as above: the tasks live until this worker has left.
                unsafe { &*job.tasks }.work();
            }
            self.gate.fetch_sub(1, Ordering::Release);
        }
    }

    /// Waits until the gate is open for another job than `last`, or for the end.
    fn wait(&self, worker: usize, last: u64) -> u64 {
        let wanted = |gate: u64| gate & STOP != 0 || (gate & OPEN != 0 && gate / JOB != last);
        loop {
            for _ in 0..SPINS {
                let gate = self.gate.load(Ordering::Acquire);
                if wanted(gate) {
                    return gate;
                }
                std::hint::spin_loop();
            }
            self.asleep[worker].store(true, Ordering::SeqCst);
            if !wanted(self.gate.load(Ordering::SeqCst)) {
                thread::park();
            }
            self.asleep[worker].store(false, Ordering::Relaxed);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.gate.fetch_or(STOP, Ordering::SeqCst);
        for worker in self.workers.drain(..) {
            worker.thread().unpark();
            // A worker catches the panics of its tasks and has none of its own.
            let _ = worker.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `tasks` tasks and checks that each ran once.
    fn check(pool: &Pool, tasks: usize) {
        let runs: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        pool.run(tasks, &|task| {
            runs[task].fetch_add(1, Ordering::Relaxed);
        });
        assert!(runs.iter().all(|runs| runs.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn every_task_runs_once_on_any_number_of_threads() {
        for threads in [0, 1, 2, 5] {
            let pool = Pool::new(threads);
            assert_eq!(pool.threads(), threads.max(1));
            for tasks in [0, 1, 2, 3, 100] {
                check(&pool, tasks);
            }
            for _ in 0..2000 {
                check(&pool, 4);
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_after_the_other_tasks_and_the_pool_lives_on() {
        for threads in [1, 3] {
            let pool = Pool::new(threads);
            let done = AtomicUsize::new(0);
            let result = catch_unwind(AssertUnwindSafe(|| {
                pool.run(50, &|task| {
                    assert!(task != 7, "task seven fails");
                    done.fetch_add(1, Ordering::Relaxed);
                });
            }));
            let panic = result.unwrap_err();
            assert_eq!(panic.downcast_ref::<&str>(), Some(&"task seven fails"));
            assert_eq!(done.load(Ordering::Relaxed), 49);
            check(&pool, 20);
        }
    }

    #[test]
    fn a_task_may_run_tasks() {
        let pool = Pool::new(3);
        let sum = AtomicUsize::new(0);
        pool.run(10, &|outer| {
            pool.run(10, &|inner| {
                sum.fetch_add(outer * 10 + inner, Ordering::Relaxed);
            });
        });
        assert_eq!(sum.load(Ordering::Relaxed), (0..100).sum());
    }

    #[test]
    fn several_callers_share_the_workers() {
        let pool = Pool::new(2);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..500).for_each(|_| check(&pool, 9)));
            }
        });
    }

    #[test]
    fn sleeping_workers_wake_and_end() {
        let pool = Pool::new(3);
        while !pool.shared.asleep.iter().all(|asleep| asleep.load(Ordering::Relaxed)) {
            thread::yield_now();
        }
        check(&pool, 30);
        drop(pool);
    }
}
