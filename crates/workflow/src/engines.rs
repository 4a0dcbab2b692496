//! The engines that jobs share: loaded when the first job needs them, and kept.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use hansard_speech::Transcriber;
use tokio::sync::Mutex;

/// Models that stay loaded; of others, the one that was used longest ago makes room.
const LOADED_MAX: usize = 2;

/// Where engines come from. The program decides which implementation it is.
pub trait Engines: Send + Sync {
    /// The full name of the model that callers call `model`, or of the one that is used when they name none.
    ///
    /// May read files, and never goes to the network.
    ///
    /// # Errors
    /// [`LoadError::NotInstalled`] for a model that the operator has not installed.
    fn pick(&self, model: Option<&str>) -> Result<String, LoadError>;

    /// The models that callers may name; none where any name will do. May read files, and never goes to the network.
    fn installed(&self) -> Vec<String> {
        Vec::new()
    }

    /// Loads the engine with the model that [`pick`](Engines::pick) named. May take seconds.
    ///
    /// # Errors
    /// [`LoadError`] where its files are missing or wrong.
    fn load(&self, name: &str) -> Result<Arc<dyn Transcriber>, LoadError>;
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// Only models that the operator has installed are used.
    #[error("the model {asked} is not installed; {}", offer(installed))]
    NotInstalled {
        /// What was asked for.
        asked: String,
        /// What there is.
        installed: Vec<String>,
    },
    /// It could not be loaded.
    #[error("the model {name} cannot be loaded")]
    Failed {
        /// Which one.
        name: String,
        /// What is wrong.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

fn offer(installed: &[String]) -> String {
    match installed {
        [] => "no model is".to_owned(),
        names => format!("there is {}", names.join(", ")),
    }
}

/// Engines by name, the one that was used last at the end.
type Loaded = Vec<(String, Arc<dyn Transcriber>)>;

/// The engines that are loaded. Cheap to clone.
#[derive(Clone)]
pub struct EnginePool {
    engines: Arc<dyn Engines>,
    loaded: Arc<Mutex<Loaded>>,
}

impl fmt::Debug for EnginePool {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EnginePool").finish_non_exhaustive()
    }
}

impl EnginePool {
    /// A pool in which nothing is loaded.
    pub fn new(engines: Arc<dyn Engines>) -> Self {
        Self { engines, loaded: Arc::default() }
    }

    /// The engine for the model that callers call `model`, loaded if it is not.
    ///
    /// One model is loaded at a time; who needs the same one waits for it instead of loading it again.
    ///
    /// # Errors
    /// As [`Engines::pick`] and [`Engines::load`].
    pub async fn get(&self, model: Option<&str>) -> Result<Arc<dyn Transcriber>, LoadError> {
        let mut loaded = self.loaded.lock().await;
        let name = {
            let (engines, model) = (Arc::clone(&self.engines), model.map(str::to_owned));
            off_the_runtime("", move || engines.pick(model.as_deref())).await?
        };
        let kept = loaded.iter().position(|(known, _)| *known == name).map(|at| loaded.remove(at));
        let engine = match kept {
            Some((_, engine)) => engine,
            None => {
                // Room first: two large models and a third on its way may be more than the machine has. One that a job still
                // uses goes when the job ends.
                while loaded.len() >= LOADED_MAX {
                    loaded.remove(0);
                }
                let (engines, wanted) = (Arc::clone(&self.engines), name.clone());
                let engine = off_the_runtime(&name, move || engines.load(&wanted)).await?;
                tracing::info!(engine.model = engine.model(), "loaded a model");
                engine
            }
        };
        loaded.push((name, Arc::clone(&engine)));
        Ok(engine)
    }

    /// The models that callers may name, as [`Engines::installed`] says.
    pub fn installed(&self) -> Vec<String> {
        self.engines.installed()
    }

    /// The models that are loaded, the one that was used last at the end; nothing while one is being loaded.
    pub fn loaded(&self) -> Vec<String> {
        let loaded = self.loaded.try_lock();
        loaded
            .map_or_else(|_| Vec::new(), |loaded| loaded.iter().map(|one| one.0.clone()).collect())
    }
}

/// Runs `work`, which blocks, where nobody waits behind it. A panic is a failure like another.
async fn off_the_runtime<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> Result<T, LoadError> + Send + 'static,
) -> Result<T, LoadError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        Err(LoadError::Failed { name: name.to_owned(), source: error.into() })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as SyncMutex;

    use hansard_speech::fake::Fake;

    use super::*;

    #[derive(Default)]
    struct Shelf {
        loads: SyncMutex<Vec<String>>,
    }

    impl Engines for Shelf {
        fn pick(&self, model: Option<&str>) -> Result<String, LoadError> {
            match model.unwrap_or("small") {
                "huge" => Err(LoadError::NotInstalled {
                    asked: "huge".to_owned(),
                    installed: vec!["small".to_owned(), "base".to_owned()],
                }),
                name => Ok(name.to_owned()),
            }
        }

        fn load(&self, name: &str) -> Result<Arc<dyn Transcriber>, LoadError> {
            self.loads.lock().unwrap().push(name.to_owned());
            assert_ne!(name, "broken", "its file makes the loader panic");
            Ok(Arc::new(Fake::new()))
        }
    }

    #[tokio::test]
    async fn a_model_is_loaded_once_and_the_least_used_makes_room() {
        let shelf = Arc::new(Shelf::default());
        let pool = EnginePool::new(Arc::clone(&shelf) as Arc<dyn Engines>);
        for model in [None, Some("small"), Some("base"), None, Some("tiny"), Some("base")] {
            pool.get(model).await.unwrap();
        }

        assert_eq!(*shelf.loads.lock().unwrap(), ["small", "base", "tiny", "base"]);
        assert_eq!(pool.loaded(), ["tiny", "base"]);
    }

    #[tokio::test]
    async fn a_model_that_is_not_installed_is_refused_with_what_there_is() {
        let pool = EnginePool::new(Arc::new(Shelf::default()));

        let refused = pool.get(Some("huge")).await.err().unwrap();

        let expected = "the model huge is not installed; there is small, base";
        assert_eq!(refused.to_string(), expected);
    }

    #[tokio::test]
    async fn a_loader_that_panics_breaks_nothing_else() {
        let pool = EnginePool::new(Arc::new(Shelf::default()));

        let failed = pool.get(Some("broken")).await.err().unwrap();

        assert_eq!(failed.to_string(), "the model broken cannot be loaded");
        assert!(pool.get(None).await.is_ok());
    }
}
