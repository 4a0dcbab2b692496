//! What was asked of a job, in the words of the engines.

use hansard_domain::job::TranscribeOptions;
use hansard_speech::Options;

/// What an engine is asked for; whatever a job does not say is as in `hansard transcribe FILE`.
pub(crate) fn engine_options(asked: &TranscribeOptions) -> Options {
    let default = Options::default();
    Options {
        language: asked.language.clone(),
        task: asked.task,
        initial_prompt: asked.prompt.clone(),
        word_timestamps: asked.words,
        temperatures: asked.temperature.map_or(default.temperatures, |only| vec![only]),
        ..default
    }
}

#[cfg(test)]
mod tests {
    use hansard_domain::transcript::Task;

    use super::*;

    #[test]
    fn a_job_that_asks_for_nothing_gets_the_defaults() {
        assert_eq!(engine_options(&TranscribeOptions::default()), Options::default());
    }

    #[test]
    fn everything_that_is_asked_for_reaches_the_engine() {
        let asked = TranscribeOptions {
            language: Some("pt".to_owned()),
            task: Task::Translate,
            model: None,
            prompt: Some("Hansard".to_owned()),
            words: true,
            channels_apart: false,
            temperature: Some(0.5),
        };

        let options = engine_options(&asked);

        assert_eq!(options.language, asked.language);
        assert_eq!(options.task, asked.task);
        assert_eq!(options.initial_prompt, asked.prompt);
        assert!(options.word_timestamps);
        assert_eq!(options.temperatures, [0.5]);
    }
}
