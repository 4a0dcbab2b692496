//! Background tasks: each one has a name, is waited for, and can be told to end.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A group of tasks that end together. Cheap to clone; clones are the same group.
///
/// It ends in two steps: [`stop`](Tasks::stop) asks the tasks to come to an end, [`kill`](Tasks::kill) drops them where
/// they wait next.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stopping: CancellationToken,
    killed: CancellationToken,
    broken: CancellationToken,
}

impl Tasks {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// Runs `task` in the background. One that panics breaks the group.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (killed, broken) = (self.killed.clone(), self.broken.clone());
        self.tracker.spawn(async move {
            tokio::select! {
                () = killed.cancelled() => {}
                ended = AssertUnwindSafe(task).catch_unwind() => {
                    if ended.is_err() {
                        tracing::error!(task = name, "a background task panicked");
                        broken.cancel();
                    }
                }
            }
        });
    }

    /// What tasks listen to: it is cancelled when they are to come to an end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Asks all tasks to come to an end.
    pub fn stop(&self) {
        self.stopping.cancel();
    }

    /// Drops all tasks where they wait next.
    pub fn kill(&self) {
        self.stopping.cancel();
        self.killed.cancel();
    }

    /// Waits until all tasks have ended. To be called after [`stop`](Tasks::stop) or [`kill`](Tasks::kill).
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }

    /// Waits until a task has panicked: something that should always run does not any more.
    pub async fn broken(&self) {
        self.broken.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_end_when_they_are_asked_to() {
        let tasks = Tasks::new();
        let stopping = tasks.stopping().clone();
        tasks.spawn("polite", async move { stopping.cancelled().await });

        tasks.stop();

        tasks.ended().await;
    }

    #[tokio::test]
    async fn a_task_that_does_not_listen_is_dropped() {
        let tasks = Tasks::new();
        tasks.spawn("deaf", std::future::pending());

        tasks.kill();

        tasks.ended().await;
    }

    #[tokio::test]
    async fn a_panic_is_noticed() {
        let tasks = Tasks::new();
        tasks.spawn("broken", async { panic!("a bug") });

        tasks.broken().await;
    }
}
